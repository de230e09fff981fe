//! How clients are sent away when the server stops.

use std::{
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use naru_fanout::{Core, Peer};
use tokio::time::{Instant, sleep_until};

use crate::wire::Gate;

/// Whether the server stops, and how fast its clients go.
pub(crate) struct Draining {
    time: Duration,
    is_begun: AtomicBool,
}

impl Draining {
    /// Clients go one after the other over this time, so that the servers they go to are not asked by all at once.
    pub(crate) fn over(time: Duration) -> Draining {
        Draining { time, is_begun: AtomicBool::new(false) }
    }

    pub(crate) fn begin(&self) {
        self.is_begun.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun.load(Ordering::Relaxed)
    }

    /// Sends the clients of a core away. Whoever is still there meanwhile is served as ever.
    pub(crate) fn send_away(&self, core: &Rc<Core<Gate>>) {
        if self.time.is_zero() {
            return core.each_peer(|session| session.finish());
        }
        let mut peers = Vec::new();
        core.each_peer(|session| peers.push(session.id()));
        let count = u32::try_from(peers.len()).unwrap_or(u32::MAX).max(1);
        let (begun, time, core) = (Instant::now(), self.time, core.clone());
        tokio::task::spawn_local(async move {
            for (place, peer) in (1..).zip(peers) {
                // The last goes at the end of the time. Those that are due in the same moment go together.
                sleep_until(begun + time.mul_f64(f64::from(place) / f64::from(count))).await;
                if let Some(session) = core.peer(peer) {
                    session.finish();
                }
            }
        });
    }
}
