//! Things that have a name and a number each. A walk finds them by their numbers while others come and go; what refers to
//! them takes four bytes.
//!
//! In a [`Table`] things stay, and so do their numbers. In a [`Slab`] they go, too, and numbers are used again.

mod slab;
mod table;

pub(crate) use slab::Slab;
pub(crate) use table::Table;

use serde::{Deserialize, Serialize};

/// The number of a thing, as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Number(u32);

impl Number {
    pub(crate) fn of(number: usize) -> Option<Number> {
        u32::try_from(number).ok().map(Number)
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Number(number)
    }
}

/// What is found by a name, which does not change.
pub(crate) trait Named {
    fn name(&self) -> &[u8];
}
