//! Pauses between attempts: doubling bounds, random lengths, so that gateways that lost one broker together do not
//! come back together.

use std::time::Duration;

use crate::limits::{PAUSE_MAX, PAUSE_MIN};

/// The bound of the next pause.
pub(crate) struct Backoff {
    bound: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff { bound: PAUSE_MIN }
    }

    /// The next pause: anything between nothing and the bound, which `random` picks evenly.
    pub(crate) fn pause(&mut self, random: u32) -> Duration {
        let bound = self.bound;
        self.bound = (bound * 2).min(PAUSE_MAX);
        bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// The link held: the next loss is a first one again.
    pub(crate) fn reset(&mut self) {
        self.bound = PAUSE_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_100_ms_up_to_5_s() {
        let mut backoff = Backoff::new();
        let longest: Vec<_> = (0..8).map(|_| backoff.pause(u32::MAX).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.pause(u32::MAX).as_millis(), 100);
    }

    #[test]
    fn a_pause_is_anything_up_to_its_bound() {
        assert_eq!(Backoff::new().pause(0), Duration::ZERO);
        assert_eq!(Backoff::new().pause(u32::MAX / 2).as_millis(), 50);
    }
}
