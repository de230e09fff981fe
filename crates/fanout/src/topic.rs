use std::sync::Arc;

use bytes::Bytes;

/// A name space of channels: the same name in two of them is two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Channels, which patterns match too.
    Channels,
    /// Shard channels (`SSUBSCRIBE`).
    ShardChannels,
}

/// A channel's name as it is kept, once for the directory and all cores.
pub(crate) type Name = Arc<[u8]>;

/// What one can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// One channel, by its exact name.
    Channel(Bytes),
    /// One shard channel: a name space of its own, that patterns do not see.
    ShardChannel(Bytes),
    /// Every channel that the glob pattern matches (see [`matches`](crate::matches)).
    Pattern(Bytes),
}

impl Topic {
    /// The name space it is about; a pattern is about channels.
    pub fn space(&self) -> Space {
        match self {
            Topic::Channel(_) | Topic::Pattern(_) => Space::Channels,
            Topic::ShardChannel(_) => Space::ShardChannels,
        }
    }

    /// The channel name or the pattern.
    pub fn name(&self) -> &Bytes {
        match self {
            Topic::Channel(name) | Topic::ShardChannel(name) | Topic::Pattern(name) => name,
        }
    }
}
