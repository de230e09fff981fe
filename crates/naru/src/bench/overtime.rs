//! Extra time for a window in which nothing was counted.

use std::time::{Duration, Instant};

/// How much longer than was asked for a window may last.
const TIME_MAX: Duration = Duration::from_secs(10);

/// How often its end is looked for.
pub(super) const LOOK: Duration = Duration::from_millis(1);

/// What a window lasts beyond its time when nothing was counted in it: a server that stood still for all of a short one is not yet
/// one that does nothing. Rates are over the length it had.
pub(super) struct Overtime {
    count: u64,
    end: Instant,
}

impl Overtime {
    /// Of a window that begins now and lasts for `time`, when so much was counted.
    pub(super) fn of(time: Duration, count: u64) -> Self {
        Overtime { count, end: Instant::now() + time + TIME_MAX }
    }

    /// Whether more is to be waited for, when so much is counted.
    pub(super) fn goes_on(&self, count: u64) -> bool {
        count == self.count && Instant::now() < self.end
    }
}
