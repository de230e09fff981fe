//! How often something may happen, in one number.

use std::{cell::Cell, time::Duration};

/// So many a second, and `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Time that each takes.
    each: Duration,
    burst: u32,
}

/// There is a burst, and no rate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BurstOfNothing;

impl Rate {
    /// `count` in each `time`; `burst` at once.
    pub(crate) fn new(count: u32, time: Duration, burst: u32) -> Rate {
        Rate { each: time / count.max(1), burst: burst.max(1) }
    }

    /// As settings say it: `count` in a second, none without a limit; `burst` at once, or twice as many as in a second.
    pub(crate) fn a_second(count: u32, burst: u32) -> Result<Option<Rate>, BurstOfNothing> {
        match (count, burst) {
            (0, 0) => Ok(None),
            (0, _) => Err(BurstOfNothing),
            (count, 0) => Ok(Some(Rate::new(count, Duration::from_secs(1), count.saturating_mul(2)))),
            (count, burst) => Ok(Some(Rate::new(count, Duration::from_secs(1), burst))),
        }
    }
}

/// What has been spent of a rate: the time, since the process began, at which all of it will have come back.
#[derive(Default)]
pub(crate) struct Bucket(Cell<u64>);

/// Whether there was enough left.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    Enough,
    /// Not. It is counted all the same: who does not slow down gets nothing at all.
    TooMuch,
    /// It was not, and has not been for as much again as may be had at once.
    FarTooMuch,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Bucket {
    /// Spends one at the time `now`.
    pub(crate) fn spend(&self, rate: Rate, now: Duration) -> Spent {
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

    /// Spends one if there is enough, and nothing otherwise: of what many share, one who asks too much does not take from the
    /// others what comes back.
    pub(crate) fn take(&self, rate: Rate, now: Duration) -> bool {
        self.has(rate, now) && self.spend(rate, now) == Spent::Enough
    }

    /// Whether there is enough for one.
    pub(crate) fn has(&self, rate: Rate, now: Duration) -> bool {
        let each = micros(rate.each).max(1);
        let ahead = self.0.get().saturating_sub(micros(now));
        ahead.saturating_add(each) <= each.saturating_mul(rate.burst.into())
    }

    /// Whether all has come back: then it is as good as a new one.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.0.get() <= micros(now)
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

    #[test]
    fn what_is_refused_of_what_many_share_costs_the_others_nothing() {
        let (bucket, rate) = (Bucket::default(), Rate::new(10, SECOND, 3));
        let take = |millis| bucket.take(rate, Duration::from_millis(millis));
        assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
        for millis in 1..100 {
            assert!(!take(millis));
        }
        assert!(take(100) && !take(100));
        assert!(!bucket.is_full(SECOND / 10) && bucket.is_full(SECOND));
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
