//! What waits for all clients of a server together because they do not read: unless it has no bound (`limits.waiting_size_limit`), those
//! for whom most waits are cut off until it fits. What one client may have waiting is bounded in any case.

use std::{
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use naru_fanout::{Core, CoreId, Peer};
use tokio::time::{Instant, sleep};

use crate::{session::Session, wire::Gate};

/// How often a core adds up. Who reads has taken by the next time what a short burst to very many, of whom each counts, had waiting for
/// a moment: so clients are cut off only where it is too much twice in a row, and the bound is exceeded by as much as comes from one time
/// to the next but one.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Less often where a look takes long, as it does while one of very many clients does not read: one part in so many of a core's time.
const LOOK_SHARE: u32 = 50;
/// The longest pause all the same.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What waits on each core, in bytes. A frame that many wait for is counted for each of them.
pub(crate) struct Waiting {
    most: Option<usize>,
    cores: Box<[OfCore]>,
}

#[derive(Default)]
struct OfCore {
    bytes: AtomicUsize,
    /// Of the client for whom most waits.
    largest: AtomicUsize,
}

impl Waiting {
    pub(crate) fn new(most: Option<usize>, cores: usize) -> Waiting {
        Waiting { most, cores: (0..cores).map(|_| OfCore::default()).collect() }
    }

    fn note(&self, core: CoreId, bytes: usize, largest: usize) {
        self.cores[core.0].bytes.store(bytes, Ordering::Relaxed);
        self.cores[core.0].largest.store(largest, Ordering::Relaxed);
    }

    fn total(&self) -> usize {
        self.cores.iter().map(|core| core.bytes.load(Ordering::Relaxed)).sum()
    }

    /// Whether for no client on another core more waits than this.
    fn is_largest(&self, core: CoreId, bytes: usize) -> bool {
        let others = self.cores.iter().enumerate().filter(|(other, _)| *other != core.0);
        others.map(|(_, core)| core.largest.load(Ordering::Relaxed)).all(|largest| largest <= bytes)
    }
}

/// Sees to the bound, if there is one, for as long as the core runs.
pub(crate) fn watch(core: &Rc<Core<Gate>>) {
    let Some(most) = core.shared().waiting.most else { return };
    let core = core.clone();
    tokio::task::spawn_local(async move {
        let (mut pause, mut was_too_much) = (LOOK_EVERY, false);
        loop {
            sleep(pause).await;
            let begun = Instant::now();
            was_too_much = look(&core, most, was_too_much);
            pause = (begun.elapsed() * LOOK_SHARE).clamp(LOOK_EVERY, LOOK_PAUSE_MAX);
        }
    });
}

/// Whether too much waits for all together; if it has been so before, clients are cut off.
fn look(core: &Rc<Core<Gate>>, most: usize, was_too_much: bool) -> bool {
    // What has been appended to the outboxes of all and leaves in its turn is no sign that somebody does not read.
    let mut behind: Vec<(usize, Rc<Session>)> =
        core.held_up().into_iter().map(|session| (session.link().queued(), session)).collect();
    let mut bytes: usize = behind.iter().map(|(queued, _)| queued).sum();
    behind.sort_unstable_by_key(|(queued, _)| *queued);
    let waiting = &core.shared().waiting;
    let largest = |behind: &[(usize, Rc<Session>)]| behind.last().map_or(0, |(queued, _)| *queued);
    waiting.note(core.id(), bytes, largest(&behind));
    let is_too_much = waiting.total() > most;
    let mut cut_off = 0_u32;
    while was_too_much && waiting.total() > most {
        match behind.pop() {
            Some((queued, session)) if waiting.is_largest(core.id(), queued) => {
                cut_off += u32::from(session.cut_off());
                bytes -= queued;
                waiting.note(core.id(), bytes, largest(&behind));
            }
            // It is for another core to go on.
            _ => break,
        }
    }
    if cut_off > 0 {
        tracing::warn!(
            clients = cut_off,
            "cut off: more than limits.waiting_size_limit waits for all clients together, and most for these"
        );
    }
    is_too_much
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_core_that_has_the_client_furthest_behind_cuts_off() {
        let waiting = Waiting::new(Some(1), 2);
        waiting.note(CoreId(0), 100, 60);
        waiting.note(CoreId(1), 70, 70);
        assert_eq!(waiting.total(), 170);
        assert!(!waiting.is_largest(CoreId(0), 60));
        assert!(waiting.is_largest(CoreId(1), 70));
    }
}
