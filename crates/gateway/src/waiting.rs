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

    /// Notes what waits for each who is held up on a core, least first. Whether that is too much with what waits on the others; and for
    /// how many of the last of them: nobody, unless it was too much at the last look.
    fn weigh(&self, core: CoreId, behind: &[usize], most: usize, was_too_much: bool) -> (bool, usize) {
        let (mut bytes, mut left) = (behind.iter().sum(), behind);
        self.note(core, bytes, left.last().copied().unwrap_or_default());
        let is_too_much = self.total() > most;
        while was_too_much
            && self.total() > most
            && let Some((largest, others)) = left.split_last()
            // Else it is for another core to go on.
            && self.is_largest(core, *largest)
        {
            (bytes, left) = (bytes - largest, others);
            self.note(core, bytes, left.last().copied().unwrap_or_default());
        }
        (is_too_much, behind.len() - left.len())
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
    behind.sort_unstable_by_key(|(queued, _)| *queued);
    let bytes: Vec<usize> = behind.iter().map(|(queued, _)| *queued).collect();
    let waiting = &core.shared().waiting;
    let (is_too_much, too_many) = waiting.weigh(core.id(), &bytes, most, was_too_much);
    let too_many = &behind[behind.len() - too_many..];
    let cut_off: u32 = too_many.iter().map(|(_, session)| u32::from(session.cut_off())).sum();
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

    #[test]
    fn a_burst_that_is_read_by_the_next_look_cuts_nobody_off_and_of_what_lasts_the_largest_goes() {
        let (waiting, core) = (Waiting::new(Some(10), 2), CoreId(0));
        assert_eq!(waiting.weigh(core, &[2, 4, 8], 10, false), (true, 0));
        assert_eq!(waiting.weigh(core, &[2], 10, true), (false, 0));
        assert_eq!(waiting.weigh(core, &[2, 4, 8], 10, true), (true, 1));
        assert_eq!(waiting.total(), 6);
        // What waits on another core makes it too much, for none of whom more does.
        waiting.note(CoreId(1), 8, 3);
        assert_eq!(waiting.weigh(core, &[2, 4], 10, true), (true, 1));
        waiting.note(CoreId(1), 9, 9);
        assert_eq!(waiting.weigh(core, &[2, 4], 10, true), (true, 0));
    }
}
