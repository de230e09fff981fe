//! What is answered.

use bytes::Bytes;

use super::StreamPosition;
use crate::{ClientId, User};

/// The answer to an operation, and as a reply the array that stands at each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a publication: `[receivers, offset, epoch, repeat]`, the offset 0 and the epoch empty without a position.
    Published(Published),
    /// To a read: `[offset, epoch, [[offset, payload], …]]`.
    Page(Page),
    /// It is done: `OK`.
    Ok,
    /// Who is present, in byte order of the clients: `[[client, user, info], …]`.
    Present(Vec<Present>),
    /// How many are: `[clients, users]`.
    Stats(Stats),
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// How many subscribers it was passed to; of a repeat none.
    pub receivers: u64,
    /// Its position, if it is kept; where something newer was there, that of the top.
    pub position: Option<StreamPosition>,
    /// Nothing was published: it had been before, or something newer had.
    pub repeat: bool,
}

/// What a channel keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The offset of the last publication, and the epoch.
    pub top: StreamPosition,
    /// Publications and their offsets.
    pub publications: Vec<(u64, Bytes)>,
}

/// A client that is present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Which one.
    pub client: ClientId,
    /// Whose it is.
    pub user: Option<User>,
    /// What is said of it.
    pub info: Bytes,
}

/// How many are present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Clients.
    pub clients: u64,
    /// Whose they are: each counted once, and all of nobody's together as one.
    pub users: u64,
}
