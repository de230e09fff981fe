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
