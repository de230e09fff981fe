//! What a member may do in a room.

use crate::words::words;

words!(
    /// A member's role, the highest first. Who may join, leave and give roles is the caller's to decide; what is written
    /// into a log is checked here.
    Role, "a role",
    /// May do everything, and cannot be told anything by a moderator.
    Owner = "owner",
    /// May also delete what others have said.
    Moderator = "moderator",
    /// May write, and edit and delete their own.
    Member = "member",
    /// May only read.
    Reader = "reader",
);

impl Role {
    /// Whether one of this role may append anything.
    pub fn may_write(self) -> bool {
        self != Role::Reader
    }

    /// Whether one of this role may delete what another has said.
    pub fn may_moderate(self) -> bool {
        matches!(self, Role::Owner | Role::Moderator)
    }
}
