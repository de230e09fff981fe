//! What happens in a history, said without what came before: a step means something wherever it stands, so that others can be
//! left out.

use naru_ledger::Role;

/// One thing that happens. Numbers name the cast; `back` counts entries, or the user's numbers, from the newest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Someone's server is asked for one thing.
    Ask(Asked, Fault),
    /// Two servers are asked at the same time.
    Together(Asked, Asked),
    /// A server sweeps, and finishes what it finds if it does not die.
    Sweep { server: usize, older_than: u64, dies: bool },
    /// Time passes, or the clock is set back.
    Wait { millis: i64 },
    /// The store may have lost its newest records.
    Raise,
    /// The store has lost everything.
    Empty,
    /// The store is killed and starts again; only where it can be.
    Restart,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The answer does not arrive, and it is asked again.
    Lost,
    /// It is asked on two connections at the same time.
    Twice,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    Say {
        at: usize,
        by: usize,
        id: usize,
        said: Said,
        mentions: usize,
        size: usize,
        whole: bool,
    },
    Edit {
        at: usize,
        by: usize,
        id: usize,
        back: u64,
        size: usize,
    },
    Delete {
        at: usize,
        by: usize,
        id: usize,
        back: u64,
    },
    /// The delivery of an entry that is begun, to all it is for or to a part of them.
    Deliver {
        job: usize,
        part: usize,
    },
    /// What was begun is done, whether or not it was delivered.
    Done {
        job: usize,
    },
    Member {
        room: usize,
        user: usize,
        change: Change,
    },
    Resume {
        user: usize,
        device: usize,
        from: Stands,
        limit: usize,
    },
    Changed {
        user: usize,
        device: usize,
        back: u64,
        limit: usize,
    },
    Conversations {
        user: usize,
        back: u64,
        limit: usize,
    },
    Ack {
        user: usize,
        device: usize,
        back: u64,
        within: Option<(usize, u64)>,
    },
    Read {
        user: usize,
        at: usize,
        back: u64,
    },
    Mark {
        user: usize,
        at: usize,
        back: u64,
    },
    History {
        at: usize,
        reader: Option<usize>,
        from: Pages,
        limit: usize,
        bytes: Option<usize>,
    },
    Members {
        at: usize,
        after: Option<usize>,
        limit: usize,
    },
    Server {
        server: usize,
        run: usize,
        lease: u64,
    },
    Route {
        server: usize,
        run: usize,
        user: usize,
        leaves: bool,
    },
    Presence,
    Trace {
        at: usize,
        back: u64,
        sent: Option<(usize, usize)>,
    },
    Standing {
        user: usize,
        at: usize,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Said {
    Message,
    Reaction { back: u64 },
    System,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Make,
    Join(Role),
    Leave,
    Role(Role),
}

/// Where a device says it stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stands {
    Nowhere,
    Back(u64),
    Beyond,
    InAnotherStore,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Pages {
    Newest,
    Before(u64),
    After(u64),
    FromTheStart,
}
