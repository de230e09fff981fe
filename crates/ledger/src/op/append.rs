//! Writing into a log, and bringing what is there to inboxes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::{Body, ClientId, Conversation, Kind, Level, Mode, Seq, Server, User};

/// Something to be said.
///
/// A client id the sender has used in this conversation lately (see [`dedupe_window`](crate::Limits::dedupe_window))
/// gets the first answer again, whatever else is asked for by it and whoever may write by now. Else refused:
/// a body or mentions above the limits (`TOOBIG`), a sender who takes no part or may only read (`FORBIDDEN`), a target that is
/// not there (`NOTFOUND`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where.
    pub conversation: Conversation,
    /// By whom.
    pub sender: User,
    /// What the sender's client calls it. One series for appends, edits and deletions.
    pub client_id: ClientId,
    /// What.
    pub said: Said,
    /// What it is to survive before it is answered. `fsync` if nothing else is asked for.
    pub level: Level,
}

/// What can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A message, which counts.
    Message {
        /// JSON, at most [`body_bytes_max`](crate::Limits::body_bytes_max) bytes.
        body: Body,
        /// Whom it is meant for in particular, at most [`mentions_max`](crate::Limits::mentions_max) users. Those who take
        /// no part are not told.
        mentions: BTreeSet<User>,
    },
    /// An answer to a message.
    Reaction {
        /// A message that is still in the log and not deleted.
        target: Seq,
        /// As a message's.
        body: Body,
    },
    /// A line of the application's.
    System {
        /// As a message's.
        body: Body,
    },
}

/// A message is to read differently. Refused as an [`Append`] is, and `FORBIDDEN` if another one said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub conversation: Conversation,
    /// By whom: who said it.
    pub sender: User,
    /// As an append's.
    pub client_id: ClientId,
    /// A message that is still in the log and not deleted.
    pub target: Seq,
    /// How it reads from now on.
    pub body: Body,
    /// As an append's.
    pub level: Level,
}

/// What was said is to go. Refused as an [`Append`] is, and `FORBIDDEN` if another one said it and the sender is neither
/// owner nor moderator of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Where.
    pub conversation: Conversation,
    /// By whom.
    pub sender: User,
    /// As an append's.
    pub client_id: ClientId,
    /// A message, a reaction or a system line that is still in the log and not deleted. Its place stays, and a message still
    /// counts.
    pub target: Seq,
    /// As an append's.
    pub level: Level,
}

/// An entry is to come into inboxes. It means "the conversation has reached `seq`", so what was missed before is
/// covered, too, and repeats and races are harmless. For each user, first in the same way, one after the other, what is still open
/// before the entry of their own joining, leaving and roles: so neither is what was said while they were out unread, nor is what was
/// said before they went passed over, whichever comes first. Then:
///
/// - `seq` is above the record's head (0 if there is no record): the record's head and count become `seq` and `count`, and the
///   ring gets a pointer `(after, seq]` of the entry's kind. `after` is the head before; but no less than what was before the
///   entry by which a room's member has joined, if that is not behind this one: that is not theirs to catch up with. In
///   broadcast mode and for the one who joins (sender of kind `join`) it is `seq - 1`, so the entry alone.
///   How the user follows becomes `left` for the sender of kind `leave`, else `channel` in broadcast mode and with kind
///   `broadcast`, else `inbox`.
/// - The user is the sender: their read count becomes at least `count`, and mentions up to `seq` are read. So one's own
///   messages are never unread. Otherwise, if the user is mentioned and `count` is above the read count, `seq` is an
///   unread mention; of more than [`mentions_kept_max`](crate::Limits::mentions_kept_max) the lowest goes.
/// - If only the second changed something, the entry having come late, the ring gets a pointer `(seq, seq]` of kind
///   `read` or `mention`.
/// - If neither did, nothing changes. Else there is one new useq. The answer has the last one; who got none is not in it.
///
/// Whom an entry is for: all members, before and with the entry of kind `broadcast`, and whoever leaves with it; after that
/// its sender and those of the mentioned who are members. Never a member who has joined after it.
///
/// Where the log is at hand (Naru's broker, the model) an entry that is not in it, or not any more, or a count that is not the
/// entry's is refused with `NOTFOUND`: it may be of a past that was lost. Elsewhere the caller is believed. A direct conversation
/// is refused to others than its two with `FORBIDDEN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliver {
    /// Which conversation.
    pub conversation: Conversation,
    /// Which entry.
    pub seq: Seq,
    /// The entry's count.
    pub count: u64,
    /// The entry's sender.
    pub sender: User,
    /// The entry's kind. `message` if the command does not say.
    pub kind: Kind,
    /// The conversation's mode with this entry. `fanout` if the command does not say.
    pub mode: Mode,
    /// Into whose inboxes.
    pub to: Vec<Recipient>,
}

/// One to whom an entry is delivered. In the command all are in `USERS`, and the mentioned again in `MENTIONED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub user: User,
    /// Whether the entry mentions them.
    pub mentioned: bool,
}

/// A look for fan-outs that were left half-done. A conversation waits since its first open entry was stored; of those that
/// began to wait in the same millisecond any comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// For whom what is found is leased. It finds its own again; the lease ends early when nothing is open any more.
    pub server: Server,
    /// Only what has waited at least this long.
    pub older_than: Duration,
    /// Conversations at most; taken as 1 to `page_entries_max`.
    pub limit: usize,
    /// For how long others do not find it.
    pub lease: Duration,
}
