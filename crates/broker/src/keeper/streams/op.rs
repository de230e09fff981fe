use std::time::Duration;

use bytes::Bytes;

use crate::streams::{IdRequest, InvalidId, StreamId, Trim};

/// What a command on streams asks for. Where an argument is a `Result`, Redis looks at the key first, and an error waits
/// until then.
pub(crate) enum StreamOp {
    Add {
        key: Bytes,
        id: IdRequest,
        /// Fields and values, encoded.
        body: Bytes,
        trim: Option<Trim>,
        create: bool,
    },
    Len {
        key: Bytes,
    },
    Range {
        key: Bytes,
        start: StreamId,
        end: StreamId,
        count: Option<usize>,
        reverse: bool,
    },
    /// `block`: wait if there is nothing; for ever if it holds no time.
    Read {
        streams: Vec<(Bytes, Result<After, BadArgument>)>,
        count: Option<usize>,
        block: Option<Option<Duration>>,
    },
    ReadGroup {
        read: ReadGroup,
        block: Option<Option<Duration>>,
    },
    Trim {
        key: Bytes,
        trim: Trim,
    },
    Delete {
        key: Bytes,
        ids: Result<Vec<StreamId>, InvalidId>,
    },
    SetId {
        key: Bytes,
        set: SetId,
    },
    Ack {
        key: Bytes,
        group: Bytes,
        ids: Result<Vec<StreamId>, InvalidId>,
    },
    Group {
        key: Bytes,
        group: Bytes,
        op: GroupOp,
    },
    PendingSummary {
        key: Bytes,
        group: Bytes,
    },
    Pending {
        key: Bytes,
        group: Bytes,
        range: PendingRange,
    },
    Claim {
        key: Bytes,
        group: Bytes,
        consumer: Bytes,
        claim: Result<Claim, BadArgument>,
    },
    ClaimNext {
        key: Bytes,
        group: Bytes,
        consumer: Bytes,
        claim: ClaimNext,
    },
    /// `full`: with entries, groups and what is pending, so many of each; all for 0.
    Info {
        key: Bytes,
        full: Result<Option<usize>, BadArgument>,
    },
    InfoGroups {
        key: Bytes,
    },
    InfoConsumers {
        key: Bytes,
        group: Bytes,
    },
}

impl StreamOp {
    /// Whether its answer may take as long as it likes.
    pub(in crate::keeper) fn blocks(&self) -> bool {
        matches!(self, StreamOp::Read { block: Some(_), .. } | StreamOp::ReadGroup { block: Some(_), .. })
    }
}

/// What is wrong about an argument, as the client is told.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", String::from_utf8_lossy(.0))]
pub(crate) struct BadArgument(pub(crate) Vec<u8>);

/// From where XREAD reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    Id(StreamId),
    /// `$`: what is added from now on.
    Last,
    /// `+`: the newest entry there is.
    BeforeNewest,
}

/// XREADGROUP.
pub(crate) struct ReadGroup {
    pub(crate) group: Bytes,
    pub(crate) consumer: Bytes,
    /// Each with the id that what is pending is read after, or none for what is new (`>`).
    pub(crate) streams: Vec<(Bytes, Result<Option<StreamId>, BadArgument>)>,
    pub(crate) count: Option<usize>,
    /// What is delivered is not pending.
    pub(crate) noack: bool,
}

/// XSETID.
pub(crate) struct SetId {
    pub(crate) last: StreamId,
    pub(crate) added: Option<u64>,
    pub(crate) deleted_max: Option<StreamId>,
}

/// What XGROUP does.
pub(crate) enum GroupOp {
    Create {
        /// The last entry there is, if none is given.
        last: Result<Option<StreamId>, InvalidId>,
        read: Option<u64>,
        make_stream: bool,
    },
    SetId {
        last: Result<Option<StreamId>, InvalidId>,
        read: Option<u64>,
    },
    Destroy,
    CreateConsumer(Bytes),
    DeleteConsumer(Bytes),
}

/// Which pending entries XPENDING lists.
pub(crate) struct PendingRange {
    pub(crate) idle_min: i64,
    pub(crate) start: StreamId,
    pub(crate) end: StreamId,
    pub(crate) count: usize,
    pub(crate) consumer: Option<Bytes>,
}

/// XCLAIM.
pub(crate) struct Claim {
    pub(crate) idle_min: u64,
    pub(crate) ids: Vec<StreamId>,
    pub(crate) delivered: Delivered,
    pub(crate) count: Option<u32>,
    pub(crate) force: bool,
    pub(crate) just_ids: bool,
    pub(crate) last: StreamId,
}

/// When a claimed entry is to count as delivered.
#[derive(Clone, Copy)]
pub(crate) enum Delivered {
    Now,
    /// So many milliseconds ago.
    Ago(i64),
    /// In Unix milliseconds.
    At(i64),
}

/// XAUTOCLAIM.
pub(crate) struct ClaimNext {
    pub(crate) idle_min: u64,
    pub(crate) start: StreamId,
    pub(crate) count: usize,
    pub(crate) just_ids: bool,
}
