//! Which client ids a conversation has seen lately.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::limits::DEDUPE_WINDOW;
use crate::names::{ClientId, User};
use crate::position::{Millis, Seq};

/// The client ids of two windows: the one the last append fell into, and the one before.
///
/// Windows lie on a fixed grid, so which are kept follows from the times of the appends alone and a replay
/// ends up with the same. An id given at a time in window `n` is recognised until window `n + 1` ends.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dedupe {
    window: u64,
    current: Seen,
    previous: Seen,
}

type Seen = HashMap<(User, ClientId), Seq>;

impl Dedupe {
    /// The message that `sender` gave this id, if a retry at `at` still counts as one.
    pub(crate) fn find(&self, sender: &User, client_id: &ClientId, at: Millis) -> Option<Seq> {
        let key = (sender.clone(), client_id.clone());
        let found = |seen: &Seen| seen.get(&key).copied();
        match window(at).saturating_sub(self.window) {
            0 => found(&self.current).or_else(|| found(&self.previous)),
            1 => found(&self.current),
            _ => None,
        }
    }

    /// Remembers an id. Times come in the order of the log, so they never go back.
    pub(crate) fn insert(&mut self, sender: User, client_id: ClientId, seq: Seq, at: Millis) {
        let window = window(at);
        match window.saturating_sub(self.window) {
            0 => {}
            1 => self.previous = std::mem::take(&mut self.current),
            _ => {
                self.previous = Seen::new();
                self.current = Seen::new();
            }
        }
        self.window = self.window.max(window);
        self.current.insert((sender, client_id), seq);
    }
}

fn window(at: Millis) -> u64 {
    at.since(Millis(0)).as_secs() / DEDUPE_WINDOW.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60 * 1000;

    #[test]
    fn an_id_is_recognised_for_one_window_at_least_and_two_at_most() {
        let sender = User::parse("alice").unwrap();
        let id = |id: &str| ClientId::parse(id).unwrap();
        for given in [0, 1, 12, 23] {
            let mut seen = Dedupe::default();
            let at = |hour: u64| Millis((240 + hour) * HOUR);
            seen.insert(sender.clone(), id("a"), Seq(1), at(given));
            for busy in [false, true] {
                if busy {
                    seen.insert(sender.clone(), id("b"), Seq(2), at(30));
                }
                assert_eq!(seen.find(&sender, &id("a"), at(given + 24)), Some(Seq(1)));
                assert_eq!(seen.find(&sender, &id("a"), at(47)), Some(Seq(1)));
                assert_eq!(seen.find(&sender, &id("a"), at(48)), None);
            }
            seen.insert(sender.clone(), id("c"), Seq(3), at(48));
            assert_eq!(seen.find(&sender, &id("a"), at(48)), None);
            assert_eq!(seen.find(&sender, &id("b"), at(48)), Some(Seq(2)));
        }
    }

    #[test]
    fn an_id_belongs_to_its_sender() {
        let (alice, bob) = (User::parse("alice").unwrap(), User::parse("bob").unwrap());
        let id = ClientId::parse("1").unwrap();
        let mut seen = Dedupe::default();
        seen.insert(alice.clone(), id.clone(), Seq(1), Millis(0));
        assert_eq!(seen.find(&alice, &id, Millis(0)), Some(Seq(1)));
        assert_eq!(seen.find(&bob, &id, Millis(0)), None);
    }
}
