use super::StreamId;

/// How a stream is to be shortened from its old end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trim {
    pub(crate) keep: Keep,
    /// `~`: whole nodes only, and of those at most as many as hold this many entries (0: no limit).
    pub(crate) by_nodes: Option<u64>,
}

/// What stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The newest so many entries.
    Newest(u64),
    /// Entries from this id on.
    From(StreamId),
}

/// Entries of a node, Redis's `stream-node-max-entries`: the step in which `~` trims.
pub(crate) const NODE_ENTRIES: u64 = 100;

/// `LIMIT` of `~` when none is given: so many nodes' worth of entries, as in Redis.
pub(crate) const LIMIT_DEFAULT: u64 = 100 * NODE_ENTRIES;
