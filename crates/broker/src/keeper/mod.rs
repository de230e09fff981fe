//! The keeper: whatever is stored, and one thread at a time that is at it. Cores send it jobs; it runs them in order,
//! records what they change in the log, and lets their replies leave once that is on disk.
//!
//! One message's way: [`Job`] → `keeping` (who does it) → `turn` (a batch of jobs) → `streams`, `lists`, `ledger` or `channels` (the operation) → `store` (the
//! change is recorded and applied, by `apply`; bodies are written and read in `journal`) → `held` (until the record is
//! durable) → the reply goes to the client's core, the
//! message to the servers that hold its recipients.

mod ahead;
mod apply;
mod blocked;
mod change;
mod channels;
mod checkpoint;
mod clock;
mod counts;
mod expiry;
mod held;
mod journal;
mod keeping;
mod keys;
mod ledger;
mod level;
mod lists;
mod load;
mod reclaim;
mod salvage;
mod short;
mod start;
mod store;
mod streams;
mod strings;
mod transaction;
mod turn;
mod upkeep;
mod usage;
mod verify;
mod watches;

use std::sync::Arc;

use bytes::Bytes;
use naru_fanout::{CoreId, PeerId};
use naru_resp::Version;
use naru_store::Backup;
use tokio::sync::oneshot;

use crate::{profile::Profile, replies::Ticket, transaction::Execution};

pub(crate) use counts::{KeyCounts, LedgerCounts};
pub(crate) use keeping::{Beside, Keeping};
pub(crate) use keys::{Condition, Deadline, KeyOp, Scan};
pub(crate) use lists::{ListOp, NoInteger, Search};
#[cfg(feature = "laws")]
pub use load::law::hold_stored;
pub use salvage::{Report, SalvageError, salvage};
pub(crate) use start::Keeper;
pub use start::Storage;
pub(crate) use streams::{
    After, BadArgument, Claim, ClaimNext, Delivered, GroupOp, PendingRange, ReadGroup, SetId, StreamOp,
};
pub(crate) use strings::{Existing, Expiry, NoTime, SetOp, TextOp};
pub use verify::{Verification, verify};

/// One thing for the keeper to do.
pub(crate) struct Job {
    pub(crate) asker: Asker,
    pub(crate) task: Task,
}

/// Who wants something done, and where the reply goes.
#[derive(Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) client: PeerId,
    pub(crate) core: CoreId,
    pub(crate) version: Version,
    /// The place of the reply; none if there is none.
    pub(crate) ticket: Option<Ticket>,
}

impl Job {
    /// Ends what is held for a client.
    pub(crate) fn gone(client: PeerId) -> Job {
        Job::unanswered(client, Task::Gone)
    }

    /// Begins a copy for a client, and hands it over.
    pub(crate) fn backup(client: PeerId, begun: oneshot::Sender<Backup>) -> Job {
        Job::unanswered(client, Task::Backup(begun))
    }

    fn unanswered(client: PeerId, task: Task) -> Job {
        Job { asker: Asker { client, core: CoreId(0), version: Version::Resp2, ticket: None }, task }
    }
}

/// What to do.
pub(crate) enum Task {
    /// What a command asks for.
    Do(Op),
    /// A transaction: all of it at once, or nothing if a key that the client watches has changed.
    Exec(Box<Execution>),
    /// From here on changes of these keys are noted for the client.
    Watch { keys: Vec<Bytes>, profile: Arc<Profile> },
    /// No longer. This is the reply.
    Unwatch(Vec<u8>),
    /// Begins a copy of all that has been done, once it is durable.
    Backup(oneshot::Sender<Backup>),
    /// The client has gone: its blocked command ends, what it watches is forgotten, and if it was a chat server, its
    /// routes end.
    Gone,
}

impl Task {
    /// Whether its answer may take as long as it likes, so that its client is not read meanwhile.
    pub(crate) fn blocks(&self) -> bool {
        match self {
            Task::Do(Op::Stream(op)) => op.blocks(),
            Task::Do(Op::List(op)) => op.blocks(),
            _ => false,
        }
    }
}

/// What a command asks for.
pub(crate) enum Op {
    Keys(KeyOp),
    Stream(StreamOp),
    List(ListOp),
    Text(TextOp),
    /// Deletes all keys.
    Flush,
    Ledger(LedgerOp),
    Channel(Box<naru_ledger::channel::Op>),
    /// How many bytes of memory a key takes.
    Usage {
        key: Bytes,
    },
    /// Ends the blocked command of a client.
    Unblock {
        client: PeerId,
        with: Unblocked,
    },
}

/// What a blocked command gets that somebody has ended (`CLIENT UNBLOCK`).
#[derive(Clone, Copy)]
pub(crate) enum Unblocked {
    /// As if its time were up.
    Nothing,
    Error,
}

/// What is asked of the ledger.
pub(crate) enum LedgerOp {
    Op(naru_ledger::Op),
    /// Has all numbers jump ahead: the newest records may be missing.
    Generation,
}
