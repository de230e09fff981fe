//! The line that calls are asked on, and the calls that wait for the next one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::BusError;
use crate::limits::CALLS_AGAIN_MAX;
use crate::line::Line;

/// The line calls are asked on: there while the link is up.
pub(crate) struct Current(Mutex<Inner>);

struct Inner {
    state: State,
    /// How many lines there have been.
    lines: u64,
    /// How many calls there have been.
    calls: u64,
    /// Calls whose line was lost under them, at most [`CALLS_AGAIN_MAX`]. They go on in the order in which they began: a client that
    /// sends without waiting for answers has what it said in its order.
    waiting: BTreeMap<u64, oneshot::Sender<Given>>,
}

enum State {
    Up(Arc<Line>),
    Down,
    /// There will be no other.
    Over,
}

/// A line for one call.
pub(crate) struct Given {
    pub(crate) line: Arc<Line>,
    number: u64,
}

/// One call's place among the others.
pub(crate) struct Place(u64);

impl Current {
    pub(crate) fn new() -> Current {
        Current(Mutex::new(Inner { state: State::Down, lines: 0, calls: 0, waiting: BTreeMap::new() }))
    }

    pub(crate) fn up(&self, line: Line) {
        let mut inner = self.lock();
        inner.lines += 1;
        inner.state = State::Up(Arc::new(line));
        for waits in std::mem::take(&mut inner.waiting).into_values() {
            if let Some(given) = inner.given() {
                // Who has given up does not want it.
                let _ = waits.send(given);
            }
        }
    }

    pub(crate) fn down(&self) {
        self.lock().state = State::Down;
    }

    pub(crate) fn over(&self) {
        let mut inner = self.lock();
        inner.state = State::Over;
        inner.waiting.clear();
    }

    /// The line there is.
    pub(crate) fn line(&self) -> Option<Arc<Line>> {
        self.lock().given().map(|given| given.line)
    }

    /// The line there is, for a call that may have to be asked again.
    pub(crate) fn begin(&self) -> Option<(Given, Place)> {
        let mut inner = self.lock();
        inner.calls += 1;
        Some((inner.given()?, Place(inner.calls)))
    }

    /// A line that came after one that was lost.
    pub(crate) async fn after(&self, lost: Given, place: &Place) -> Result<Given, BusError> {
        let waits = {
            let mut inner = self.lock();
            match &inner.state {
                State::Up(_) if inner.lines > lost.number => {
                    return inner.given().ok_or(BusError::Unreachable);
                }
                State::Over => return Err(BusError::Unreachable),
                State::Up(_) | State::Down => {}
            }
            if inner.waiting.len() >= CALLS_AGAIN_MAX {
                return Err(BusError::Unreachable);
            }
            let (sender, receiver) = oneshot::channel();
            inner.waiting.insert(place.0, sender);
            receiver
        };
        let _waiting = Waiting { current: self, place };
        waits.await.map_err(|_| BusError::Unreachable)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn given(&self) -> Option<Given> {
        match &self.state {
            State::Up(line) => Some(Given { line: Arc::clone(line), number: self.lines }),
            State::Down | State::Over => None,
        }
    }
}

/// Gives the place of a call that does not wait any more to others.
struct Waiting<'a> {
    current: &'a Current,
    place: &'a Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.current.lock().waiting.remove(&self.place.0);
    }
}

#[cfg(test)]
mod tests {
    use naru_ledger::Server;
    use tokio::select;

    use super::*;
    use crate::event::Events;
    use crate::played;

    async fn line() -> Line {
        let events = Events::new(&Server::parse("s1").unwrap(), Box::new(|_| ()));
        Line::native(played::connection(&Arc::new(events)).await.0)
    }

    #[tokio::test]
    async fn calls_go_on_in_the_order_in_which_they_began() {
        let current = Arc::new(Current::new());
        assert!(current.begin().is_none());
        current.up(line().await);
        let calls: Vec<_> = (0..100).map(|_| current.begin().unwrap()).collect();
        current.down();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for (n, (given, place)) in calls.into_iter().enumerate().rev() {
            let (current, order) = (Arc::clone(&current), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                current.after(given, &place).await.unwrap();
                order.lock().unwrap().push(n);
            }));
        }
        while current.lock().waiting.len() < waiting.len() {
            tokio::task::yield_now().await;
        }
        current.up(line().await);
        for call in waiting {
            call.await.unwrap();
        }
        assert!(order.lock().unwrap().is_sorted());
    }

    #[tokio::test]
    async fn only_so_many_wait_and_who_gives_up_makes_room() {
        let current = Arc::new(Current::new());
        current.up(line().await);
        let calls: Vec<_> = (0..=CALLS_AGAIN_MAX).map(|_| current.begin().unwrap()).collect();
        current.down();
        let mut waiting: Vec<_> = calls
            .into_iter()
            .map(|(given, place)| {
                let current = Arc::clone(&current);
                tokio::spawn(async move { current.after(given, &place).await.map(drop) })
            })
            .collect();
        let one_too_many = waiting.pop().unwrap().await.unwrap();
        assert_eq!(one_too_many, Err(BusError::Unreachable));
        waiting.pop().unwrap().abort();
        while current.lock().waiting.len() >= CALLS_AGAIN_MAX {
            tokio::task::yield_now().await;
        }
        current.over();
        for call in waiting {
            assert_eq!(call.await.unwrap(), Err(BusError::Unreachable));
        }
    }

    #[tokio::test]
    async fn the_line_that_was_lost_is_not_given_again() {
        let current = Current::new();
        current.up(line().await);
        let (given, place) = current.begin().unwrap();
        let again = async { current.after(given, &place).await };
        select! {
            biased;
            _ = again => panic!("it is the same"),
            () = tokio::task::yield_now() => {}
        }
    }
}
