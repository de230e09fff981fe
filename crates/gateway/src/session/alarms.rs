//! When the clocks of a core's sessions are looked at: two numbers for each session, and one timer for all.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::BinaryHeap,
    ops::Add,
    rc::Rc,
    time::Duration,
};

use naru_fanout::{Core, PeerId};
use tokio::{select, time::sleep_until};

use super::bell::Bell;
use crate::wire::Gate;

/// A time, in microseconds since the server began: half of what an `Instant` takes, and every session has some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    #[cfg(test)]
    pub(crate) const START: Moment = Moment(0);

    pub(crate) const NEVER: Moment = Moment(u64::MAX);

    /// How long the server has been there by then.
    pub(crate) fn since_start(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

impl From<Duration> for Moment {
    fn from(since_start: Duration) -> Moment {
        Moment(u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, time: Duration) -> Moment {
        Moment(self.0.saturating_add(Moment::from(time).0))
    }
}

/// The next look at each session of a core. One of a session that has gone is passed over when it is due.
#[derive(Default)]
pub(crate) struct Alarms {
    all: RefCell<BinaryHeap<Reverse<(Moment, PeerId)>>>,
    /// A task waits for the first.
    is_running: Cell<bool>,
    /// Rung when there is another first.
    sooner: Bell,
}

impl Alarms {
    /// Has a session's clock looked at by then, and from then on whenever it says.
    pub(super) fn set(core: &Rc<Core<Gate>>, peer: PeerId, at: Moment) {
        let alarms = &core.local().alarms;
        let is_first = alarms.first().is_none_or(|first| at < first);
        alarms.all.borrow_mut().push(Reverse((at, peer)));
        if !alarms.is_running.replace(true) {
            tokio::task::spawn_local(look_at_clocks(core.clone()));
        } else if is_first {
            alarms.sooner.ring();
        }
    }

    fn first(&self) -> Option<Moment> {
        self.all.borrow().peek().map(|Reverse((at, _))| *at)
    }

    fn take_due(&self, now: Moment) -> Option<PeerId> {
        let mut all = self.all.borrow_mut();
        all.peek().filter(|Reverse((at, _))| *at <= now)?;
        let Reverse((_, peer)) = all.pop()?;
        if all.len() < all.capacity() / 4 {
            // Many have gone.
            let room = all.len() * 2;
            all.shrink_to(room);
        }
        Some(peer)
    }
}

/// As long as there is one.
async fn look_at_clocks(core: Rc<Core<Gate>>) {
    let (alarms, limits) = (&core.local().alarms, &core.shared().limits);
    while let Some(first) = alarms.first() {
        select! {
            () = sleep_until(limits.instant(first.since_start())) => {}
            () = alarms.sooner.until(|| (alarms.first() != Some(first)).then_some(())) => continue,
        }
        let now = limits.now().into();
        while let Some(peer) = alarms.take_due(now) {
            if let Some(next) = core.peer(peer).and_then(|session| session.look_at_clock()) {
                alarms.all.borrow_mut().push(Reverse((next, peer)));
            }
        }
    }
    alarms.is_running.set(false);
}
