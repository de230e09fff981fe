//! Who comes into a room of many and leaves it, as its channel says: in the order of its log.
//!
//! Who has left hears nothing of the room from that entry on, though it takes a moment until their inbox says so and their sessions
//! are unsubscribed.

use std::collections::VecDeque;

use naru_ledger::{
    Seq, User,
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

/// The last turns of those who have come into a room or left it lately: who is about to begin to listen may have left.
#[derive(Default)]
pub(crate) struct Departed(VecDeque<(Seq, Turn)>);

impl Departed {
    /// Takes note of one, unless a later one of the user is known: what is told again, or late, says nothing.
    pub(crate) fn note(&mut self, seq: Seq, turn: Turn) {
        if self.0.iter().any(|(known, other)| other.user == turn.user && *known >= seq) {
            return;
        }
        self.0.retain(|(_, other)| other.user != turn.user);
        self.0.push_back((seq, turn));
        self.0.drain(..self.0.len().saturating_sub(DEPARTED_MAX));
    }

    /// The entry by which a user has left and after which they have not come back.
    pub(crate) fn left(&self, user: &User) -> Option<Seq> {
        self.0.iter().find(|(_, turn)| turn.user == *user && turn.leaves).map(|(seq, _)| *seq)
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
    fn who_has_left_is_known_until_they_come_back_or_too_many_have_turned_since() {
        let [alice, bob] = ["alice", "bob"].map(|name| User::parse(name).unwrap());
        let mut departed = Departed::default();
        departed.note(Seq(3), turn("alice", true));
        departed.note(Seq(4), turn("bob", true));
        assert_eq!((departed.left(&alice), departed.left(&bob)), (Some(Seq(3)), Some(Seq(4))));
        departed.note(Seq(5), turn("bob", false));
        departed.note(Seq(4), turn("bob", true));
        assert_eq!(departed.left(&bob), None, "that was before they came back");
        assert_eq!(departed.left(&alice), Some(Seq(3)));
        for n in 0..DEPARTED_MAX {
            departed.note(Seq(6), turn(&format!("user{n}"), true));
        }
        assert_eq!(departed.left(&alice), None);
        assert_eq!(departed.0.len(), DEPARTED_MAX);
    }
}
