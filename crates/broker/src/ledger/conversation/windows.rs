use std::num::NonZeroU64;

use hashbrown::{HashTable, hash_table::Entry};
use naru_ledger::{Millis, Seq, limits::DEDUPE_IDS_MIN};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::Id;

/// Which client ids there were lately, in two windows of a fixed grid: the one that the last was given in, and the one before.
/// Where very many are given in one, it is only so many of the newest ([`DEDUPE_IDS_MIN`] at least, three times as many at most):
/// then `before` begins with the oldest that are known of the same window.
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

/// Each once.
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

    /// Takes up an id that is not recognised at this moment, which is none before the last. If one is that was taken back in,
    /// since records before it are lost or say what cannot be, it is the newest entry's from here.
    pub(super) fn insert(&mut self, id: Id, seq: Seq, at: Millis, window_ms: NonZeroU64) {
        self.insert_bounded(id, seq, at, window_ms, DEDUPE_IDS_MIN);
    }

    fn insert_bounded(&mut self, id: Id, seq: Seq, at: Millis, window_ms: NonZeroU64, ids_min: usize) {
        match self.age(self.current.begins, at, window_ms) {
            0 if self.current.ids.0.len() >= ids_min => self.before = std::mem::take(&mut self.current),
            0 => {}
            1 => {
                let mut last = std::mem::take(&mut self.current);
                if last.ids.0.len() < ids_min && self.before.begins == last.begins {
                    // Some of the last `ids_min` are there.
                    last.ids.take_over(&mut self.before.ids);
                }
                self.before = last;
            }
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

    /// Whether those that were read back can be of a log with this head.
    pub(super) fn are_sound(&self, head: Seq) -> bool {
        [&self.current, &self.before].into_iter().all(|window| window.ids.are_sound(head))
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

    fn entry(&mut self, id: Id) -> Entry<'_, Given> {
        self.0.entry(id.1, |given| given.id == id, |given| given.id.1)
    }

    fn insert(&mut self, id: Id, seq: Seq) {
        self.entry(id).insert(Given { id, seq });
    }

    /// Takes what the other has, which is older.
    fn take_over(&mut self, other: &mut Ids) {
        for given in other.0.drain() {
            self.entry(given.id).or_insert(given);
        }
    }

    fn are_sound(&self, head: Seq) -> bool {
        self.0.iter().all(|Given { id, seq }| {
            let same = self.0.iter_hash(id.1).filter(|given| given.id == *id);
            same.count() == 1 && Seq::ZERO < *seq && *seq <= head
        })
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
        let mut ids = HashTable::new();
        for given in Vec::<Given>::deserialize(deserializer)? {
            // One that is there twice is kept twice, for `are_sound` to see.
            ids.insert_unique(given.id.1, given, |given: &Given| given.id.1);
        }
        Ok(Ids(ids))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: NonZeroU64 = NonZeroU64::new(10).unwrap();

    /// Ids are never given again.
    #[test]
    fn however_many_are_given_the_newest_are_known_and_not_many_more() {
        const IDS_MIN: usize = 10;
        // The second window begins when a few are in the current half of the first.
        for (in_first, in_second) in [(5, 5), (10, 3), (11, 1), (33, 3), (39, 25), (100, 100)] {
            let given = |n: u64| Id(n, n);
            let at = |n: u64| Millis(if n <= in_first { 1000 } else { 1010 });
            let mut windows = Windows::new(given(1), Seq(1), at(1), WINDOW);
            for n in 2..=in_first + in_second {
                windows.insert_bounded(given(n), Seq(n), at(n), WINDOW, IDS_MIN);
                assert!(windows.len() <= 3 * IDS_MIN, "{in_first} {in_second} {n}: {}", windows.len());
                for known in n.saturating_sub(IDS_MIN as u64 - 1).max(1)..=n {
                    assert_eq!(windows.find(given(known), at(n), WINDOW), Some(Seq(known)), "{n}");
                }
            }
        }
    }

    #[test]
    fn what_is_read_back_has_each_id_once_and_for_an_entry() {
        let (one, other) = (Id(1, 1), Id(2, 1));
        let read = |ids: &[(Id, Seq)]| -> Windows {
            let (begins, none) = (Millis(1000), <&[(Id, Seq)]>::default());
            let written = postcard::to_stdvec(&((begins, ids), (Millis(0), none))).unwrap();
            postcard::from_bytes(&written).unwrap()
        };
        assert!(read(&[(one, Seq(1)), (other, Seq(5))]).are_sound(Seq(5)));
        for ids in [[(one, Seq(1)), (one, Seq(2))], [(one, Seq(1)), (one, Seq(1))]] {
            assert!(!read(&ids).are_sound(Seq(5)), "{ids:?}");
        }
        assert!(!read(&[(one, Seq(6))]).are_sound(Seq(5)));
        assert!(!read(&[(one, Seq(0))]).are_sound(Seq(5)));
    }

    /// As records say that are damaged, or of which some are lost.
    #[test]
    fn an_id_that_is_given_again_is_the_newest_entrys() {
        const IDS_MIN: usize = 2;
        let (again, at) = (Id(1, 1), Millis(1000));
        let mut windows = Windows::new(again, Seq(1), at, WINDOW);
        let mut insert = |id, seq, at| {
            windows.insert_bounded(id, seq, at, WINDOW, IDS_MIN);
            assert!(windows.are_sound(seq));
            assert_eq!(windows.find(again, at, WINDOW), Some(seq.min(Seq(4))));
        };
        insert(again, Seq(2), at);
        insert(again, Seq(3), at);
        insert(Id(2, 2), Seq(3), at);
        // The half that has it is full; its last is in the next, which takes over that half later.
        insert(again, Seq(4), at);
        insert(Id(3, 3), Seq(5), Millis(1010));
    }

    proptest! {
        /// Against a list of all there ever were.
        #[test]
        fn an_id_is_known_in_its_window_and_the_next(steps in prop::collection::vec((0..6_u64, 0..25_u64), 1..60)) {
            let mut naive: Vec<(Id, Seq, u64)> = Vec::new();
            let mut windows: Option<Windows> = None;
            let mut at = Millis(1000);
            for (number, (id, wait)) in (1..).zip(steps) {
                let (id, seq) = (Id(id, id), Seq(number));
                at.0 += wait * wait / 25;
                let known = naive.iter().rev().find(|(known, ..)| *known == id);
                let known = known.filter(|(.., given)| at.0 / 10 - given / 10 <= 1).map(|(_, seq, _)| *seq);
                let found = windows.as_ref().and_then(|windows| windows.find(id, at, WINDOW));
                prop_assert_eq!(found, known);
                let is_any = naive.iter().any(|(.., given)| at.0 / 10 - given / 10 <= 1);
                prop_assert_eq!(windows.as_ref().is_some_and(|windows| !windows.are_over(at, WINDOW)), is_any);
                if known.is_none() {
                    match &mut windows {
                        Some(windows) => windows.insert(id, seq, at, WINDOW),
                        None => windows = Some(Windows::new(id, seq, at, WINDOW)),
                    }
                    naive.push((id, seq, at.0));
                }
            }
        }
    }
}
