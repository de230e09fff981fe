use naru_ledger::{
    Conversation as Name, Device, Epoch, Generation, Kind, Millis, Mode, Role, Seq, Useq, User, Version,
};
use serde::{Deserialize, Serialize};

use super::{Bounds, Conversation, Id, IdKey, Person};
use crate::{keyspace::Body, numbered::Number};

/// A change of the ledger: an outcome, nothing left to decide, and nothing that depends on what one of the limits is
/// when it is made again. Each touches one conversation, or people, or the head, and follows from that alone. The order of the
/// variants and of their fields is the format of the log: new ones go to the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum LedgerChange {
    /// The ledger has begun.
    Begun {
        epoch: Epoch,
        /// What client ids are hashed with.
        key: IdKey,
    },
    /// The newest records may be missing.
    Raised(Generation),
    /// From here on a power cut may take records that were answered.
    Weakened,
    /// Everything is on disk, and whoever wrote has ended.
    Rested,
    /// The limits that what follows is decided with, as far as they are needed to make it again.
    Bounded(Bounds),
    /// An entry was appended. The first makes the conversation, with the next number.
    Appended {
        conversation: Number,
        /// Said each time, so that what is left of a damaged log says where it belongs.
        name: Name,
        seq: Seq,
        at: Millis,
        /// How many messages there are with it.
        count: u64,
        /// Of its sender and client id; none if it is the ledger's own.
        id: Option<Id>,
        /// Whether it has still to be delivered.
        is_open: bool,
        /// A [`Content`](super::Content).
        content: Body,
    },
    /// The oldest entries were removed.
    Trimmed {
        conversation: Number,
        through: Seq,
        /// When the first that is left was stored, if it was looked up.
        first_at: Option<Millis>,
    },
    /// An entry's content stands elsewhere, and may say something else, from now on.
    Rewritten { conversation: Number, seq: Seq, content: Body },
    /// An entry has come into all inboxes it is for.
    Done { conversation: Number, seq: Seq },
    /// One joins, leaves (without a role) or has another role.
    Member {
        conversation: Number,
        version: Version,
        user: User,
        role: Option<Role>,
        /// The entry that says so.
        seq: Seq,
    },
    /// A room is in broadcast mode after this entry.
    Switched { conversation: Number, seq: Seq },
    /// A user has read up to here, as far as others are told.
    Marked { conversation: Number, user: User, seq: Seq },
    /// A user is known, under the next number.
    Known { person: Number, user: User },
    /// An entry has come into inboxes.
    Delivered { conversation: Number, seq: Seq, count: u64, kind: Kind, mode: Mode, to: Vec<Reached> },
    /// A user has read.
    Read { person: Number, useq: Useq, conversation: Number, seq: Seq, count: u64 },
    /// A device was there, and these were not for too long.
    Seen { person: Number, device: Device, at: Millis, forgotten: Vec<Device> },
    /// A device has what came up to here; besides it is seen.
    Acked { person: Number, device: Device, useq: Useq, at: Millis, forgotten: Vec<Device> },
    /// A device that is far behind has got so far in one conversation.
    Within { person: Number, device: Device, conversation: Number, seq: Seq },
    /// What is true of a conversation besides its entries, which were appended before: what a salvage has found.
    Restated { conversation: Number, row: Box<Conversation> },
    /// A user as they were.
    Restored { person: Number, row: Box<Person> },
}

/// One into whose inbox an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reached {
    pub(crate) person: Number,
    /// The number that the change has there.
    pub(crate) useq: Useq,
    pub(crate) part: Part,
}

/// What someone has to do with an entry that comes into their inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Part {
    Recipient,
    Mentioned,
    Sender,
    /// The same, of one whose own joining has not come yet: what was up to this is not theirs to catch up with.
    RecipientAfter(Seq),
    MentionedAfter(Seq),
    SenderAfter(Seq),
}

impl Part {
    /// Of a member since this entry; 0 for those who take part without.
    pub(crate) fn since(self, since: Seq) -> Part {
        let after = Seq(since.0.saturating_sub(1));
        match self.plain() {
            plain if after == Seq::ZERO => plain,
            Part::Mentioned | Part::MentionedAfter(_) => Part::MentionedAfter(after),
            Part::Sender | Part::SenderAfter(_) => Part::SenderAfter(after),
            Part::Recipient | Part::RecipientAfter(_) => Part::RecipientAfter(after),
        }
    }

    /// Of one to whom it makes no difference when they joined.
    pub(crate) fn plain(self) -> Part {
        match self {
            Part::Recipient | Part::RecipientAfter(_) => Part::Recipient,
            Part::Mentioned | Part::MentionedAfter(_) => Part::Mentioned,
            Part::Sender | Part::SenderAfter(_) => Part::Sender,
        }
    }

    pub(crate) fn after(self) -> Seq {
        match self {
            Part::Recipient | Part::Mentioned | Part::Sender => Seq::ZERO,
            Part::RecipientAfter(after) | Part::MentionedAfter(after) | Part::SenderAfter(after) => after,
        }
    }
}

/// What a change touches: whoever takes changes back in leaves out those that a checkpoint knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Head,
    Conversation(Number),
    Person(Number),
    /// Those in `to`, each of whom may be left out on their own: see [`LedgerChange::retain_reached`].
    People,
}

impl LedgerChange {
    pub(crate) fn subject(&self) -> Subject {
        match self {
            LedgerChange::Begun { .. }
            | LedgerChange::Raised(_)
            | LedgerChange::Weakened
            | LedgerChange::Rested
            | LedgerChange::Bounded(_) => Subject::Head,
            LedgerChange::Appended { conversation, .. }
            | LedgerChange::Trimmed { conversation, .. }
            | LedgerChange::Rewritten { conversation, .. }
            | LedgerChange::Done { conversation, .. }
            | LedgerChange::Member { conversation, .. }
            | LedgerChange::Switched { conversation, .. }
            | LedgerChange::Restated { conversation, .. }
            | LedgerChange::Marked { conversation, .. } => Subject::Conversation(*conversation),
            LedgerChange::Known { person, .. }
            | LedgerChange::Read { person, .. }
            | LedgerChange::Seen { person, .. }
            | LedgerChange::Acked { person, .. }
            | LedgerChange::Restored { person, .. }
            | LedgerChange::Within { person, .. } => Subject::Person(*person),
            LedgerChange::Delivered { .. } => Subject::People,
        }
    }

    /// The highest number that it gives.
    pub(crate) fn number(&self) -> u64 {
        match self {
            LedgerChange::Appended { seq, .. } => seq.0,
            LedgerChange::Member { version, .. } => version.0,
            LedgerChange::Read { useq, .. } => useq.0,
            LedgerChange::Delivered { to, .. } => to.iter().map(|reached| reached.useq.0).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Leaves out recipients of a delivery.
    pub(crate) fn retain_reached(&mut self, mut keep: impl FnMut(Number) -> bool) {
        if let LedgerChange::Delivered { to, .. } = self {
            to.retain(|reached| keep(reached.person));
        }
    }

    /// Visits the bodies that it brings along.
    pub(crate) fn each_body(&mut self, visit: &mut dyn FnMut(&mut Body)) {
        if let LedgerChange::Appended { content, .. } | LedgerChange::Rewritten { content, .. } = self {
            visit(content);
        }
    }
}
