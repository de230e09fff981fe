//! What an entry of a log is.

use crate::words::words;

words!(
    /// The kind of a log's entry. Only messages count; every kind has a number.
    Kind, "a kind",
    /// Something said. It counts as unread until it is read.
    Message = "message",
    /// An answer to an entry that is not worth a message: a thumb, a heart.
    Reaction = "reaction",
    /// A line of the application's: a call has ended, a title was changed.
    System = "system",
    /// A message reads differently from now on.
    Edit = "edit",
    /// What an entry said is gone.
    Delete = "delete",
    /// Someone has joined the room.
    Join = "join",
    /// Someone has left the room.
    Leave = "leave",
    /// Someone's role in the room is another.
    Role = "role",
    /// From here on the room is in broadcast mode.
    Broadcast = "broadcast",
);

impl Kind {
    /// Whether entries of this kind are counted, and so can be unread.
    pub fn counts(self) -> bool {
        self == Kind::Message
    }

    /// Whether entries of this kind say who is in a room, and as what: their sender is the one of whom they say it.
    pub fn is_turn(self) -> bool {
        matches!(self, Kind::Join | Kind::Leave | Kind::Role)
    }
}
