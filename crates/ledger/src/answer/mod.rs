//! What a ledger answers, whichever store keeps it.
//!
//! The documentation of each type has the array that the command and the script answer. Names, words and entries are bulk
//! strings; numbers are integers, moments among them in milliseconds since 1970; yes and no are 1 and 0. A refusal is an error: its
//! code, a space and the text.

mod append;
mod entry;
mod inbox;
mod members;
mod refused;
mod tracing;

pub use append::{Appended, Delivered, Open};
pub use entry::{Content, Entry, Page, Text};
pub use inbox::{Followed, How, Pointer, PointerKind, Resumed, Row, Rows, Unread};
pub use members::{Changed, Member, Members, Present, Written};
pub use refused::Refused;
pub use tracing::{DeviceStanding, Standing, Traced};

use crate::{Seq, Useq};

/// What an operation answers when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To append, edit, delete and send.
    Appended(Appended),
    /// To deliver.
    Delivered(Vec<Delivered>),
    /// To done: everything up to here is fanned out. One below the first open entry, or the head.
    Done(Seq),
    /// To sweep.
    Open(Vec<Open>),
    /// To resume.
    Resumed(Resumed),
    /// To changed and conversations.
    Rows(Rows),
    /// To ack: the device's cursor.
    Acked(Useq),
    /// To read.
    Unread(Unread),
    /// To mark: where the mark is, 0 if there is none.
    Marked(Seq),
    /// To history.
    Page(Page),
    /// To join, leave and role.
    Changed(Changed),
    /// To members.
    Members(Members),
    /// To server, route and unroute: `OK`.
    Ok,
    /// To presence.
    Present(Vec<Present>),
    /// To trace.
    Traced(Traced),
    /// To standing.
    Standing(Standing),
}
