use std::time::{Duration, Instant};

use super::{checkpoint::Checkpoints, reclaim::Reclaim, store::Store};
use crate::numbered::Number;

/// How often the log is looked at.
pub(super) const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// How often it is while things are asked for that do not make it longer.
pub(super) const LOOKS_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// Conversations of which it is seen whether repeats are recognised for nothing, each time the log is looked at.
const CONVERSATIONS_A_LOOK: usize = 2000;

/// What the keeper does between jobs, a little a turn, so that a start is quick and what is dead takes no space.
pub(super) struct Upkeep {
    checkpoints: Checkpoints,
    reclaim: Reclaim,
    /// When the log was last looked at, and where it ended then.
    looked: (Instant, u64),
    /// No space was left when the log was last looked at.
    was_full: bool,
    /// The next conversation that may have something to forget.
    forgets_at: usize,
}

impl Upkeep {
    pub(super) fn new(checkpoints: Checkpoints, reclaim: Reclaim) -> Upkeep {
        Upkeep { checkpoints, reclaim, looked: (Instant::now(), 0), was_full: false, forgets_at: 0 }
    }

    /// Does a little; when to come again at the latest.
    pub(super) fn go_on(&mut self, store: &mut Store) -> Option<Duration> {
        let end = store.journal.log().next_address().position();
        let (at, seen) = self.looked;
        let counts_more = store.journal.count_gone();
        if at.elapsed() >= LOOKS_EVERY {
            self.looked = (Instant::now(), end);
            self.look_for_space(store);
            self.forget(store);
            store.log_bytes = store.journal.log().file_bytes();
            let now = store.ledger_now();
            store.ledger.tidy_routes(now);
            store.tidy_present();
            self.checkpoints.look(store);
            // Not before it is known what is dead.
            if !counts_more {
                self.reclaim.look(store);
            }
        }
        let next = [self.checkpoints.go_on(store), self.reclaim.go_on(store)];
        // On a full disk also for space, which others may give back.
        let look = (end != seen || store.journal.is_full() || self.was_full).then_some(LOOKS_EVERY);
        let count = counts_more.then_some(Duration::ZERO);
        next.into_iter().chain([look, count]).flatten().min()
    }

    /// Says when no space is left, and when there is again.
    fn look_for_space(&mut self, store: &Store) {
        let is_full = store.journal.is_full();
        match (std::mem::replace(&mut self.was_full, is_full), is_full) {
            (false, true) => tracing::warn!(
                "no space is left for the log's next file: what makes it grow is refused with DISKFULL until there is. Free some, or \
                 trim streams"
            ),
            (true, false) => {
                tracing::info!("there is space for the log again, and nothing is refused for it")
            }
            _ => {}
        }
    }

    /// Has some conversations forget what they recognise repeats by, where that is over: round and round.
    fn forget(&mut self, store: &mut Store) {
        let Some(passed) = store.clock.passed() else { return };
        let numbers = store.ledger.conversations().numbers();
        let end = numbers.min(self.forgets_at + CONVERSATIONS_A_LOOK);
        for number in (self.forgets_at..end).filter_map(Number::of) {
            store.ledger.forget_ids(number, passed);
        }
        self.forgets_at = if end == numbers { 0 } else { end };
    }
}
