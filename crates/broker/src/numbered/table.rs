use ahash::RandomState;
use hashbrown::HashTable;

use super::{Named, Number};

/// Things in one piece of the table. It grows by a piece at a time, so that no growing takes long.
pub(super) const PIECE_ITEMS: usize = 1024;

/// Numbers that are given to nothing at most: what says so may be wrong.
const HOLES_MAX: usize = 1 << 24;

/// Indexes of names. Each grows by itself, which takes the shorter, the more there are.
const INDEXES: usize = 256;

/// A thing that cannot be put where it should be: its name or its number is taken, or that is far beyond all others.
#[derive(Debug, thiserror::Error)]
#[error("a number or a name that is taken, or far beyond all others")]
pub(crate) struct Misplaced;

/// Things by number, and their numbers by name. Numbers are given one after the other.
pub(crate) struct Table<T> {
    pieces: Vec<Vec<Option<T>>>,
    indexes: Vec<HashTable<Number>>,
    /// Keyed at random: strangers choose the names.
    hashing: RandomState,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            pieces: Vec::new(),
            indexes: (0..INDEXES).map(|_| HashTable::new()).collect(),
            hashing: RandomState::new(),
        }
    }
}

impl<T: Named> Table<T> {
    /// One more than the highest number a thing has, or had.
    pub(crate) fn numbers(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE_ITEMS + last.len())
    }

    /// The number after the highest there is.
    pub(crate) fn next_number(&self) -> Number {
        Number::of(self.numbers()).expect("memory ends before four billion things")
    }

    pub(crate) fn get(&self, number: Number) -> Option<&T> {
        let (piece, at) = (number.index() / PIECE_ITEMS, number.index() % PIECE_ITEMS);
        self.pieces.get(piece)?.get(at)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: Number) -> Option<&mut T> {
        self.slot(number)?.as_mut()
    }

    pub(super) fn slot(&mut self, number: Number) -> Option<&mut Option<T>> {
        let (piece, at) = (number.index() / PIECE_ITEMS, number.index() % PIECE_ITEMS);
        self.pieces.get_mut(piece)?.get_mut(at)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<Number> {
        let hash = self.hashing.hash_one(name);
        let is_it = |number: &Number| self.get(*number).is_some_and(|item| item.name() == name);
        self.indexes[index_of(hash)].find(hash, is_it).copied()
    }

    /// All there are, by rising numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Number, &T)> {
        (0..self.numbers()).filter_map(|number| {
            let number = Number::of(number)?;
            Some((number, self.get(number)?))
        })
    }

    /// Puts a thing where its number says, which is free. Numbers before it that were not given are given to nothing: what they
    /// were given to is lost.
    pub(crate) fn put(&mut self, number: Number, item: T) -> Result<(), Misplaced> {
        let (piece, at) = (number.index() / PIECE_ITEMS, number.index() % PIECE_ITEMS);
        let there: usize = self.indexes.iter().map(HashTable::len).sum();
        if self.find(item.name()).is_some() || number.index() - there.min(number.index()) > HOLES_MAX {
            return Err(Misplaced);
        }
        if number.index() == self.numbers() {
            self.make_slot();
        }
        // A piece that nothing is in takes nothing.
        while self.pieces.len() <= piece {
            self.pieces.push(Vec::new());
        }
        if self.pieces[piece].len() <= at {
            self.pieces[piece].resize_with(at + 1, || None);
        }
        match self.slot(number) {
            Some(None) => self.fill(number, item),
            _ => return Err(Misplaced),
        }
        Ok(())
    }

    /// Has a number free, whatever was there.
    pub(crate) fn vacate(&mut self, number: Number) {
        if let Some(name) = self.get(number).map(|item| item.name().to_vec()) {
            self.take(&name);
        }
    }

    /// Puts a thing whose name is not there into a slot that is free.
    pub(super) fn fill(&mut self, number: Number, item: T) {
        let hash = self.hashing.hash_one(item.name());
        *self.slot(number).expect("a number that was given has its slot") = Some(item);
        let Table { pieces, hashing, indexes } = self;
        let hash_of = |number: &Number| {
            let (piece, at) = (number.index() / PIECE_ITEMS, number.index() % PIECE_ITEMS);
            pieces[piece][at].as_ref().map_or(0, |item| hashing.hash_one(item.name()))
        };
        indexes[index_of(hash)].insert_unique(hash, number, hash_of);
    }

    /// Makes the slot of the next number, which is free.
    pub(super) fn make_slot(&mut self) -> Number {
        let number = self.next_number();
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE_ITEMS) {
            // The first piece of a small store takes little.
            let items = if self.pieces.is_empty() { 0 } else { PIECE_ITEMS };
            self.pieces.push(Vec::with_capacity(items));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(None);
        }
        number
    }

    /// Takes a thing away; its slot is free.
    pub(super) fn take(&mut self, name: &[u8]) -> Option<(Number, T)> {
        let number = self.find(name)?;
        let hash = self.hashing.hash_one(name);
        if let Ok(found) = self.indexes[index_of(hash)].find_entry(hash, |other| *other == number) {
            found.remove();
        }
        Some((number, self.slot(number)?.take()?))
    }
}

/// By bits that the table itself makes little of.
fn index_of(hash: u64) -> usize {
    (hash >> 32) as usize % INDEXES
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Named for String {
        fn name(&self) -> &[u8] {
            self.as_bytes()
        }
    }

    #[test]
    fn numbers_are_given_one_after_the_other_and_names_once() {
        let mut table = Table::default();
        table.put(Number(0), "a".to_string()).unwrap();
        table.put(Number(1), "b".to_string()).unwrap();
        for (number, name) in [(1, "c"), (2, "b"), (u32::MAX, "c")] {
            table.put(Number(number), name.to_string()).unwrap_err();
        }
        assert_eq!(table.numbers(), 2);
        table.put(Number(2), "c".to_string()).unwrap();
        assert_eq!(
            table.iter().map(|(number, name)| (number.0, &**name)).collect::<Vec<_>>(),
            [(0, "a"), (1, "b"), (2, "c")]
        );
        assert_eq!((table.find(b"b"), table.find(b"d")), (Some(Number(1)), None));
    }

    #[test]
    fn what_is_lost_leaves_holes_that_take_little_and_can_be_filled() {
        let mut table = Table::default();
        let (_, bytes) = naru_measured::peak_bytes(|| {
            for number in [5_000_000, 4096, 3, 4095, 4097, 1_000_000, 0] {
                table.put(Number(number), number.to_string()).unwrap();
            }
        });
        assert!(bytes < 1 << 20, "{bytes}");
        assert_eq!(table.numbers(), 5_000_001);
        table.vacate(Number(4096));
        assert!(table.get(Number(4096)).is_none() && table.find(b"4096").is_none());
        table.put(Number(4096), "again".to_string()).unwrap();
        table.put(table.next_number(), "next".to_string()).unwrap();
        let numbers: Vec<_> = table.iter().map(|(number, name)| (number.0, name.as_str())).collect();
        let expected = [(0, "0"), (3, "3"), (4095, "4095"), (4096, "again"), (4097, "4097")];
        assert_eq!(numbers[..5], expected);
        assert_eq!(numbers[5..], [(1_000_000, "1000000"), (5_000_000, "5000000"), (5_000_001, "next")]);
    }
}
