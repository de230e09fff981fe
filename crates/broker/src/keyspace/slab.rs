use ahash::RandomState;
use hashbrown::HashTable;

use super::Key;

/// Keys of one piece of the slab. It grows by a piece at a time, so that no growing takes long.
const PIECE_KEYS: usize = 1024;

/// Indexes of names. Each grows by itself, which takes the shorter, the more there are.
const INDEXES: usize = 256;

/// The number of a key, as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(u32);

impl Number {
    pub(super) fn of(number: usize) -> Option<Number> {
        u32::try_from(number).ok().map(Number)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Keys by number, and their numbers by name.
pub(super) struct Slab {
    pieces: Vec<Vec<Option<Key>>>,
    /// Numbers that are free again. The last is given first, so that a key that is replaced keeps its number.
    free: Vec<Number>,
    indexes: Vec<HashTable<Number>>,
    /// Keyed at random: strangers choose the names.
    hashing: RandomState,
}

impl Default for Slab {
    fn default() -> Self {
        Slab {
            pieces: Vec::new(),
            free: Vec::new(),
            indexes: (0..INDEXES).map(|_| HashTable::new()).collect(),
            hashing: RandomState::new(),
        }
    }
}

impl Slab {
    pub(super) fn len(&self) -> usize {
        self.numbers() - self.free.len()
    }

    /// One more than the highest number a key has, or had.
    pub(super) fn numbers(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE_KEYS + last.len())
    }

    pub(super) fn get(&self, Number(number): Number) -> Option<&Key> {
        let (piece, at) = (number as usize / PIECE_KEYS, number as usize % PIECE_KEYS);
        self.pieces.get(piece)?.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut Key> {
        self.slot(number)?.as_mut()
    }

    fn slot(&mut self, Number(number): Number) -> Option<&mut Option<Key>> {
        let (piece, at) = (number as usize / PIECE_KEYS, number as usize % PIECE_KEYS);
        self.pieces.get_mut(piece)?.get_mut(at)
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<Number> {
        let hash = self.hashing.hash_one(name);
        let is_it = |number: &Number| self.get(*number).is_some_and(|key| *key.name == *name);
        self.indexes[index_of(hash)].find(hash, is_it).copied()
    }

    /// Takes up a key whose name is not there yet.
    pub(super) fn insert(&mut self, key: Key) -> Number {
        let hash = self.hashing.hash_one(&*key.name);
        let number = self.free.pop().unwrap_or_else(|| self.next_number());
        let slot = self.slot(number).expect("a number that was free has its slot");
        *slot = Some(key);
        let Slab { pieces, hashing, indexes, .. } = self;
        let hash_of = |Number(number): &Number| {
            let (piece, at) = (*number as usize / PIECE_KEYS, *number as usize % PIECE_KEYS);
            pieces[piece][at].as_ref().map_or(0, |key| hashing.hash_one(&*key.name))
        };
        indexes[index_of(hash)].insert_unique(hash, number, hash_of);
        number
    }

    /// Makes the next slot.
    fn next_number(&mut self) -> Number {
        let number = u32::try_from(self.numbers()).expect("memory ends before four billion keys");
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE_KEYS) {
            // The first piece of a small store takes little.
            let keys = if self.pieces.is_empty() { 0 } else { PIECE_KEYS };
            self.pieces.push(Vec::with_capacity(keys));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(None);
        }
        Number(number)
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Key> {
        let number = self.find(name)?;
        let hash = self.hashing.hash_one(name);
        if let Ok(found) = self.indexes[index_of(hash)].find_entry(hash, |other| *other == number) {
            found.remove();
        }
        self.free.push(number);
        self.slot(number)?.take()
    }
}

/// By bits that the table itself makes little of.
fn index_of(hash: u64) -> usize {
    (hash >> 32) as usize % INDEXES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Family;
    use crate::streams::Stream;

    #[test]
    fn numbers_are_used_again_and_every_name_is_found() {
        let mut slab = Slab::default();
        let name = |number: usize| format!("key-{number}").into_bytes();
        for number in 0..3 * PIECE_KEYS {
            slab.insert(Key::new(&name(number), Stream::fresh()));
        }
        for number in (0..3 * PIECE_KEYS).step_by(3) {
            assert!(slab.remove(&name(number)).is_some());
        }
        assert_eq!(slab.len(), 2 * PIECE_KEYS);
        for number in (0..3 * PIECE_KEYS).step_by(3) {
            assert!(slab.find(&name(number)).is_none());
            slab.insert(Key::new(&name(number), Stream::fresh()));
        }
        assert_eq!((slab.len(), slab.numbers()), (3 * PIECE_KEYS, 3 * PIECE_KEYS));
        for number in 0..3 * PIECE_KEYS {
            let found = slab.find(&name(number)).unwrap();
            assert_eq!(*slab.get(found).unwrap().name, name(number));
        }
    }
}
