//! Numbers that stay new although the end of a log was lost.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Millis;

/// Which succession of its store a number was given in: 1 at first, and a higher one ([`Generation::next`]) each time after
/// which the newest records may be missing (a failover, a power cut with records not synced yet, a backup put to use).
///
/// Conversations and inboxes keep the generation their last number was given in. The number after that is
/// `last + 1 + JUMP * (now's generation - last's)`: so what was handed out and then lost is never handed out again, by
/// however many losses in a row. One that is new counts as one of the first generation with 0 as its last
/// number, since it may have been there and be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u32);

/// By how much numbers jump for each generation: more than are ever given between two durable ones, and few enough
/// that 2^32 jumps still fit in the 2^53 that a JavaScript number holds exactly. Generations that count minutes stay below the
/// 14 digits, too, with which Lua writes a number, for 180 years.
pub const JUMP: u64 = 1 << 20;

/// 2025-01-01T00:00Z, which generations count minutes from.
const YEAR_2025: Millis = Millis(1_735_689_600_000);

impl Generation {
    /// A store's first.
    pub const FIRST: Generation = Generation(1);

    /// The one that begins now, when this is the highest that is known. Higher ones may have been and be lost, as where one
    /// backup is put to use twice: so it is not below the minutes there have been since the first of 2025, and all that
    /// began at least a minute apart are different.
    #[must_use]
    pub fn next(self, now: Millis) -> Generation {
        let minutes = now.0.saturating_sub(YEAR_2025.0) / 60_000;
        Generation(self.0.saturating_add(1).max(u32::try_from(minutes).unwrap_or(u32::MAX)))
    }

    /// The number to be given now, in this generation, after `last`, which was given in `of`. No jump if
    /// `of` is no older.
    pub fn after(self, last: u64, of: Generation) -> u64 {
        last + 1 + JUMP * u64::from(self.0.saturating_sub(of.0))
    }
}

impl Default for Generation {
    fn default() -> Generation {
        Generation::FIRST
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_may_have_been_given_and_lost_is_not_given_again() {
        assert_eq!(Generation(1).after(0, Generation::FIRST), 1);
        assert_eq!(Generation(1).after(7, Generation(1)), 8);
        // 8 to 9 were given and lost, then 9 + JUMP and lost again.
        assert_eq!(Generation(2).after(7, Generation(1)), 8 + JUMP);
        assert_eq!(Generation(3).after(7, Generation(1)), 8 + 2 * JUMP);
        assert_eq!(Generation(3).after(0, Generation::FIRST), 1 + 2 * JUMP);
        assert_eq!(Generation(2).after(7, Generation(3)), 8);
    }

    #[test]
    fn what_is_put_to_use_twice_is_in_two_generations() {
        assert_eq!(Generation(7).next(Millis(0)), Generation(8));
        let at = |minutes: u64| Millis(YEAR_2025.0 + minutes * 60_000 + 59_999);
        assert_eq!(Generation(7).next(at(1_000_000)), Generation(1_000_000));
        assert_eq!(Generation(7).next(at(1_000_001)), Generation(1_000_001));
        assert_eq!(Generation(1_000_001).next(at(1_000_001)), Generation(1_000_002));
        assert_eq!(Generation(u32::MAX).next(Millis(u64::MAX)), Generation(u32::MAX));
        // Exact in JavaScript, and in a hundred years in Lua.
        assert!(Generation(u32::MAX).after(1 << 40, Generation::FIRST) < 1 << 53);
        assert!(Generation(175 * 366 * 24 * 60).after(1 << 40, Generation::FIRST) < 100_000_000_000_000);
    }
}
