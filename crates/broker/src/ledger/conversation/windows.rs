use std::num::NonZeroU64;

use hashbrown::HashTable;
use naru_ledger::{Millis, Seq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::Id;

/// Which client ids there were lately, in two windows of a fixed grid: the one that the last was given in, and the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Windows {
    current: Window,
    before: Window,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Window {
    begins: Millis,
    ids: Ids,
}

#[derive(Clone, Debug, Default)]
struct Ids(HashTable<Given>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    id: Id,
    seq: Seq,
}

impl Windows {
    /// With one id, given at this moment.
    pub(super) fn new(id: Id, seq: Seq, at: Millis, window_ms: NonZeroU64) -> Windows {
        let begins = Millis(at.0 - at.0 % window_ms);
        let mut windows =
            Windows { current: Window { begins, ids: Ids::default() }, before: Window::default() };
        windows.current.ids.insert(id, seq);
        windows
    }

    /// Takes up an id that is not recognised at this moment, which is none before the last.
    pub(super) fn insert(&mut self, id: Id, seq: Seq, at: Millis, window_ms: NonZeroU64) {
        match self.age(self.current.begins, at, window_ms) {
            0 => {}
            1 => self.before = std::mem::take(&mut self.current),
            _ => (self.before, self.current) = (Window::default(), Window::default()),
        }
        if self.current.ids.0.is_empty() {
            self.current.begins = Millis(at.0 - at.0 % window_ms);
        }
        self.current.ids.insert(id, seq);
    }

    /// The entry that what is called so at this moment would repeat.
    pub(super) fn find(&self, id: Id, at: Millis, window_ms: NonZeroU64) -> Option<Seq> {
        let windows = [&self.current, &self.before];
        let known = windows.into_iter().filter(|window| self.age(window.begins, at, window_ms) <= 1);
        known.filter_map(|window| window.ids.find(id)).next()
    }

    /// How many ids it has.
    pub(super) fn len(&self) -> usize {
        self.current.ids.0.len() + self.before.ids.0.len()
    }

    /// Whether nothing is recognised any more from this moment on.
    pub(super) fn are_over(&self, at: Millis, window_ms: NonZeroU64) -> bool {
        self.age(self.current.begins, at, window_ms) > 1
    }

    /// How many windows ago one began.
    fn age(&self, begins: Millis, at: Millis, window_ms: NonZeroU64) -> u64 {
        (at.0 / window_ms).saturating_sub(begins.0 / window_ms)
    }
}

impl Ids {
    fn find(&self, id: Id) -> Option<Seq> {
        self.0.find(id.1, |given| given.id == id).map(|given| given.seq)
    }

    fn insert(&mut self, id: Id, seq: Seq) {
        self.0.insert_unique(id.1, Given { id, seq }, |given| given.id.1);
    }
}

impl PartialEq for Ids {
    fn eq(&self, other: &Ids) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|given| other.find(given.id) == Some(given.seq))
    }
}

impl Serialize for Ids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ids, D::Error> {
        let mut ids = Ids::default();
        for Given { id, seq } in Vec::<Given>::deserialize(deserializer)? {
            ids.insert(id, seq);
        }
        Ok(ids)
    }
}
