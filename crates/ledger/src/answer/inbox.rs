//! What inboxes answer.

use crate::words::words;
use crate::{Conversation, Epoch, Follow, Kind, Seq, UnknownWord, Useq};

/// What a device that comes back is told.
///
/// `[epoch, cursor, head, start, how, more, [[useq, conversation, after, seq, kind], …], [[conversation, read], …]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// The life of the store; goes with every useq.
    pub epoch: Epoch,
    /// What the device has acknowledged.
    pub cursor: Useq,
    /// The user's last number.
    pub head: Useq,
    /// What is new to the device is what came after this: the position it gave, or its cursor if it gave none. It is further
    /// on than the position if the device has acknowledged what has left the ring: at its cursor, or where the ring begins if
    /// that is in it.
    pub start: Useq,
    /// How the device gets it.
    pub how: How,
    /// Whether the ring has more than these pointers: resume again from the last of them.
    pub more: bool,
    /// What came after `start`, in order, if the ring has it; else none.
    pub pointers: Vec<Pointer>,
    /// The rooms the user follows by their channel, in byte order, whose heads have to be compared.
    pub channels: Vec<Followed>,
}

words!(
    /// How a device that comes back gets what it missed.
    How, "a way to resume",
    /// By the pointers of the ring: all changes in their order.
    Ring = "ring",
    /// The ring does not go back so far: by the conversations that changed after `start`, each from where the device stands
    /// in it ([`Op::Changed`](crate::Op::Changed)).
    Index = "index",
    /// Its position is of another store: nothing it has means anything here. It comes again without one.
    Reset = "reset",
);

/// One change in a user's ring.
///
/// `[useq, conversation, after, seq, kind]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// Its number.
    pub useq: Useq,
    /// Where it happened.
    pub conversation: Conversation,
    /// What is new are the entries after this,
    pub after: Seq,
    /// up to this. Both are equal if only what is unread has changed: up to where was read, or the mention.
    pub seq: Seq,
    /// What it is about.
    pub kind: PointerKind,
}

/// What a change in a ring is about. In the array the entry's kind, `read` or `mention`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerKind {
    /// Entries, of which the last is of this kind.
    Entry(Kind),
    /// The user has read.
    Read,
    /// A mention came late, by an entry the inbox was past already.
    Mention,
}

impl PointerKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            PointerKind::Entry(kind) => kind.as_str(),
            PointerKind::Read => "read",
            PointerKind::Mention => "mention",
        }
    }

    /// Reads a word.
    pub fn parse(word: &str) -> Result<PointerKind, UnknownWord> {
        Ok(match word {
            "read" => PointerKind::Read,
            "mention" => PointerKind::Mention,
            kind => PointerKind::Entry(Kind::parse(kind)?),
        })
    }
}

/// A room that is followed by its channel.
///
/// `[conversation, read]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Which.
    pub conversation: Conversation,
    /// How many of its messages the user has read.
    pub read: u64,
}

/// One conversation of a user.
///
/// `[conversation, from, head, count, read, mentions, useq, follow]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub conversation: Conversation,
    /// Where the device stands that asked: the entries after this, up to the head, are new to it. The `after` of the first
    /// entry's pointer above its cursor, as far as the ring goes back; of the first that left the ring, if any did before the
    /// device had it, until the device's cursor reaches the ring or the conversation's last change; `WITHIN` moves it up. The
    /// head if there is none. 0 where no device asked.
    pub from: Seq,
    /// The last entry that has come into the inbox.
    pub head: Seq,
    /// That entry's count.
    pub count: u64,
    /// How many messages are read: unread is `count - read`, or 0. See [`Follow`] for rooms followed by their channel.
    pub read: u64,
    /// How many unread messages mention the user.
    pub mentions: u64,
    /// The number of the conversation's last change in the inbox.
    pub useq: Useq,
    /// How the user follows it.
    pub follow: Follow,
}

/// A page of a user's conversations.
///
/// `[more, [row, …]]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Whether there are more in the direction of reading.
    pub more: bool,
    /// In the order asked for.
    pub rows: Vec<Row>,
}

/// What is unread in a conversation after it was read. All 0 and `inbox` if the index has no record of it.
///
/// `[useq, count, read, mentions, follow]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// The number of the conversation's last change in the inbox, which is this one if it changed something.
    pub useq: Useq,
    /// As in [`Row`].
    pub count: u64,
    /// As in [`Row`].
    pub read: u64,
    /// As in [`Row`].
    pub mentions: u64,
    /// As in [`Row`].
    pub follow: Follow,
}
