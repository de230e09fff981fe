use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering, fence},
    task::{Context, Poll},
};

use naru_fanout::CoreId;
use naru_store::WriteError;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, mpsc::OwnedPermit},
    time::sleep_until,
};

use super::{Job, turn::Turns};
use crate::wire::Answer;

/// The keeper's work, which one thread at a time is at: its own, that of a core with a few short jobs that finds nobody
/// at it, or the log's, which lets go what counts by now. To hand so little to another thread, and to be woken by the answers,
/// would take longer than to do it.
///
/// A core does so only when all that was sent before is done, so its jobs are done in their order either way.
#[derive(Default)]
pub(crate) struct Keeping {
    /// None before the keeper's thread has begun, and when it has ended.
    turns: Mutex<Option<Turns>>,
    /// More counts than has been let go.
    is_due: AtomicBool,
    /// Has the keeper's thread look again when it is to come back.
    bell: Notify,
}

/// What became of a core's jobs.
pub(crate) enum Beside {
    /// They are done, and these are answers to clients of the core. So many others wait for the disk.
    Done { answers: Vec<Answer>, wait: usize },
    /// Somebody else is at work, and will soon have done.
    Busy,
    /// They are for the keeper's thread.
    Refused,
}

impl Keeping {
    pub(super) fn begin(&self, turns: Turns) {
        *self.turns.lock() = Some(turns);
    }

    /// There is nobody to do it.
    pub(super) fn give_up(&self) {
        let turns = self.turns.lock().take();
        drop(turns);
    }

    /// Does jobs that have a place in the keeper's queue, if they are short and nobody else is at work.
    pub(crate) fn do_here(&self, core: CoreId, jobs: &mut Vec<(OwnedPermit<Job>, Job)>) -> Beside {
        let Some(mut guard) = self.turns.try_lock() else { return Beside::Busy };
        let Some(turns) = guard.as_mut() else { return Beside::Refused };
        if !turns.can_be_done_beside() || !jobs.iter().all(|(_, job)| turns.store.is_short(&job.task)) {
            self.end_work(guard);
            return Beside::Refused;
        }
        let answers = turns.turn_beside(core, jobs.drain(..).map(|(_, job)| job));
        let wait = turns.held.len();
        self.end_work(guard);
        Beside::Done { answers, wait }
    }

    /// More counts than before, or nothing will any more: called by the log.
    pub(super) fn counted(&self) {
        self.is_due.store(true, Ordering::Release);
        self.let_go();
    }

    /// Lets go what counts, unless somebody is at work: who is does it then, behind what it is at.
    fn let_go(&self) {
        loop {
            // Either this sees what the log has noted, or the log sees that nobody is at work any more.
            fence(Ordering::SeqCst);
            if !self.is_due.load(Ordering::Acquire) {
                return;
            }
            let Some(mut guard) = self.turns.try_lock() else { return };
            self.is_due.swap(false, Ordering::AcqRel);
            let Some(turns) = guard.as_mut() else { return };
            turns.let_go();
            self.ring(turns);
        }
    }

    /// Ends being at work: what began to count meanwhile is let go.
    fn end_work(&self, mut guard: MutexGuard<'_, Option<Turns>>) {
        if let Some(turns) = guard.as_mut() {
            self.ring(turns);
        }
        drop(guard);
        self.let_go();
    }

    /// Has the keeper's thread come back if there is something for it.
    fn ring(&self, turns: &mut Turns) {
        if turns.is_wanted_earlier() {
            self.bell.notify_one();
        }
    }

    /// Has the keeper's thread take a turn, to see what has been set.
    pub(crate) fn look(&self) {
        self.bell.notify_one();
    }

    /// The life of the keeper's thread: until nobody can send jobs any more, and the log is closed; or until the log fails.
    pub(super) async fn run(&self) -> Result<(), WriteError> {
        loop {
            let Some((until, wants_jobs)) = self.turns.lock().as_mut().map(Turns::rest) else {
                return Ok(());
            };
            self.let_go();
            tokio::select! {
                biased;
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
            drop(turns);
            self.let_go();
        }
        self.turns.lock().take().map_or(Ok(()), Turns::close)
    }

    /// Whether jobs can still come: ready when some have, or none will.
    fn poll_jobs(&self, context: &mut Context<'_>) -> Poll<bool> {
        let polled = self.turns.lock().as_mut().map_or(Poll::Ready(false), |turns| turns.poll_jobs(context));
        self.let_go();
        polled
    }
}
