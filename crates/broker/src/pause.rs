use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Longer than anyone means, and an instant that the clock can name.
const PAUSE_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Which commands are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Paused {
    /// Those that change something or are heard by others.
    Writes = 1,
    /// All.
    Everything = 2,
}

/// Clients are paused for a time (`CLIENT PAUSE`): commands of the sort are not executed, and their clients not read.
#[derive(Default)]
pub(crate) struct Pause {
    /// A [`Paused`], or 0; looked at before every command.
    what: AtomicU8,
    until: Mutex<Option<Instant>>,
    /// Rung when the pause changes.
    changed: Notify,
}

impl Pause {
    /// Whether a command is held back.
    pub(crate) fn holds(&self, is_write: bool) -> bool {
        let what = self.what.load(Ordering::Relaxed);
        what != 0 && (is_write || what == Paused::Everything as u8) && self.is_on()
    }

    fn is_on(&self) -> bool {
        self.until.lock().is_some_and(|until| until > Instant::now())
    }

    /// Pauses. Under a pause that is on already it only gets longer and wider, as in Redis.
    pub(crate) fn begin(&self, what: Paused, time: Duration) {
        let wanted = Instant::now() + time.min(PAUSE_MAX);
        let mut until = self.until.lock();
        let before = until.filter(|until| *until > Instant::now());
        let what = match before {
            Some(_) => self.what.load(Ordering::Relaxed).max(what as u8),
            None => what as u8,
        };
        self.what.store(what, Ordering::Relaxed);
        *until = Some(before.map_or(wanted, |before| before.max(wanted)));
        drop(until);
        self.changed.notify_waiters();
    }

    /// Ends the pause.
    pub(crate) fn end(&self) {
        *self.until.lock() = None;
        self.what.store(0, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Waits while there is a pause of any sort, or until it changes.
    pub(crate) async fn over(&self) {
        let changed = self.changed.notified();
        let until = *self.until.lock();
        if let Some(until) = until {
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(1000);

    #[test]
    fn a_pause_of_writes_lets_reads_through() {
        let pause = Pause::default();
        assert!(!pause.holds(true));
        pause.begin(Paused::Writes, LONG);
        assert!(pause.holds(true));
        assert!(!pause.holds(false));
        pause.end();
        assert!(!pause.holds(true));
    }

    #[test]
    fn a_pause_under_a_pause_only_makes_it_longer_and_wider() {
        let pause = Pause::default();
        pause.begin(Paused::Everything, LONG);
        pause.begin(Paused::Writes, Duration::ZERO);
        assert!(pause.holds(false));
    }

    #[test]
    fn a_pause_that_is_over_holds_nothing_and_does_not_count_for_the_next() {
        let pause = Pause::default();
        pause.begin(Paused::Everything, Duration::ZERO);
        assert!(!pause.holds(true));
        pause.begin(Paused::Writes, LONG);
        assert!(!pause.holds(false));
    }
}
