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
    /// Calls in order that were asked on the line there is; and who waits for the next one without this one being known as lost.
    asked: BTreeMap<u64, Option<oneshot::Sender<Given>>>,
    /// Calls in order that were begun and have yet to be asked on the line there is. The first of them is the next one: so they are
    /// asked in the order in which they began, whenever each notices that its line was lost. While there are any, others wait
    /// behind them.
    behind: BTreeMap<u64, Behind>,
    /// Other calls whose line was lost under them, at most [`CALLS_AGAIN_MAX`].
    others: BTreeMap<u64, oneshot::Sender<Given>>,
}

enum Behind {
    /// It has not noticed yet.
    Lost,
    Waits(oneshot::Sender<Given>),
    /// It has the line, and is about to be asked.
    Given,
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

/// A call's place among those that are asked in the order in which they began, as long as it lasts.
pub(crate) struct Place<'a> {
    current: &'a Current,
    number: u64,
}

impl Current {
    pub(crate) fn new() -> Current {
        Current(Mutex::new(Inner {
            state: State::Down,
            lines: 0,
            calls: 0,
            asked: BTreeMap::new(),
            behind: BTreeMap::new(),
            others: BTreeMap::new(),
        }))
    }

    pub(crate) fn up(&self, line: Line) {
        let mut inner = self.lock();
        inner.lines += 1;
        inner.state = State::Up(Arc::new(line));
        inner.lose();
        for waits in std::mem::take(&mut inner.others).into_values() {
            if let Some(given) = inner.given() {
                // Who has given up does not want it.
                let _ = waits.send(given);
            }
        }
        inner.go_on();
    }

    pub(crate) fn down(&self) {
        let mut inner = self.lock();
        inner.state = State::Down;
        inner.lose();
    }

    pub(crate) fn over(&self) {
        let mut inner = self.lock();
        inner.state = State::Over;
        inner.others.clear();
        inner.lose();
        inner.behind.values_mut().for_each(|behind| *behind = Behind::Lost);
    }

    /// The line there is.
    pub(crate) fn line(&self) -> Option<Arc<Line>> {
        self.given().map(|given| given.line)
    }

    /// The line there is, for a call that may have to be asked again.
    pub(crate) fn given(&self) -> Option<Given> {
        self.lock().given()
    }

    /// A line that came after one that was lost.
    pub(crate) async fn after(&self, lost: Given) -> Result<Given, BusError> {
        let (waits, number) = {
            let mut inner = self.lock();
            match &inner.state {
                State::Up(_) if inner.lines > lost.number => {
                    return inner.given().ok_or(BusError::Unreachable);
                }
                State::Over => return Err(BusError::Unreachable),
                State::Up(_) | State::Down => {}
            }
            if inner.others.len() >= CALLS_AGAIN_MAX {
                return Err(BusError::Unreachable);
            }
            inner.calls += 1;
            let (number, (sender, receiver)) = (inner.calls, oneshot::channel());
            inner.others.insert(number, sender);
            (receiver, number)
        };
        let _waiting = Waiting { current: self, number };
        waits.await.map_err(|_| BusError::Unreachable)
    }

    /// The next place.
    pub(crate) fn place(&self) -> Place<'_> {
        let mut inner = self.lock();
        inner.calls += 1;
        Place { current: self, number: inner.calls }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The line for the call, when it is its turn: the one there is, or one after another that was lost. Without a link it fails at
    /// once, the first time.
    pub(crate) async fn line(&self, lost: Option<Given>) -> Result<Given, BusError> {
        let waits = {
            let mut inner = self.current.lock();
            let is_up = matches!(inner.state, State::Up(_));
            if matches!(inner.state, State::Over) || lost.is_none() && !is_up {
                return Err(BusError::Unreachable);
            }
            if lost.is_none() && inner.behind.is_empty() {
                inner.asked.insert(self.number, None);
                return inner.given().ok_or(BusError::Unreachable);
            }
            let (sender, receiver) = oneshot::channel();
            match lost {
                // Nobody else must wait until it is known whether it is lost.
                Some(lost) if is_up && lost.number == inner.lines => {
                    inner.asked.insert(self.number, Some(sender));
                }
                _ => {
                    inner.asked.remove(&self.number);
                    inner.behind.insert(self.number, Behind::Waits(sender));
                    inner.go_on();
                }
            }
            receiver
        };
        waits.await.map_err(|_| BusError::Unreachable)
    }

    /// The call has been asked on its line: it is the next one's turn.
    pub(crate) fn is_asked(&self, on: &Given) {
        let mut inner = self.current.lock();
        if inner.behind.remove(&self.number).is_some() {
            let is_there = matches!(inner.state, State::Up(_)) && inner.lines == on.number;
            if is_there {
                inner.asked.insert(self.number, None);
            } else {
                inner.behind.insert(self.number, Behind::Lost);
            }
            inner.go_on();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = self.current.lock();
        inner.asked.remove(&self.number);
        if inner.behind.remove(&self.number).is_some() {
            inner.go_on();
        }
    }
}

impl Inner {
    fn given(&self) -> Option<Given> {
        match &self.state {
            State::Up(line) => Some(Given { line: Arc::clone(line), number: self.lines }),
            State::Down | State::Over => None,
        }
    }

    /// What was asked has lost its line.
    fn lose(&mut self) {
        for (number, waits) in std::mem::take(&mut self.asked) {
            self.behind.insert(number, waits.map_or(Behind::Lost, Behind::Waits));
        }
    }

    /// Gives the line to the next one, if that waits for it.
    fn go_on(&mut self) {
        while let Some(given) = self.given()
            && let Some(mut first) = self.behind.first_entry()
            && matches!(first.get(), Behind::Waits(_))
        {
            let Behind::Waits(waits) = first.insert(Behind::Given) else { return };
            if waits.send(given).is_ok() {
                return;
            }
            // It has given up.
            first.remove();
        }
    }
}

/// Gives the place of a call that does not wait any more to others.
struct Waiting<'a> {
    current: &'a Current,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.current.lock().others.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use naru_ledger::Server;

    use super::*;
    use crate::event::Events;
    use crate::played;

    /// What a future has come to by now.
    async fn now<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    async fn line() -> Line {
        let events = Events::new(&Server::parse("s1").unwrap(), Box::new(|_| ()));
        Line::native(played::connection(&Arc::new(events)).await.0)
    }

    #[tokio::test]
    async fn calls_are_asked_again_in_the_order_in_which_they_began_and_new_ones_behind_them() {
        let current = Current::new();
        assert!(current.place().line(None).await.is_err(), "there is no link");
        current.up(line().await);
        let (first, second) = (current.place(), current.place());
        let lost = [first.line(None).await.unwrap(), second.line(None).await.unwrap()];
        let [first_lost, second_lost] = lost;
        current.down();
        let mut second_again = pin!(second.line(Some(second_lost)));
        assert!(now(second_again.as_mut()).await.is_none());
        current.up(line().await);
        let late = current.place();
        let mut late_first = pin!(late.line(None));
        assert!(
            now(late_first.as_mut()).await.is_none(),
            "the first has not noticed yet that its line was lost"
        );
        assert!(now(second_again.as_mut()).await.is_none());
        let again = first.line(Some(first_lost)).await.unwrap();
        assert!(now(second_again.as_mut()).await.is_none(), "the first is not asked yet");
        first.is_asked(&again);
        let again = now(second_again.as_mut()).await.unwrap().unwrap();
        assert!(now(late_first.as_mut()).await.is_none());
        second.is_asked(&again);
        let given = now(late_first.as_mut()).await.unwrap().unwrap();
        late.is_asked(&given);
        assert!(current.place().line(None).await.is_ok());
    }

    #[tokio::test]
    async fn who_gives_up_keeps_nobody_waiting() {
        let current = Current::new();
        current.up(line().await);
        let (first, second) = (current.place(), current.place());
        let (_lost, lost) = (first.line(None).await.unwrap(), second.line(None).await.unwrap());
        current.down();
        current.up(line().await);
        let mut again = pin!(second.line(Some(lost)));
        assert!(now(again.as_mut()).await.is_none());
        drop(first);
        assert!(now(again.as_mut()).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_call_that_fails_on_a_line_that_holds_keeps_nobody_waiting() {
        let current = Current::new();
        current.up(line().await);
        let first = current.place();
        let lost = first.line(None).await.unwrap();
        let mut again = pin!(first.line(Some(lost)));
        assert!(now(again.as_mut()).await.is_none());
        assert!(current.place().line(None).await.is_ok());
        current.over();
        assert!(now(again.as_mut()).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn only_so_many_wait_and_who_gives_up_makes_room() {
        let current = Arc::new(Current::new());
        current.up(line().await);
        let calls: Vec<_> = (0..=CALLS_AGAIN_MAX).map(|_| current.given().unwrap()).collect();
        current.down();
        let mut waiting: Vec<_> = calls
            .into_iter()
            .map(|given| {
                let current = Arc::clone(&current);
                tokio::spawn(async move { current.after(given).await.map(drop) })
            })
            .collect();
        let one_too_many = waiting.pop().unwrap().await.unwrap();
        assert_eq!(one_too_many, Err(BusError::Unreachable));
        waiting.pop().unwrap().abort();
        while current.lock().others.len() >= CALLS_AGAIN_MAX {
            tokio::task::yield_now().await;
        }
        current.over();
        for call in waiting {
            assert_eq!(call.await.unwrap(), Err(BusError::Unreachable));
        }
    }
}
