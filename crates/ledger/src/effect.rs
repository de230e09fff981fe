//! What is recorded: the changes, not the wishes that led to them.

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::conversation::Direct;
use crate::names::{ClientId, Device, Epoch, User};
use crate::position::{Millis, Seq, Useq};

/// One change of a ledger, complete in itself: outcomes and absolute times, nothing left to decide when it is
/// applied again.
///
/// This is stored. The order of the variants and of their fields is the format: new ones go to the end, none
/// changes its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The first record of a ledger.
    Born {
        /// Which life of it begins.
        epoch: Epoch,
    },
    /// A message has its place.
    Appended {
        /// Whose log.
        conversation: Direct,
        /// One above the log's head.
        seq: Seq,
        /// Who said it.
        sender: User,
        /// What the sender's client called it.
        client_id: ClientId,
        /// When; not before the message before it.
        at: Millis,
        /// What was said.
        body: Body,
    },
    /// A message is in a user's inbox.
    Delivered {
        /// Whose inbox.
        user: User,
        /// One above the inbox's head.
        useq: Useq,
        /// Which conversation.
        conversation: Direct,
        /// One above how far the conversation was in this inbox.
        seq: Seq,
    },
    /// A conversation is fanned out up to here.
    Done {
        /// Which conversation.
        conversation: Direct,
        /// The last message that is in all inboxes.
        seq: Seq,
    },
    /// A device was there. From the first time on the inbox holds pointers back for it.
    Seen {
        /// Whose inbox.
        user: User,
        /// Which of the user's devices.
        device: Device,
        /// When.
        at: Millis,
    },
    /// A device has acknowledged everything up to here.
    Acked {
        /// Whose inbox.
        user: User,
        /// Which of the user's devices.
        device: Device,
        /// The new cursor.
        useq: Useq,
        /// When.
        at: Millis,
    },
    /// A device no longer holds pointers back.
    Forgotten {
        /// Whose inbox.
        user: User,
        /// Which of the user's devices.
        device: Device,
    },
}
