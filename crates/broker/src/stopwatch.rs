use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::command::Called;

/// Brief commands that are timed together at most.
const RUN_MAX: u32 = 16;

/// How long commands take. Reading the clock costs a tenth of what a PUBLISH does, so brief commands of one kind that
/// follow each other are a *run*: timed together, and each is taken to have had the same share.
pub(crate) struct Stopwatch {
    lap: Cell<Instant>,
    run: Cell<Option<Run>>,
}

/// Commands that have been executed and not been counted yet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Run {
    pub(crate) called: Called,
    pub(crate) count: u32,
}

impl Stopwatch {
    pub(crate) fn new() -> Stopwatch {
        Stopwatch { lap: Cell::new(Instant::now()), run: Cell::default() }
    }

    /// Time since this was last called: how long a command took, or a run, if it is called between them.
    pub(crate) fn lap(&self) -> Duration {
        let now = Instant::now();
        now.duration_since(self.lap.replace(now))
    }

    /// Adds a command to the run under way, or to a new one. Before it is executed, [`Stopwatch::run_before`] has to be
    /// counted.
    pub(crate) fn joins_run(&self, called: Called) {
        let count = self.run.get().map_or(0, |run| run.count);
        self.run.set(Some(Run { called, count: count + 1 }));
    }

    /// Ends the run that a command cannot join; the time that the run took is [`Stopwatch::lap`]'s to say.
    pub(crate) fn run_before(&self, called: Called) -> Option<Run> {
        let run = self.run.get()?;
        if run.called == called && run.count < RUN_MAX {
            return None;
        }
        self.run.take()
    }

    /// Ends the run under way.
    pub(crate) fn end_run(&self) -> Option<Run> {
        self.run.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_of_one_kind_and_ends_when_it_is_long() {
        let (watch, [a, b]) = (Stopwatch::new(), [1, 2].map(|number| Called { number, name: "x" }));
        let mut runs = Vec::new();
        for called in [vec![a; 20], vec![b], vec![a]].concat() {
            runs.extend(watch.run_before(called));
            watch.joins_run(called);
        }
        runs.extend(watch.end_run());
        let counts: Vec<_> = runs.iter().map(|run| (run.called.number, run.count)).collect();
        assert_eq!(counts, [(1, RUN_MAX), (1, 20 - RUN_MAX), (2, 1), (1, 1)]);
        assert_eq!(watch.end_run(), None);
    }
}
