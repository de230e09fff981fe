//! Who comes into a room of many and leaves it, as its channel says: in the order of its log.
//!
//! Who has left hears nothing of the room from that entry on, though it takes a moment until their inbox says so and their sessions
//! are unsubscribed.

use std::collections::VecDeque;

use naru_ledger::{
    User,
    answer::{Content, Entry},
};

use crate::limits::DEPARTED_MAX;

/// One comes into a room, or leaves it.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(crate) user: User,
    pub(crate) leaves: bool,
}

impl Turn {
    /// The one that an entry is.
    pub(crate) fn of(entry: &Entry) -> Option<Turn> {
        let leaves = match entry.content {
            Content::Join { .. } => false,
            Content::Leave => true,
            _ => return None,
        };
        Some(Turn { user: entry.sender.clone(), leaves })
    }
}

/// Those who have left a room lately and have not come back: who is about to begin to listen may be among them.
#[derive(Default)]
pub(crate) struct Departed(VecDeque<User>);

impl Departed {
    pub(crate) fn note(&mut self, Turn { user, leaves }: Turn) {
        self.0.retain(|departed| *departed != user);
        if leaves {
            self.0.push_back(user);
            self.0.drain(..self.0.len().saturating_sub(DEPARTED_MAX));
        }
    }

    pub(crate) fn has(&self, user: &User) -> bool {
        self.0.contains(user)
    }

    /// Some may have come back without having been heard.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(user: &str, leaves: bool) -> Turn {
        Turn { user: User::parse(user).unwrap(), leaves }
    }

    #[test]
    fn who_has_left_is_known_until_they_come_back_or_too_many_have_left_since() {
        let [alice, bob] = ["alice", "bob"].map(|name| User::parse(name).unwrap());
        let mut departed = Departed::default();
        departed.note(turn("alice", true));
        departed.note(turn("bob", true));
        assert!(departed.has(&alice) && departed.has(&bob));
        departed.note(turn("bob", false));
        assert!(departed.has(&alice) && !departed.has(&bob));
        for n in 0..DEPARTED_MAX {
            departed.note(turn(&format!("user{n}"), true));
        }
        assert!(!departed.has(&alice));
        assert_eq!(departed.0.len(), DEPARTED_MAX);
    }
}
