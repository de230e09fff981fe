use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use naru_fanout::Core;
use tokio::sync::mpsc::{
    self, OwnedPermit,
    error::{SendError, TrySendError},
};

use crate::{
    keeper::{Job, Keeping},
    limits::{JOBS_GATHERED_MAX, JOBS_GATHERED_TURNS_MAX},
    wire::{self, Resp, Shared},
};

/// A core's jobs on their way to the keeper. They leave together at the end of the core's turn, or some turns later if
/// more are coming in, or when they are enough to keep the keeper busy: so it is woken once for all of them, and records
/// them together. A few that are soon done are done by the core itself.
pub(crate) struct Handover {
    keeper: mpsc::Sender<Job>,
    keeping: Arc<Keeping>,
    /// In order, each with its place in the keeper's queue.
    jobs: RefCell<Vec<(OwnedPermit<Job>, Job)>>,
    left: Left,
    /// The log has told this core that more is durable.
    is_recorded: Cell<bool>,
}

/// Whether jobs are left for one more turn, since others have joined them in this one: the log is then asked once for all.
#[derive(Default)]
struct Left {
    jobs: Cell<usize>,
    turns: Cell<usize>,
}

impl Left {
    /// Whether so many are left at the end of a turn. What nobody joins is left once.
    fn for_more(&self, jobs: usize) -> bool {
        let waits = jobs > self.jobs.get() && self.turns.get() < JOBS_GATHERED_TURNS_MAX;
        self.jobs.set(if waits { jobs } else { 0 });
        self.turns.set(if waits { self.turns.get() + 1 } else { 0 });
        waits
    }
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
            left: Left::default(),
            is_recorded: Cell::default(),
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
            handover.leave();
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
        self.leave();
        self.keeper.send(job).await
    }

    /// More is durable: what may leave now does so at the end of the turn, when what is here goes to the log.
    pub(crate) fn recorded(core: &Rc<Core<Resp>>) {
        core.local().handover.is_recorded.set(true);
        core.end_turn_soon();
    }

    /// What is here is done, or goes to the keeper.
    pub(crate) fn end_turn(core: &Rc<Core<Resp>>) {
        let handover = &core.local().handover;
        let is_recorded = handover.is_recorded.take();
        // A core that will soon be gone has nothing wait in it, and is not told of anything any more.
        let is_stopping = core.is_stopping();
        if !is_recorded && !is_stopping && handover.left.for_more(handover.jobs.borrow().len()) {
            return core.end_turn_soon();
        }
        let answers = if is_stopping {
            None
        } else {
            handover.keeping.do_here(core.id(), &mut handover.jobs.borrow_mut())
        };
        if let Some(answers) = answers {
            return answers.into_iter().for_each(|answer| wire::answered(core, answer));
        }
        handover.leave();
        if is_recorded {
            handover.keeping.look();
        }
    }

    /// The core is about to end: what it was to be told of, the keeper's thread sees to from here on.
    pub(crate) fn stop(core: &Rc<Core<Resp>>) {
        core.local().handover.keeping.look();
    }

    /// What is here goes to the keeper.
    pub(crate) fn leave(&self) {
        self.jobs.borrow_mut().drain(..).for_each(|(place, job)| drop(place.send(job)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_wait_while_others_join_them_and_not_for_ever() {
        let left = Left::default();
        assert!(left.for_more(1));
        assert!(!left.for_more(1), "nobody joined");
        assert!(left.for_more(1), "the next one waits as the first");
        assert!(left.for_more(2));
        assert!(!left.for_more(2));
        let turns = (1..).take_while(|jobs| left.for_more(*jobs)).count();
        assert_eq!(turns, JOBS_GATHERED_TURNS_MAX);
        assert!(!left.for_more(0));
    }
}
