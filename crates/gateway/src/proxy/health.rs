//! What is said of how a hook is doing: when it begins to fail and when it answers again, and not each time.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The least time between two reports of the same kind. What fails now and then would fill the log otherwise.
const PAUSE: Duration = Duration::from_secs(10);

/// How a hook is doing, as far as it was said.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_said_to_be_away: bool,
    away: Option<Instant>,
    bad: Option<Instant>,
}

impl Health {
    /// It has answered, whatever.
    pub(super) fn answered(&self, hook: &str) {
        if self.0.lock().answered() {
            tracing::info!(hook, "the application answers again");
        }
    }

    /// It did not.
    pub(super) fn away(&self, hook: &str, why: &dyn Display) {
        if self.0.lock().away(Instant::now()) {
            tracing::warn!(hook, %why, "the application does not answer");
        } else {
            tracing::debug!(hook, %why, "the application does not answer");
        }
    }

    /// It has answered something that is none of the answers there are.
    pub(super) fn bad(&self, hook: &str, why: &dyn Display) {
        if self.0.lock().bad(Instant::now()) {
            tracing::warn!(hook, %why, "the application's answer is not taken");
        } else {
            tracing::debug!(hook, %why, "the application's answer is not taken");
        }
    }
}

/// Each answers whether it is to be said.
impl State {
    fn answered(&mut self) -> bool {
        std::mem::take(&mut self.is_said_to_be_away)
    }

    fn away(&mut self, now: Instant) -> bool {
        let is_new = !self.is_said_to_be_away && is_due(self.away, now);
        if is_new {
            (self.is_said_to_be_away, self.away) = (true, Some(now));
        }
        is_new
    }

    fn bad(&mut self, now: Instant) -> bool {
        let is_new = is_due(self.bad, now);
        if is_new {
            self.bad = Some(now);
        }
        is_new
    }
}

fn is_due(said: Option<Instant>, now: Instant) -> bool {
    said.is_none_or(|said| now.duration_since(said) >= PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_said_once_and_flapping_now_and_then() {
        let begun = Instant::now();
        let mut state = State::default();
        assert!(!state.answered());
        assert!(state.away(begun));
        assert!(!state.away(begun + PAUSE * 9));
        assert!(state.answered());
        assert!(!state.answered());

        let later = begun + PAUSE * 10;
        assert!(state.away(later));
        assert!(state.answered());
        // Whoever was not told that it is away is not told that it is back.
        assert!(!state.away(later + PAUSE / 2));
        assert!(!state.answered());
        assert!(state.away(later + PAUSE));
    }

    #[test]
    fn bad_answers_are_said_now_and_then() {
        let begun = Instant::now();
        let mut state = State::default();
        assert!(state.bad(begun));
        assert!(!state.bad(begun + PAUSE / 2));
        assert!(state.bad(begun + PAUSE));
    }
}
