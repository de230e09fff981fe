//! How often something may happen, in one number.

use std::{cell::Cell, time::Duration};

/// So many a second, and `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Time that each takes.
    each: Duration,
    burst: u32,
}

impl Rate {
    /// `count` in each `time`; `burst` at once.
    pub(crate) fn new(count: u32, time: Duration, burst: u32) -> Rate {
        Rate { each: time / count.max(1), burst: burst.max(1) }
    }
}

/// What has been spent of a rate: the time, since the process began, at which all of it will have come back.
#[derive(Default)]
pub(crate) struct Bucket(Cell<u64>);

/// Whether there was enough left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    Enough,
    /// Not. It is counted all the same: who does not slow down gets nothing at all.
    TooMuch,
    /// It was not, and has not been for as much again as may be had at once.
    FarTooMuch,
}

impl Bucket {
    /// Spends one at the time `now`.
    pub(crate) fn spend(&self, rate: Rate, now: Duration) -> Spent {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (now, each) = (micros(now), micros(rate.each).max(1));
        let room = each.saturating_mul(rate.burst.into());
        let full_at = self.0.get().max(now);
        let ahead = full_at - now;
        if ahead >= room.saturating_mul(2) {
            return Spent::FarTooMuch;
        }
        self.0.set(full_at.saturating_add(each));
        if ahead.saturating_add(each) <= room { Spent::Enough } else { Spent::TooMuch }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_had_at_once_and_comes_back_with_time() {
        let (bucket, rate) = (Bucket::default(), Rate::new(10, SECOND, 3));
        let spend = |millis| bucket.spend(rate, Duration::from_millis(millis));
        assert_eq!([spend(0), spend(0), spend(0)], [Spent::Enough; 3]);
        assert_eq!(spend(0), Spent::TooMuch);
        // The one that was refused counts.
        assert_eq!(spend(100), Spent::TooMuch);
        assert_eq!([spend(400), spend(400)], [Spent::Enough; 2]);
        assert_eq!(spend(400), Spent::TooMuch);
        assert_eq!([spend(10_000), spend(10_000), spend(10_000)], [Spent::Enough; 3]);
    }

    #[test]
    fn who_does_not_slow_down_goes_too_far() {
        let (bucket, rate) = (Bucket::default(), Rate::new(10, SECOND, 3));
        let all: Vec<_> = (0..8).map(|_| bucket.spend(rate, SECOND)).collect();
        assert_eq!(all[..3], [Spent::Enough; 3]);
        assert_eq!(all[3..6], [Spent::TooMuch; 3]);
        assert_eq!(all[6..], [Spent::FarTooMuch; 2]);
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_what_came_back(
            count in 1u32..50, burst in 1u32..20, pauses in prop::collection::vec(0u64..200, 1..200),
        ) {
            let (bucket, rate) = (Bucket::default(), Rate::new(count, SECOND, burst));
            let (mut now, mut had) = (0, 0u64);
            for pause in pauses {
                now += pause;
                had += u64::from(bucket.spend(rate, Duration::from_millis(now)) == Spent::Enough);
                // One more, for the part of a microsecond that a division leaves.
                prop_assert!(had <= u64::from(burst) + now * u64::from(count) / 1000 + 1);
            }
        }
    }
}
