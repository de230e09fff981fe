//! Where something is said: between two people, or in a room.

mod direct;
mod room;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

pub use direct::{Direct, DirectError};
pub use room::{Room, RoomError};

use crate::names::{NameError, Parsed, User};

/// A conversation, by its id: `dm:alice:bob` or `room:general`. Ordered as its text is. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Conversation {
    /// Two people, or one with themselves. Who takes part is said by its id, and never changes.
    Direct(Direct),
    /// Whoever has joined.
    Room(Room),
}

/// Why a text is no conversation id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConversationError {
    /// None of the kinds there are.
    #[error("a conversation id begins with `dm:` or `room:`, as in `dm:alice:bob` or `room:general`")]
    NoKind,
    /// Not two names, or not spelled as they are.
    #[error(transparent)]
    Direct(#[from] DirectError),
    /// No name of a room.
    #[error(transparent)]
    Room(#[from] RoomError),
}

impl Conversation {
    /// Reads an id, in its one spelling.
    pub fn parse(id: &str) -> Result<Conversation, ConversationError> {
        if id.starts_with(direct::PREFIX) {
            Ok(Direct::parse(id)?.into())
        } else if id.starts_with(room::PREFIX) {
            Ok(Room::parse(id)?.into())
        } else {
            Err(ConversationError::NoKind)
        }
    }

    /// The user of this name, who may be one of the two: then there is nothing to make.
    pub fn user(&self, name: &str) -> Result<User, NameError> {
        let known = match self {
            Conversation::Direct(direct) => direct.participants().iter().find(|user| user.as_str() == name),
            Conversation::Room(_) => None,
        };
        known.map_or_else(|| User::parse(name), |user| Ok(user.clone()))
    }

    /// The id as text, at most 772 bytes.
    pub fn as_str(&self) -> &str {
        match self {
            Conversation::Direct(direct) => direct.as_str(),
            Conversation::Room(room) => room.as_str(),
        }
    }
}

impl From<Direct> for Conversation {
    fn from(direct: Direct) -> Conversation {
        Conversation::Direct(direct)
    }
}

impl From<Room> for Conversation {
    fn from(room: Room) -> Conversation {
        Conversation::Room(room)
    }
}

impl PartialEq for Conversation {
    fn eq(&self, other: &Conversation) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Conversation {}

impl PartialOrd for Conversation {
    fn partial_cmp(&self, other: &Conversation) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Conversation {
    fn cmp(&self, other: &Conversation) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Conversation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Conversation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Conversation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Conversation, D::Error> {
        deserializer.deserialize_str(Parsed { what: "a conversation id", parse: Conversation::parse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_which_kind_it_is_of() {
        assert!(matches!(Conversation::parse("dm:a:b").unwrap(), Conversation::Direct(_)));
        assert!(matches!(Conversation::parse("room:dm:a:b").unwrap(), Conversation::Room(_)));
        for (id, text) in [
            ("", "begins with `dm:` or `room:`"),
            ("rooms:a", "begins with `dm:` or `room:`"),
            ("dm:a", "names two users"),
            ("room:", "is empty"),
        ] {
            let error = Conversation::parse(id).unwrap_err().to_string();
            assert!(error.contains(text), "{id}: {error}");
        }
    }

    #[test]
    fn the_longest_id_is_that_of_two_names_that_are_all_escapes() {
        let names = ["%", ":"].map(|char| crate::User::parse(&char.repeat(128)).unwrap());
        assert_eq!(Conversation::from(Direct::between(&names[0], &names[1])).as_str().len(), 772);
    }

    #[test]
    fn a_stored_id_is_read_as_it_was_written() {
        for id in ["dm:a%3A:b", "room:a:b"] {
            let conversation = Conversation::parse(id).unwrap();
            let bytes = postcard::to_allocvec(&conversation).unwrap();
            assert_eq!(postcard::from_bytes::<Conversation>(&bytes).unwrap(), conversation);
        }
        postcard::from_bytes::<Conversation>(&postcard::to_allocvec("dm:b:a").unwrap()).unwrap_err();
    }
}
