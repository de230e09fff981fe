//! The number of a record.

use std::fmt;

/// The number of a record in its log, from 1, in the order of appending. Marks that the log writes for itself take
/// numbers too, so the numbers of a caller's records rise but may have gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// Before the first record.
    pub const ZERO: Lsn = Lsn(0);

    /// The record with this number; 0 is [`Lsn::ZERO`].
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The plain number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The record `count` after this one. 2^64 records are never written; bytes from a disk go through
    /// [`Lsn::checked_add`].
    pub(crate) const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }

    pub(crate) fn checked_add(self, count: u64) -> Option<Self> {
        self.0.checked_add(count).map(Self)
    }

    /// The record before this one; before the first is [`Lsn::ZERO`].
    pub(crate) const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
