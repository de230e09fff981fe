//! A list for people to read, which a disk full of damage does not make endless.

use std::ops::Deref;

/// The first of what came up, in order, and how many more there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    first: Vec<T>,
    more: u64,
}

impl<T> Listed<T> {
    /// How many are kept.
    pub const MAX: usize = 10_000;

    /// Keeps it, or counts it.
    pub fn push(&mut self, one: T) {
        if self.first.len() < Self::MAX {
            self.first.push(one);
        } else {
            self.more += 1;
        }
    }

    /// How many there were beside those that are kept.
    pub fn more(&self) -> u64 {
        self.more
    }

    /// How many there were in all.
    pub fn count(&self) -> u64 {
        self.first.len() as u64 + self.more
    }
}

/// Those that are kept.
impl<T> Deref for Listed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.first
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { first: Vec::new(), more: 0 }
    }
}

impl<T> From<T> for Listed<T> {
    fn from(one: T) -> Self {
        Self { first: vec![one], more: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_to_keep_is_counted() {
        let mut listed = Listed::default();
        for number in 0..Listed::<u64>::MAX as u64 + 3 {
            listed.push(number);
        }
        assert_eq!((listed.len(), listed.more(), listed.count()), (10_000, 3, 10_003));
        assert_eq!(listed.last(), Some(&9999));
    }
}
