use naru_ledger::{Millis, Seq};
use serde::{Deserialize, Serialize};

use crate::keyspace::Place;

/// Entries of one chunk, as many as there are bits to say which of them count.
pub(super) const CHUNK_ENTRIES_MAX: usize = 64;

/// Neighbouring entries of a log whose numbers follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    /// The number of its first entry.
    pub(super) first: u64,
    /// A moment that its first entry was not stored before: when the chunk began, or something was found out since.
    pub(super) at: Millis,
    /// How many messages there were before its first entry.
    count_before: u64,
    /// Which of its entries count, the first in the lowest bit.
    counts: u64,
    places: Vec<Packed>,
}

/// Where what an entry says is. Packed, since there may be many millions; its fields are only ever copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C, packed(4))]
struct Packed {
    address: u64,
    bytes: u32,
}

const _: () = assert!(size_of::<Packed>() == 12);

impl From<Place> for Packed {
    fn from(Place { address, bytes }: Place) -> Self {
        Packed { address, bytes }
    }
}

impl Packed {
    fn place(self) -> Place {
        Place { address: self.address, bytes: self.bytes }
    }
}

impl Chunk {
    /// One that begins with this entry, when there have been so many messages before.
    pub(super) fn new(first: Seq, at: Millis, count_before: u64) -> Chunk {
        Chunk { first: first.0, at, count_before, counts: 0, places: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// One more than the number of its last entry.
    pub(super) fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    pub(super) fn last(&self) -> Option<Place> {
        self.places.last().map(|packed| packed.place())
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.len() == CHUNK_ENTRIES_MAX
    }

    /// Takes up the next entry.
    pub(super) fn push(&mut self, place: Place, counts: bool) {
        let len = self.places.len();
        if len == self.places.capacity() {
            // By half, and not beyond what it will ever hold: most conversations are small.
            self.places.reserve_exact((len / 2).max(1).min(CHUNK_ENTRIES_MAX.saturating_sub(len).max(1)));
        }
        self.counts |= u64::from(counts) << len;
        self.places.push(place.into());
    }

    fn position(&self, seq: Seq) -> Option<usize> {
        let at = seq.0.checked_sub(self.first)? as usize;
        (at < self.places.len()).then_some(at)
    }

    pub(super) fn get(&self, seq: Seq) -> Option<Place> {
        self.position(seq).map(|at| self.places[at].place())
    }

    /// How many messages there are with this entry.
    pub(super) fn count(&self, seq: Seq) -> Option<u64> {
        let at = self.position(seq)?;
        let through = u64::MAX >> (CHUNK_ENTRIES_MAX - 1 - at);
        Some(self.count_before + u64::from((self.counts & through).count_ones()))
    }

    /// Puts another place in that of an entry, which is given back.
    pub(super) fn replace(&mut self, seq: Seq, place: Place) -> Option<Place> {
        let at = self.position(seq)?;
        Some(std::mem::replace(&mut self.places[at], place.into()).place())
    }

    /// Removes so many of the oldest entries.
    pub(super) fn cut(&mut self, count: usize, gone: &mut dyn FnMut(Place)) {
        let count = count.min(self.places.len());
        if count == 0 {
            return;
        }
        let through = u64::MAX >> (CHUNK_ENTRIES_MAX - count);
        self.count_before += u64::from((self.counts & through).count_ones());
        self.counts = self.counts.checked_shr(count as u32).unwrap_or(0);
        self.first += count as u64;
        self.places.drain(..count).for_each(|place| gone(place.place()));
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (Seq, Place)> + ExactSizeIterator {
        let places = self.places.iter().enumerate();
        places.map(|(at, place)| (Seq(self.first + at as u64), place.place()))
    }

    /// Whether it can be part of a log whose numbers and counts are no higher than these.
    pub(super) fn is_sound(&self, head: Seq, count: u64) -> bool {
        let counted = self.counts.count_ones();
        self.places.len() <= CHUNK_ENTRIES_MAX
            && self.first.checked_add(self.places.len() as u64).is_some_and(|end| end <= head.0 + 1)
            && self.counts.checked_shr(self.places.len() as u32).unwrap_or(0) == 0
            && self.count_before.checked_add(counted.into()).is_some_and(|all| all <= count)
    }
}
