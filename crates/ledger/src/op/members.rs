//! Who takes part in a room.

use crate::{Role, Room, User};

/// A change of a room's members. What is so already changes nothing. Else the version rises by one, and the log gets an entry
/// whose sender is the user, open until it is done. Whether the change may be is the caller's to decide, but for what two changes at
/// the same moment must not bring about: that a room is made twice, or is left without an owner.
///
/// A room that has an owner keeps one as long as it has members: where there is no other owner, one who leaves while others take
/// part, or is to become less, is refused with `LASTOWNER`. Which of the others is to follow is not guessed.
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
    /// One becomes the owner of a room that nobody has ever joined; if somebody has, it is refused with `EXISTS`. A member keeps
    /// their role.
    Make,
    /// One who is no member becomes one. A member keeps their role.
    Join(Role),
    /// A member is none any more. Their read mark is forgotten.
    Leave,
    /// A member has another role. One who is no member is refused with `NOTFOUND`.
    Role(Role),
}

impl Change {
    /// As what it leaves the user in the room, if at all.
    pub fn role(self) -> Option<Role> {
        match self {
            Change::Make => Some(Role::Owner),
            Change::Join(role) | Change::Role(role) => Some(role),
            Change::Leave => None,
        }
    }
}
