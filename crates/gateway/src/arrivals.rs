//! Clients on their way in, over all cores: those who ask the broker for it, and those who will in a moment.

use std::collections::VecDeque;

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::limits::{ARRIVALS_MAX, EXPECTED_FOR, EXPECTED_MAX};

/// How many are on their way.
///
/// Who has been given a session is **expected** to connect, for [`EXPECTED_FOR`]: so who merely stands there holds nobody up for
/// longer. They are not told apart: whoever connects is taken for the one who was let in first.
pub(crate) struct Arrivals {
    turns: Semaphore,
    /// When each of the expected was let in.
    expected: Mutex<VecDeque<Instant>>,
}

impl Arrivals {
    pub(crate) fn new() -> Arrivals {
        Arrivals { turns: Semaphore::new(ARRIVALS_MAX), expected: Mutex::default() }
    }

    /// Whether somebody new may be let in.
    pub(crate) fn has_room(&self) -> bool {
        self.turns.available_permits() > 0 && self.expected().len() < EXPECTED_MAX
    }

    /// Somebody was given a session.
    pub(crate) fn let_in(&self) {
        self.expected().push_back(Instant::now());
    }

    /// Waits for the turn of one who connects to ask the broker. It is taken until it is dropped.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        self.expected().pop_front();
        self.turns.acquire().await.expect("the semaphore is never closed")
    }

    fn expected(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        let mut expected = self.expected.lock();
        let now = Instant::now();
        while expected.front().is_some_and(|let_in| now - *let_in >= EXPECTED_FOR) {
            expected.pop_front();
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn come(arrivals: &Arrivals, count: usize) {
        (0..count).for_each(|_| arrivals.let_in());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_let_in_while_many_are_expected_and_who_does_not_connect_is_not_for_long() {
        let arrivals = Arrivals::new();
        come(&arrivals, EXPECTED_MAX - 1);
        assert!(arrivals.has_room());
        advance(EXPECTED_FOR / 2).await;
        come(&arrivals, 1);
        assert!(!arrivals.has_room());
        drop(arrivals.turn().await);
        assert!(arrivals.has_room(), "one of them has connected");
        come(&arrivals, 1);
        assert!(!arrivals.has_room());
        advance(EXPECTED_FOR / 2).await;
        assert!(arrivals.has_room());
        assert_eq!(arrivals.expected().len(), 2, "who came later is expected still");
    }

    #[tokio::test]
    async fn nobody_is_let_in_while_as_many_ask_the_broker_as_may() {
        let arrivals = Arrivals::new();
        let mut turns = Vec::new();
        for _ in 0..ARRIVALS_MAX {
            assert!(arrivals.has_room());
            turns.push(arrivals.turn().await);
        }
        assert!(!arrivals.has_room());
        turns.pop();
        assert!(arrivals.has_room());
    }
}
