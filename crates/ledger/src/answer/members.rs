//! Who takes part, and who is there.

use crate::{Millis, Mode, Role, Seq, Server, User, Version};

/// What a change of a room's members did.
///
/// `[version, seq, changed, at, prev, count, mode, switched]`, with 0 for `seq`, `changed`, `at`, `prev` and `count` if it was so
/// already, and 0 for `switched` where nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The version of the members with it.
    pub version: Version,
    /// How the room is fanned out from here on.
    pub mode: Mode,
    /// The entry that says so; none if it was so already. Who repeats leaves the fan-out to the sweep.
    pub written: Option<Written>,
}

/// An entry about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// As in [`Appended`](crate::answer::Appended).
    pub seq: Seq,
    /// As in [`Appended`](crate::answer::Appended).
    pub at: Millis,
    /// As in [`Appended`](crate::answer::Appended).
    pub prev: Seq,
    /// As in [`Appended`](crate::answer::Appended).
    pub count: u64,
    /// The entry of kind `broadcast` that follows it, with the same count and time, if this join brought it about. Both are fanned
    /// out to all members.
    pub switched: Option<Seq>,
}

/// A page of a conversation's members.
///
/// `[version, mode, more, [[user, role, since, read], …]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// One more with each change; 0 for a direct conversation and a room nobody has joined.
    pub version: Version,
    /// How the conversation is fanned out.
    pub mode: Mode,
    /// Whether there are more after these.
    pub more: bool,
    /// In byte order.
    pub members: Vec<Member>,
}

/// One who takes part.
///
/// `[user, role, since, read]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// As what.
    pub role: Role,
    /// The entry by which they joined; 0 in a direct conversation.
    pub since: Seq,
    /// Their mark: how far they have read as far as others are told, 0 if it is not known.
    pub read: Seq,
}

/// One who is connected.
///
/// `[user, [server, …]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Who.
    pub user: User,
    /// Which servers hold a connection, in byte order; never none. See [`ServerIs`](crate::op::ServerIs).
    pub servers: Vec<Server>,
}
