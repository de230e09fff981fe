//! A device's place in its user's inbox, and what the user has read.

use crate::{Conversation, Device, Position, Seq, Useq, User};

/// A device comes back.
///
/// It is registered if it is new: the user's first device at 0, so that what came before there was one is kept for it;
/// another at the oldest the ring has. Others that have been away for more than
/// [`device_ttl`](crate::Limits::device_ttl) are forgotten, and the longest unseen if there are more than
/// [`devices_max`](crate::Limits::devices_max); of those seen at the same moment the first by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Whose inbox.
    pub user: User,
    /// Which of their devices.
    pub device: Device,
    /// Where the client says it stands, which is where it is read from and no acknowledgement. A useq beyond the head
    /// counts as none; another epoch is a reset.
    pub from: Option<Position>,
    /// Pointers at most; taken as 1 to `page_entries_max`.
    pub limit: usize,
}

/// A device has what came up to here. Cumulative: taken as the head at most, and never back. It counts as seen when the
/// cursor moves, and is registered if it is new, and others are forgotten as by a [`Resume`]. What every device has leaves the
/// ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Whose inbox.
    pub user: User,
    /// Which of their devices.
    pub device: Device,
    /// Everything up to here.
    pub useq: Useq,
    /// Besides, how far it is in one conversation.
    pub within: Option<Within>,
}

/// How far a device that is far behind (its cursor is below the ring) has got in one conversation, so that a
/// replay that is cut goes on there. At most the record's head, never back; of no effect for others, and where there is no
/// record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// In which conversation.
    pub conversation: Conversation,
    /// Everything up to here.
    pub seq: Seq,
}

/// A user has read up to a message. The read count becomes `count` and mentions up to `seq` are read; never back. If that changes
/// something, there is a new useq and the ring gets a pointer `(seq, seq]` of kind `read`, for the user's other devices. Of no
/// effect where the user's index has no record.
///
/// Checked against the log as a [`Deliver`](super::Deliver) is. It may be ahead of the record's head, which then counts when it
/// gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Who.
    pub user: User,
    /// What.
    pub conversation: Conversation,
    /// The last entry read.
    pub seq: Seq,
    /// That entry's count. Taken from the log by who asks, never from a client.
    pub count: u64,
}
