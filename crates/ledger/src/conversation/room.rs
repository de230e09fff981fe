//! A conversation that people join and leave.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::limits::NAME_BYTES_MAX;
use crate::names::{NameError, Parsed, check};

/// What the id of every room begins with.
pub(super) const PREFIX: &str = "room:";

/// A room, by its id. Cheap to clone.
///
/// As text it is `room:general`: the name as it is, 1 to 128 bytes of UTF-8 without control characters. Who takes part is
/// kept with its log, not in its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Room(Arc<str>);

/// Why a text is no id of a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// Another kind of conversation, or none.
    #[error("the id of a room begins with `room:`, as in `room:general`")]
    NotARoom,
    /// What follows is no name.
    #[error("in the id of a room, {0}")]
    Name(#[from] NameError),
}

impl Room {
    /// The room of this name.
    pub fn named(name: &str) -> Result<Room, NameError> {
        check("a room name", NAME_BYTES_MAX, name)?;
        Ok(Room(format!("{PREFIX}{name}").into()))
    }

    /// Reads an id.
    pub fn parse(id: &str) -> Result<Room, RoomError> {
        Ok(Room::named(id.strip_prefix(PREFIX).ok_or(RoomError::NotARoom)?)?)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id without what all rooms begin with.
    pub fn name(&self) -> &str {
        &self.0[PREFIX.len()..]
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Room {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Room, D::Error> {
        deserializer.deserialize_str(Parsed { what: "the id of a room", parse: Room::parse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_named_by_any_text_that_could_name_a_user() {
        for name in ["general", "a:b", "dm:a:b", "{}", "한국어 %3A", &"x".repeat(128)] {
            let room = Room::named(name).unwrap();
            assert_eq!((room.as_str(), room.name()), (&*format!("room:{name}"), name));
            assert_eq!(Room::parse(room.as_str()).unwrap(), room);
        }
        for (id, text) in [
            ("general", "begins with `room:`"),
            ("ROOM:a", "begins with `room:`"),
            ("room:", "this one is empty"),
            ("room:a\n", "contains U+000A"),
            (&format!("room:{}", "x".repeat(129)), "has 129 bytes"),
        ] {
            let error = Room::parse(id).unwrap_err().to_string();
            assert!(error.contains(text), "{id}: {error}");
        }
    }
}
