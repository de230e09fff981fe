use std::{collections::VecDeque, sync::Arc};

use naru_ledger::{Generation, Millis, Seq};
use serde::{Deserialize, Serialize};

use super::{super::NUMBER_MAX, chunk::Chunk};
use crate::keyspace::Place;

/// A conversation's entries. `trimmed < every entry <= head`. The order of its fields is a format.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Log {
    head: Seq,
    /// When the head was stored, though it may be trimmed.
    at: Millis,
    count: u64,
    /// In which the head was given.
    generation: Generation,
    trimmed: Seq,
    /// Of what its entries say, as it is stored.
    bytes: u64,
    len: u32,
    /// Full, or ended by a jump. A copy of the log shares them.
    older: VecDeque<Arc<Chunk>>,
    newest: Chunk,
}

impl Log {
    pub(crate) fn head(&self) -> Seq {
        self.head
    }

    /// Where what the newest entry says is.
    pub(super) fn newest(&self) -> Option<Place> {
        self.newest.last()
    }

    /// How many messages there have been.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The last entry that retention has removed.
    pub(crate) fn trimmed(&self) -> Seq {
        self.trimmed
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes of what its entries say, as it is stored.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// In which the head was given.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// When an entry that is stored now is said to be: a log's time does not go back.
    pub(crate) fn next_at(&self, now: Millis) -> Millis {
        now.max(self.at)
    }

    /// Takes up an entry above all others; false if it cannot be the next. Where some are lost before it, there may be more
    /// messages with it than one.
    pub(crate) fn push(
        &mut self,
        seq: Seq,
        at: Millis,
        count: u64,
        place: Place,
        generation: Generation,
    ) -> bool {
        if seq <= self.head || seq.0 > NUMBER_MAX || at < self.at || count < self.count {
            return false;
        }
        let (counts, lost) = (u64::from(count > self.count), seq.0 - self.head.0 - 1);
        let count_before = count - counts;
        if count_before - self.count > lost {
            return false;
        }
        if self.newest.len() == 0 {
            self.newest = Chunk::new(seq, at, count_before);
        } else if self.newest.is_full() || self.newest.end() != seq.0 {
            let full = std::mem::replace(&mut self.newest, Chunk::new(seq, at, count_before));
            self.older.push_back(Arc::new(full));
        }
        self.newest.push(place, counts == 1);
        self.head = seq;
        self.at = at;
        self.count = count;
        self.generation = self.generation.max(generation);
        self.bytes += u64::from(place.bytes);
        self.len += 1;
        true
    }

    fn chunk(&self, at: usize) -> Option<&Chunk> {
        match self.older.get(at) {
            Some(chunk) => Some(chunk),
            None if at == self.older.len() => Some(&self.newest),
            None => None,
        }
    }

    /// The oldest first.
    fn chunks(&self) -> impl DoubleEndedIterator<Item = &Chunk> {
        self.older.iter().map(|chunk| &**chunk).chain([&self.newest])
    }

    /// Which chunk an entry would be in: the first that ends after it.
    fn seek(&self, seq: Seq) -> usize {
        if self.newest.len() > 0 && self.newest.first <= seq.0 {
            return self.older.len();
        }
        self.older.partition_point(|chunk| chunk.end() <= seq.0)
    }

    /// Where what an entry says is.
    pub(crate) fn get(&self, seq: Seq) -> Option<Place> {
        self.chunk(self.seek(seq))?.get(seq)
    }

    /// How many messages there were with an entry; none if it is not there.
    pub(crate) fn count_with(&self, seq: Seq) -> Option<u64> {
        self.chunk(self.seek(seq))?.count(seq)
    }

    /// The number of the entry before one that is there, 0 for the first, also if that is trimmed.
    pub(crate) fn before(&self, seq: Seq) -> Seq {
        self.down(seq).next().map_or(self.trimmed, |(before, _)| before)
    }

    /// Entries above this one, rising.
    pub(crate) fn up(&self, after: Seq) -> impl Iterator<Item = (Seq, Place)> {
        let from = self.seek(after);
        let chunks = (from..=self.older.len()).filter_map(|at| self.chunk(at));
        chunks.flat_map(|chunk| chunk.iter()).skip_while(move |(seq, _)| *seq <= after)
    }

    /// Entries below this one, falling.
    pub(crate) fn down(&self, before: Seq) -> impl Iterator<Item = (Seq, Place)> {
        let chunks = (0..=self.seek(before)).rev().filter_map(|at| self.chunk(at));
        chunks.flat_map(|chunk| chunk.iter().rev()).skip_while(move |(seq, _)| *seq >= before)
    }

    /// The entry that is the oldest but for so many.
    pub(crate) fn nth(&self, mut n: usize) -> Option<(Seq, Place)> {
        self.chunks().find_map(|chunk| {
            if n < chunk.len() {
                return chunk.iter().nth(n);
            }
            n -= chunk.len();
            None
        })
    }

    /// The last chunk whose first entry may be too old, by the moment that is known of it: how many entries are before it,
    /// and how many it has. None if the first entry is young enough.
    pub(crate) fn aged(&self, is_too_old: impl Fn(Millis) -> bool) -> Option<(usize, usize)> {
        let mut before = 0;
        let mut found = None;
        for chunk in self.chunks().take_while(|chunk| chunk.len() > 0 && is_too_old(chunk.at)) {
            found = Some((before, chunk.len()));
            before += chunk.len();
        }
        found
    }

    /// Removes the oldest entries, up to this one. The first that is left was not stored before `first_at`.
    pub(crate) fn cut_through(
        &mut self,
        through: Seq,
        first_at: Option<Millis>,
        gone: &mut dyn FnMut(Place),
    ) {
        let mut cut = |place: Place| {
            self.bytes = self.bytes.saturating_sub(place.bytes.into());
            self.len = self.len.saturating_sub(1);
            gone(place);
        };
        let from = through.0.saturating_add(1);
        while self.older.front().is_some_and(|chunk| chunk.end() <= from) {
            self.older.pop_front().iter().flat_map(|chunk| chunk.iter()).for_each(|(_, place)| cut(place));
        }
        let front = match self.older.front_mut() {
            Some(chunk) => Arc::make_mut(chunk),
            None => &mut self.newest,
        };
        front.cut(from.saturating_sub(front.first) as usize, &mut cut);
        if let Some(at) = first_at {
            front.at = front.at.max(at);
        }
        self.trimmed = self.trimmed.max(through.min(self.head));
    }

    /// Puts another place in that of an entry, which is given back.
    pub(crate) fn replace(&mut self, seq: Seq, place: Place) -> Option<Place> {
        let at = self.seek(seq);
        let chunk = match self.older.get_mut(at) {
            Some(chunk) => Arc::make_mut(chunk),
            None => &mut self.newest,
        };
        let before = chunk.replace(seq, place)?;
        self.bytes = (self.bytes + u64::from(place.bytes)).saturating_sub(before.bytes.into());
        Some(before)
    }

    /// What is true of it besides its entries.
    pub(crate) fn without_entries(&self) -> Log {
        let (older, newest) = (VecDeque::new(), Chunk::default());
        Log { bytes: 0, len: 0, older, newest, ..self.clone() }
    }

    /// Takes over the entries of another log; false if it has some of its own.
    pub(super) fn keep_entries_of(&mut self, other: &Log) -> bool {
        if self.len > 0 || self.newest.len() > 0 || !self.older.is_empty() {
            return false;
        }
        let Log { bytes, len, older, newest, .. } = other.clone();
        (self.bytes, self.len, self.older, self.newest) = (bytes, len, older, newest);
        true
    }

    /// Whether one that was read back can have come to be as logs do.
    pub(crate) fn is_sound(&self) -> bool {
        let places = || self.chunks().flat_map(|chunk| chunk.iter());
        self.head.0 <= NUMBER_MAX
            && self.count <= self.head.0
            && self.chunks().all(|chunk| chunk.is_sound(self.head, self.count))
            && self.older.iter().all(|chunk| chunk.len() > 0)
            && self.chunks().is_sorted_by(|one, other| one.end() <= other.first || other.len() == 0)
            && places().next().is_none_or(|(first, _)| first > self.trimmed)
            && self.trimmed <= self.head
            && self.len() == places().count()
            && self.bytes == places().map(|(_, place)| u64::from(place.bytes)).sum::<u64>()
            && (self.len == 0 || self.newest.len() > 0)
    }
}
