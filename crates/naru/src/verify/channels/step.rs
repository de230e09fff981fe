//! What happens to channels that keep their publications, said without what came before.

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub(in crate::verify) enum Step {
    /// One thing is asked.
    Ask(Asked, Fault),
    /// Two things are asked at the same time, on two connections.
    Together(Asked, Asked),
    /// One thing is asked that is over in a moment, and the moment passes.
    Brief(Asked, Brief),
    /// The store may have lost its newest records; only where a store can be told so.
    Raise,
    /// The store is killed and starts again; only where it can be.
    Restart,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) enum Fault {
    None,
    /// The answer does not arrive, and it is asked again.
    Lost,
    /// It is asked on two connections at the same time.
    Twice,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::verify) enum Asked {
    Publish {
        at: usize,
        /// Tells it from others.
        number: usize,
        bytes: usize,
        size: u32,
        /// Which of a few keys.
        once: Option<usize>,
        /// Its number, and which of a few it is of.
        version: Option<(u64, &'static str)>,
    },
    History {
        at: usize,
        since: Option<u64>,
        limit: Option<u32>,
        bytes: Option<u64>,
        reverse: bool,
    },
    Remove {
        at: usize,
    },
}

/// What is short of what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) enum Brief {
    /// What is kept.
    Kept,
    /// Where the channel stands.
    Remembered,
    /// That a repeat is one.
    Once,
}
