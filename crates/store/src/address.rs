//! Where bytes stand in a log.

use std::fmt;

/// A position in the endless sequence of a log's frames, in bytes from 0. Segments hold consecutive pieces of that
/// sequence, so an address stays what it is while files come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(u64);

impl Address {
    /// Where the first frame of a log begins.
    pub const ZERO: Address = Address(0);

    /// The byte at this position.
    pub const fn new(position: u64) -> Self {
        Self(position)
    }

    /// The plain position.
    pub const fn position(self) -> u64 {
        self.0
    }

    /// The byte `bytes` after this one. Nobody writes 2^64 bytes; what comes from a disk or a caller goes through
    /// [`Address::checked_add`].
    pub(crate) const fn plus(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }

    /// The byte `bytes` after this one, if there can be one.
    pub fn checked_add(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }

    /// How many bytes it is behind `earlier`; `None` if it is before.
    pub(crate) fn since(self, earlier: Address) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
