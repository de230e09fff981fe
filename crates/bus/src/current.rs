//! The line that calls are asked on.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::error::BusError;
use crate::limits::CALLS_AGAIN_MAX;
use crate::line::Line;

/// The line calls are asked on: there while the link is up.
pub(crate) struct Current {
    state: watch::Sender<State>,
    /// For those who wait for the next one.
    again: Semaphore,
}

#[derive(Clone)]
enum State {
    /// With how many there have been.
    Up(Arc<Line>, u64),
    Down(u64),
    /// There will be no other.
    Over,
}

impl Current {
    pub(crate) fn new() -> Current {
        let (state, _) = watch::channel(State::Down(0));
        Current { state, again: Semaphore::new(CALLS_AGAIN_MAX) }
    }

    pub(crate) fn up(&self, line: Line) {
        self.state.send_modify(|state| {
            *state = State::Up(Arc::new(line), state.number() + 1);
        });
    }

    pub(crate) fn down(&self) {
        self.state.send_modify(|state| *state = State::Down(state.number()));
    }

    pub(crate) fn over(&self) {
        self.state.send_replace(State::Over);
    }

    /// The line there is, with its number.
    pub(crate) fn get(&self) -> Option<(Arc<Line>, u64)> {
        self.state.borrow().line()
    }

    /// A line that came after one that was lost.
    pub(crate) async fn after(&self, lost: u64) -> Result<(Arc<Line>, u64), BusError> {
        let _place = self.again.try_acquire().map_err(|_| BusError::Unreachable)?;
        let mut states = self.state.subscribe();
        let is_next = |state: &State| match state {
            State::Up(_, number) => *number > lost,
            State::Down(_) => false,
            State::Over => true,
        };
        let state = states.wait_for(is_next).await.map_err(|_| BusError::Unreachable)?;
        state.line().ok_or(BusError::Unreachable)
    }
}

impl State {
    fn line(&self) -> Option<(Arc<Line>, u64)> {
        match self {
            State::Up(line, number) => Some((Arc::clone(line), *number)),
            State::Down(_) | State::Over => None,
        }
    }

    fn number(&self) -> u64 {
        match self {
            State::Up(_, number) | State::Down(number) => *number,
            State::Over => u64::MAX,
        }
    }
}
