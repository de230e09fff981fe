//! Where a message is.

use super::{Entry, Row};
use crate::{Device, Epoch, Millis, Mode, Seq, Server, Useq, Version};

/// Where an entry stands in its conversation.
///
/// `[head, fanned-out, trimmed, version, mode, done, entry or null]`; all 0 and null where there is no such conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// The last entry there is.
    pub head: Seq,
    /// Everything up to here is fanned out.
    pub fanned_out: Seq,
    /// The last entry that retention has removed.
    pub trimmed: Seq,
    /// The version of the members.
    pub version: Version,
    /// How the conversation is fanned out.
    pub mode: Mode,
    /// Whether this entry is fanned out.
    pub done: bool,
    /// The entry; none if there is none, or none any more.
    pub entry: Option<Entry>,
}

/// Where a user and their devices stand in a conversation. An entry has reached a device, and is acknowledged by it, if its number is
/// at most the device's `from`.
///
/// `[epoch, head, ring, row or null, [[device, cursor, seen, from], …], [server, …]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The life of the store.
    pub epoch: Epoch,
    /// The user's last number.
    pub head: Useq,
    /// The ring has what came after this.
    pub ring: Useq,
    /// The conversation in the user's index, with 0 for `from`.
    pub row: Option<Row>,
    /// The user's devices, in byte order.
    pub devices: Vec<DeviceStanding>,
    /// Which servers hold a connection, in byte order. See [`ServerIs`](crate::op::ServerIs).
    pub servers: Vec<Server>,
}

/// Where one device stands.
///
/// `[device, cursor, seen, from]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStanding {
    /// Which.
    pub device: Device,
    /// What it has acknowledged.
    pub cursor: Useq,
    /// When it was last noted to be there.
    pub seen: Millis,
    /// As in [`Row`]; 0 where the index has no record.
    pub from: Seq,
}
