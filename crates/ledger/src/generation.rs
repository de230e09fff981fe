//! Numbers that stay new although the end of a log was lost.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which succession of its store a number was given in: 1 at first, one more each time after which the newest
/// records may be missing (a failover, a power cut with records not synced yet, a backup put to use).
///
/// Conversations and inboxes keep the generation their last number was given in. The number after that is
/// `last + 1 + JUMP * (now's generation - last's)`: so what was handed out and then lost is never handed out again, by
/// however many losses in a row. One that is new counts as one of the first generation with 0 as its last
/// number, since it may have been there and be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u32);

/// By how much numbers jump for each generation: more than are ever given between two durable ones, and few enough
/// that 2^32 jumps still fit in the 2^53 that a JavaScript number holds exactly.
pub const JUMP: u64 = 1 << 20;

impl Generation {
    /// A store's first.
    pub const FIRST: Generation = Generation(1);

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
}
