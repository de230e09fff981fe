use super::{Named, Number, Table};

/// Things by number, and their numbers by name. Numbers of those that went are used again.
pub(crate) struct Slab<T> {
    table: Table<T>,
    /// Numbers that are free again. The last is given first, so that a thing that is replaced keeps its number.
    free: Vec<Number>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { table: Table::default(), free: Vec::new() }
    }
}

impl<T: Named> Slab<T> {
    pub(crate) fn len(&self) -> usize {
        self.numbers() - self.free.len()
    }

    /// One more than the highest number a thing has, or had.
    pub(crate) fn numbers(&self) -> usize {
        self.table.numbers()
    }

    pub(crate) fn get(&self, number: Number) -> Option<&T> {
        self.table.get(number)
    }

    pub(crate) fn get_mut(&mut self, number: Number) -> Option<&mut T> {
        self.table.get_mut(number)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<Number> {
        self.table.find(name)
    }

    /// Takes up a thing whose name is not there yet.
    pub(crate) fn insert(&mut self, item: T) -> Number {
        let number = self.free.pop().unwrap_or_else(|| self.table.make_slot());
        self.table.fill(number, item);
        number
    }

    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<T> {
        let (number, item) = self.table.take(name)?;
        self.free.push(number);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::table::PIECE_ITEMS, *};
    use crate::{
        keyspace::{Family, Key},
        streams::Stream,
    };

    #[test]
    fn numbers_are_used_again_and_every_name_is_found() {
        let mut slab = Slab::default();
        let name = |number: usize| format!("key-{number}").into_bytes();
        for number in 0..3 * PIECE_ITEMS {
            slab.insert(Key::new(&name(number), Stream::fresh()));
        }
        for number in (0..3 * PIECE_ITEMS).step_by(3) {
            assert!(slab.remove(&name(number)).is_some());
        }
        assert_eq!(slab.len(), 2 * PIECE_ITEMS);
        for number in (0..3 * PIECE_ITEMS).step_by(3) {
            assert!(slab.find(&name(number)).is_none());
            slab.insert(Key::new(&name(number), Stream::fresh()));
        }
        assert_eq!((slab.len(), slab.numbers()), (3 * PIECE_ITEMS, 3 * PIECE_ITEMS));
        for number in 0..3 * PIECE_ITEMS {
            let found = slab.find(&name(number)).unwrap();
            assert_eq!(*slab.get(found).unwrap().name, name(number));
        }
    }
}
