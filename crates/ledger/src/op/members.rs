//! Who takes part in a room.

use crate::{Role, Room, User};

/// A change of a room's members. What is so already changes nothing. Else the version rises by one, and the log gets an entry
/// whose sender is the user, open until it is done. Whether the change may be is the caller's to decide.
///
/// A join that makes a room in fan-out mode larger than [`members_max`](crate::Limits::members_max) is followed by an
/// entry of kind `broadcast`, whose sender is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Which room. The first join makes it.
    pub room: Room,
    /// Who joins, leaves or is given a role.
    pub user: User,
    /// Which.
    pub change: Change,
}

/// What can change about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One who is no member becomes one. A member keeps their role.
    Join(Role),
    /// A member is none any more. Their read mark is forgotten.
    Leave,
    /// A member has another role. One who is no member is refused with `NOTFOUND`.
    Role(Role),
}
