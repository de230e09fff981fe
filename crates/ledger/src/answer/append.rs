//! What writing and fanning out answer.

use crate::{Conversation, Level, Millis, Mode, Seq, Server, Useq, User, Version};

/// Where an entry stands in its log.
///
/// `[seq, at, prev, count, repeat, version, mode, level]`
///
/// For a repeat `seq`, `at`, `prev` and `count` are the first answer's; the last three of them are 0 if the entry has been
/// trimmed by now, and then there is nothing left to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub seq: Seq,
    /// When it was stored; never before the entry before it.
    pub at: Millis,
    /// The number of the entry before it, 0 for the first. Usually `seq - 1`, but not after a jump.
    pub prev: Seq,
    /// How many messages the conversation has had with it, whatever became of them.
    pub count: u64,
    /// Whether it was there already, and nothing was written.
    pub repeat: bool,
    /// The version of the members it is to be delivered to, if the conversation is a room.
    pub version: Version,
    /// How it is to be fanned out.
    pub mode: Mode,
    /// What it survives by now. The model has what was asked for.
    pub level: Level,
}

/// A user to whom an entry has come.
///
/// `[user, useq, after, [server, …]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Whose inbox.
    pub user: User,
    /// The change's number there.
    pub useq: Useq,
    /// What is new to the user are the entries after this and up to the one delivered: none if they are equal, when only
    /// what is unread has changed.
    pub after: Seq,
    /// Which servers hold a connection of the user, in byte order. See [`ServerIs`](crate::op::ServerIs).
    pub servers: Vec<Server>,
}

/// A conversation with entries that are not done.
///
/// `[conversation, from, to, version]`
///
/// What lies in `(from, to]` is read from the log, delivered one by one in order, and each said to be done; what was done
/// already is harmless to do again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Which one.
    pub conversation: Conversation,
    /// Everything up to here is fanned out.
    pub from: Seq,
    /// The log's head.
    pub to: Seq,
    /// The version of its members.
    pub version: Version,
}
