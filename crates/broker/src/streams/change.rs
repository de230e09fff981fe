use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::StreamId;
use crate::keyspace::Body;

/// A change of a stream. The order of the variants and of their fields is the format of the log: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StreamChange {
    /// An entry was added; the stream is made if it is not there.
    Added { id: StreamId, body: Body },
    /// These entries were deleted.
    Deleted { ids: Vec<StreamId> },
    /// All entries up to this one, itself included, were deleted.
    Trimmed { through: StreamId },
    /// What it knows of its past was set; the stream is made if it is not there.
    Set { last: StreamId, added: Option<u64>, deleted_max: Option<StreamId> },
    /// Something of a consumer group changed.
    Group { group: Bytes, change: GroupChange },
    /// The body of an entry stands elsewhere now.
    Moved { id: StreamId, body: Body },
}

/// A change of a consumer group. Times are in Unix milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum GroupChange {
    /// It was made, and the stream if it was not there.
    Created(Progress),
    Destroyed,
    /// How far it has read was set.
    Moved(Progress),
    ConsumerCreated {
        consumer: Bytes,
        at: u64,
    },
    /// A consumer and all that was pending for it were deleted.
    ConsumerDeleted {
        consumer: Bytes,
    },
    /// Entries were delivered to a consumer for the first time, which takes the group so far. They are pending, unless
    /// nobody is to acknowledge them.
    Delivered {
        consumer: Bytes,
        at: u64,
        ids: Vec<StreamId>,
        are_pending: bool,
        progress: Progress,
    },
    /// Entries are pending for a consumer, or pending again, and were delivered when and as often as it says.
    Assigned {
        consumer: Bytes,
        at: u64,
        entries: Vec<Assigned>,
        is_claim: bool,
    },
    /// Entries are no longer pending: they are acknowledged, or gone.
    Settled {
        ids: Vec<StreamId>,
    },
}

/// How far a group has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The last entry delivered.
    pub(crate) last: StreamId,
    /// How many entries there have been up to there, if that is known.
    pub(crate) read: Option<u64>,
}

/// A pending entry, as it is from now on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Assigned {
    pub(crate) id: StreamId,
    pub(crate) at: u64,
    pub(crate) count: u32,
}

impl StreamChange {
    /// Whether it makes a stream that is not there.
    pub(crate) fn creates(&self) -> bool {
        matches!(
            self,
            StreamChange::Added { .. }
                | StreamChange::Set { .. }
                | StreamChange::Group { change: GroupChange::Created(_), .. }
        )
    }
}
