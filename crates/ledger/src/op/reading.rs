//! Reading what is stored.

use crate::{ClientId, Conversation, Seq, User};

/// A page of a log, with what has been edited and deleted since as it reads now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Which log. One that is not there is empty.
    pub conversation: Conversation,
    /// Who reads: refused to those who take no part, whether or not it is there. None is a server's right, an empty name in
    /// the command.
    pub reader: Option<User>,
    /// From where.
    pub from: From,
    /// Entries at most; taken as 1 to `page_entries_max`.
    pub limit: usize,
    /// Bytes of entries at most, as [`Entry::bytes`](crate::answer::Entry::bytes) counts them; `page_bytes_max` if it
    /// is not said, or more. The first entry read is given whatever it has.
    pub bytes: Option<usize>,
}

/// From where, and so in which direction, a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The newest entries, `BEFORE 0` in the command.
    Newest,
    /// The last ones before this.
    Before(Seq),
    /// The first ones after this.
    After(Seq),
}

/// Which entry is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// By its number.
    Seq(Seq),
    /// By what its sender's client called it, if that is still known.
    Sent {
        /// Who said it.
        sender: User,
        /// What it was called.
        client_id: ClientId,
    },
}
