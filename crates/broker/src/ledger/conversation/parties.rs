use std::collections::BTreeMap;

use naru_ledger::{Conversation as Name, Direct, Mode, Role, Seq, User, Version};
use serde::{Deserialize, Serialize};

/// Who takes part, and how far each has read as far as others are told. The order of the variants and of their fields is
/// a format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Parties {
    /// The two that the name says, in its order.
    Direct(Option<Box<[Seq; 2]>>),
    Room(Box<Room>),
}

/// A room's members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Room {
    pub(crate) members: BTreeMap<User, Joined>,
    pub(crate) version: Version,
    /// The entry of kind `broadcast`, if the room is in that mode.
    pub(crate) switched: Option<Seq>,
}

/// A member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Joined {
    pub(crate) role: Role,
    pub(crate) since: Seq,
    pub(crate) read: Seq,
}

impl Parties {
    pub(super) fn of(name: &Name) -> Parties {
        match name {
            Name::Direct(_) => Parties::Direct(None),
            Name::Room(_) => Parties::Room(Box::default()),
        }
    }

    pub(crate) fn room(&self) -> Option<&Room> {
        match self {
            Parties::Direct(_) => None,
            Parties::Room(room) => Some(room),
        }
    }

    pub(super) fn room_mut(&mut self) -> Option<&mut Room> {
        match self {
            Parties::Direct(_) => None,
            Parties::Room(room) => Some(room),
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.room().map_or(Version::ZERO, |room| room.version)
    }

    pub(crate) fn mode(&self) -> Mode {
        match self.room().and_then(|room| room.switched) {
            Some(_) => Mode::Broadcast,
            None => Mode::FanOut,
        }
    }

    /// How an entry is fanned out.
    pub(crate) fn mode_of(&self, seq: Seq) -> Mode {
        match self.room().and_then(|room| room.switched) {
            Some(switched) if switched < seq => Mode::Broadcast,
            _ => Mode::FanOut,
        }
    }

    /// How far a user has read; none for those who take no part. The name is the conversation's.
    pub(crate) fn mark(&self, name: &Name, user: &User) -> Option<Seq> {
        match (self, name) {
            (Parties::Direct(marks), Name::Direct(direct)) => {
                let at = side(direct, user)?;
                Some(marks.as_ref().map_or(Seq::ZERO, |marks| marks[at]))
            }
            (Parties::Room(room), _) => room.members.get(user).map(|joined| joined.read),
            (Parties::Direct(_), Name::Room(_)) => None,
        }
    }

    /// A user who takes part has read up to here.
    pub(super) fn set_mark(&mut self, name: &Name, user: &User, seq: Seq) {
        match (self, name) {
            (Parties::Direct(marks), Name::Direct(direct)) => {
                if let Some(at) = side(direct, user) {
                    marks.get_or_insert_default()[at] = seq;
                }
            }
            (Parties::Room(room), _) => {
                if let Some(joined) = room.members.get_mut(user) {
                    joined.read = seq;
                }
            }
            (Parties::Direct(_), Name::Room(_)) => {}
        }
    }
}

fn side(direct: &Direct, user: &User) -> Option<usize> {
    direct.participants().iter().position(|participant| participant == user)
}
