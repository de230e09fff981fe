use std::{future::poll_fn, task::Context, task::Poll};

use naru_fanout::CoreId;
use naru_store::WriteError;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc::OwnedPermit},
    time::sleep_until,
};

use super::{Job, turn::Turns};
use crate::wire::Answer;

/// The keeper's work, which one thread at a time is at: its own, or that of a core with a few short jobs that finds nobody
/// at it. To hand so little to another thread, and to be woken by the answers, would take longer than to do it.
///
/// A core does so only when all that was sent before is done, so its jobs are done in their order either way.
#[derive(Default)]
pub(crate) struct Keeping {
    /// None before the keeper's thread has begun, and when it has ended.
    turns: Mutex<Option<Turns>>,
    /// Has the keeper's thread look again when it is to come back.
    bell: Notify,
}

impl Keeping {
    pub(super) fn begin(&self, turns: Turns) {
        *self.turns.lock() = Some(turns);
    }

    /// Does jobs that have a place in the keeper's queue, if they are short and nobody else is at work; the answers to
    /// clients of this core. None: they are still to be done.
    pub(crate) fn do_here(
        &self,
        core: CoreId,
        jobs: &mut Vec<(OwnedPermit<Job>, Job)>,
    ) -> Option<Vec<Answer>> {
        let mut turns = self.turns.try_lock()?;
        let turns = turns.as_mut()?;
        if !turns.can_be_done_beside() || !jobs.iter().all(|(_, job)| turns.store.is_short(&job.task)) {
            return None;
        }
        let answers = turns.turn_beside(core, jobs.drain(..).map(|(_, job)| job));
        if turns.is_wanted_earlier() {
            self.bell.notify_one();
        }
        Some(answers)
    }

    /// Has the keeper's thread take a turn, to see what has been set.
    pub(crate) fn look(&self) {
        self.bell.notify_one();
    }

    /// The life of the keeper's thread: until nobody can send jobs any more, and the log is closed; or until the log fails.
    pub(super) async fn run(&self) -> Result<(), WriteError> {
        let Some(mut durable) = self.turns.lock().as_ref().map(|turns| turns.durable.clone()) else {
            return Ok(());
        };
        loop {
            let Some((until, wants_jobs)) = self.turns.lock().as_mut().map(Turns::rest) else {
                return Ok(());
            };
            tokio::select! {
                biased;
                Ok(()) = durable.changed() => {}
                () = self.bell.notified() => {}
                can_come = poll_fn(|context| self.poll_jobs(context)), if wants_jobs => {
                    if !can_come {
                        break;
                    }
                }
                () = sleep_until(until.unwrap_or_else(std::time::Instant::now).into()), if until.is_some() => {}
            }
            let mut turns = self.turns.lock();
            if let Some(Err(error)) = turns.as_mut().map(Turns::turn) {
                // Whoever still waits for something of it is not kept waiting.
                *turns = None;
                return Err(error);
            }
        }
        self.turns.lock().take().map_or(Ok(()), Turns::close)
    }

    /// Whether jobs can still come: ready when some have, or none will.
    fn poll_jobs(&self, context: &mut Context<'_>) -> Poll<bool> {
        self.turns.lock().as_mut().map_or(Poll::Ready(false), |turns| turns.poll_jobs(context))
    }
}
