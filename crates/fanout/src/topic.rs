use bytes::Bytes;

/// What one can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// One channel, by its exact name.
    Channel(Bytes),
    /// Every channel that the glob pattern matches (see [`matches`](crate::matches)).
    Pattern(Bytes),
}

impl Topic {
    /// The channel name or the pattern.
    pub fn name(&self) -> &Bytes {
        match self {
            Topic::Channel(name) | Topic::Pattern(name) => name,
        }
    }
}
