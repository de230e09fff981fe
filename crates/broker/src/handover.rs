use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use naru_fanout::Core;
use tokio::sync::mpsc::{
    self, OwnedPermit,
    error::{SendError, TrySendError},
};

use crate::{
    keeper::{Beside, Job, Keeping},
    limits::{AT_WORK_MAX, AWAKE_FOR, AWAKE_WAITS_MIN, JOBS_GATHERED_MAX},
    wire::{self, Resp, Shared},
};

/// A core's jobs on their way to the keeper. They leave together at the end of the core's turn, or when they are
/// enough to keep the keeper busy: so it is woken once for all of them, and records them together. A few that are soon
/// done are done by the core itself.
pub(crate) struct Handover {
    keeper: mpsc::Sender<Job>,
    keeping: Arc<Keeping>,
    /// In order, each with its place in the keeper's queue.
    jobs: RefCell<Vec<(OwnedPermit<Job>, Job)>>,
    /// Since when somebody else was at work whenever these could have been done.
    waits_since: Cell<Option<Instant>>,
}

/// What became of a job.
pub(crate) enum Put {
    Taken,
    /// The keeper's queue is full: nothing was taken.
    Full(Box<Job>),
    /// The keeper has ended, as the broker is about to.
    Gone,
}

impl Handover {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Handover {
            keeper: shared.keeper.clone(),
            keeping: shared.keeping.clone(),
            jobs: RefCell::default(),
            waits_since: Cell::default(),
        }
    }

    /// Takes a job that leaves at the end of the turn.
    pub(crate) fn put(core: &Rc<Core<Resp>>, job: Job) -> Put {
        let handover = &core.local().handover;
        let count = match handover.keeper.clone().try_reserve_owned() {
            Ok(place) => handover.gather(place, job),
            Err(TrySendError::Full(_)) => return Put::Full(Box::new(job)),
            Err(TrySendError::Closed(_)) => return Put::Gone,
        };
        if count < JOBS_GATHERED_MAX {
            core.end_turn_soon();
        } else {
            handover.hand_over();
        }
        Put::Taken
    }

    fn gather(&self, place: OwnedPermit<Job>, job: Job) -> usize {
        let mut jobs = self.jobs.borrow_mut();
        jobs.push((place, job));
        jobs.len()
    }

    /// Sends a job at once, behind those that are here, and waits for a place if there is none.
    pub(crate) async fn send(&self, job: Job) -> Result<(), SendError<Job>> {
        self.hand_over();
        self.keeper.send(job).await
    }

    /// What is here is done, stays for the next turn, or goes to the keeper.
    pub(crate) fn end_turn(core: &Rc<Core<Resp>>) {
        let handover = &core.local().handover;
        if handover.jobs.borrow().is_empty() {
            return;
        }
        let beside = handover.keeping.do_here(core.id(), &mut handover.jobs.borrow_mut());
        match beside {
            Beside::Done { answers, wait } => {
                handover.waits_since.set(None);
                answers.into_iter().for_each(|answer| wire::answered(core, answer));
                if core.shared().stays_awake && wait.min(core.peers()) >= AWAKE_WAITS_MIN {
                    core.stay_awake(Instant::now() + AWAKE_FOR);
                }
            }
            Beside::Busy if handover.may_wait() => core.end_turn_soon(),
            Beside::Busy | Beside::Refused => handover.hand_over(),
        }
    }

    /// Whether what is here may wait for another turn. Who blocks is known as such already, and is to be before whoever sees that.
    fn may_wait(&self) -> bool {
        let since = self.waits_since.get().unwrap_or_else(Instant::now);
        self.waits_since.set(Some(since));
        since.elapsed() < AT_WORK_MAX && !self.jobs.borrow().iter().any(|(_, job)| job.task.blocks())
    }

    /// What is here goes to the keeper: who asks for something from here on finds it done.
    pub(crate) fn hand_over(&self) {
        self.waits_since.set(None);
        self.jobs.borrow_mut().drain(..).for_each(|(place, job)| drop(place.send(job)));
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.hand_over();
    }
}
