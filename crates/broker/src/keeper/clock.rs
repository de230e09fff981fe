//! The time: of the day as the system says it, and as far as it is believed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use naru_ledger::Millis;

/// How far the time of the day may be ahead of the time that has passed, and is still taken as it is.
const AHEAD_MAX: Duration = Duration::from_secs(60 * 60);

/// How many times faster than time passes one that is further ahead is come up with: an hour in ten seconds.
const CATCHES_UP: u32 = 360;

/// Unix time in milliseconds; 0 for a clock before 1970.
pub(super) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis() as u64)
}

/// The time of the day as the ledger has it, whose logs never go back: a step far ahead, as of a clock that is set wrong for
/// a moment, would stay in them. It is taken slowly, so that it has come to little by the time it is taken back; after a long
/// sleep of the machine it is what is true soon all the same.
#[derive(Default)]
pub(super) struct Steady(Option<Reading>);

struct Reading {
    at: Millis,
    read: Instant,
    /// When it began, and the time of the day then.
    began: (Instant, Millis),
    is_far_ahead: bool,
}

impl Steady {
    /// The time of the day is `wall` at this moment.
    pub(super) fn follow(&mut self, wall: Millis, now: Instant) {
        let Some(Reading { at, read, is_far_ahead, .. }) = &mut self.0 else {
            self.0 = Some(Reading { at: wall, read: now, began: (now, wall), is_far_ahead: false });
            return;
        };
        // What is less than a millisecond passes with the next.
        let passed = Duration::from_millis(now.saturating_duration_since(*read).as_millis() as u64);
        *read += passed;
        let expected = at.after(passed);
        if wall <= expected.after(AHEAD_MAX) {
            *at = wall;
            *is_far_ahead = false;
            return;
        }
        if !std::mem::replace(is_far_ahead, true) {
            let ahead_s = wall.since(expected).as_secs();
            tracing::warn!(
                ahead_s,
                "the clock has gone ahead by far: messages are stored with a time that comes up with it slowly"
            );
            *at = expected;
            return;
        }
        *at = expected.after((passed * (CATCHES_UP - 1)).min(AHEAD_MAX));
    }

    /// `wall`, as far as it is believed. Who has no clock that is followed believes everything.
    pub(super) fn believed(&self, wall: Millis) -> Millis {
        self.0.as_ref().map_or(wall, |reading| wall.min(reading.at))
    }

    /// A moment that has passed, although the clock may be set back: none while it may have been ahead from the beginning.
    pub(super) fn passed(&self) -> Option<Millis> {
        let Reading { at, read, began: (began, first), .. } = self.0.as_ref()?;
        let up = read.saturating_duration_since(*began);
        (up >= AHEAD_MAX).then(|| first.after(up).min(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60 * 1000;
    const DAY: u64 = 24 * HOUR;
    const BEGAN: u64 = 50 * 365 * DAY;

    struct Day {
        steady: Steady,
        began: Instant,
    }

    impl Day {
        fn new() -> Day {
            Day { steady: Steady::default(), began: Instant::now() }
        }

        /// What is believed and what has passed, in milliseconds since the beginning, after so many of them, when the clock is
        /// that far ahead.
        fn at(&mut self, passed: u64, ahead: u64) -> (u64, Option<u64>) {
            let wall = Millis(BEGAN + passed + ahead);
            self.steady.follow(wall, self.began + Duration::from_millis(passed));
            let passed = self.steady.passed().map(|at| at.0 - BEGAN);
            (self.steady.believed(wall).0 - BEGAN, passed)
        }
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_moment_moves_nothing() {
        let mut day = Day::new();
        assert_eq!(day.at(0, 0), (0, None));
        assert_eq!(day.at(10, 5), (15, None), "a little is taken as it is");
        assert_eq!(day.at(20, 9000 * DAY), (25, None));
        assert_eq!(day.at(120, 9000 * DAY), (125 + 359 * 100, None));
        assert_eq!(day.at(220, 0), (220, None), "back");
    }

    #[test]
    fn a_clock_that_stays_ahead_is_come_up_with() {
        let mut day = Day::new();
        day.at(0, 0);
        let three = 3 * DAY;
        let reached = (1..).map(|n| n * 1000).find(|passed| day.at(*passed, three).0 == passed + three);
        assert!((300_000..1_000_000).contains(&reached.unwrap()), "{reached:?}");
        let mut day = Day::new();
        day.at(0, 0);
        day.at(1000, three);
        assert!(day.at(DAY, three).0 < DAY + 2 * HOUR, "though nobody looked for a day, not at once");
    }

    #[test]
    fn what_has_passed_does_not_come_back() {
        let mut day = Day::new();
        day.at(0, 0);
        assert_eq!(day.at(HOUR - 1, 0).1, None);
        assert_eq!(day.at(HOUR, HOUR).1, Some(HOUR), "whatever the clock says");
        assert_eq!(day.at(2 * HOUR, 0).1, Some(2 * HOUR));
        let mut day = Day::new();
        day.at(0, 9000 * DAY);
        assert_eq!(day.at(2 * HOUR, 0).1, Some(2 * HOUR), "nor what it began with");
    }

    #[test]
    fn many_looks_lose_no_time() {
        let mut day = Day::new();
        day.at(0, 0);
        let mut now = day.began;
        for _ in 0..10_000 {
            now += Duration::from_micros(300);
            day.steady.follow(Millis(BEGAN + 9000 * DAY), now);
        }
        assert!(day.steady.believed(Millis(u64::MAX)).0 >= BEGAN + 3000);
    }
}
