use std::collections::HashSet;

use ahash::RandomState;
use bytes::Bytes;
use naru_fanout::{Space, Topic};

/// What one client is subscribed to. Takes no room while that is nothing.
#[derive(Default)]
pub(crate) struct Subscriptions(Option<Box<Sets>>);

#[derive(Default)]
struct Sets {
    channels: HashSet<Bytes, RandomState>,
    shard_channels: HashSet<Bytes, RandomState>,
    patterns: HashSet<Bytes, RandomState>,
}

impl Sets {
    fn of(&mut self, topic: &Topic) -> &mut HashSet<Bytes, RandomState> {
        match topic {
            Topic::Channel(_) => &mut self.channels,
            Topic::ShardChannel(_) => &mut self.shard_channels,
            Topic::Pattern(_) => &mut self.patterns,
        }
    }
}

impl Subscriptions {
    /// False if it was there.
    pub(crate) fn add(&mut self, topic: &Topic) -> bool {
        self.0.get_or_insert_default().of(topic).insert(topic.name().clone())
    }

    /// False if it was not there.
    pub(crate) fn forget(&mut self, topic: &Topic) -> bool {
        let known = self.0.as_mut().is_some_and(|sets| sets.of(topic).remove(topic.name()));
        if self.is_empty() {
            self.0 = None;
        }
        known
    }

    pub(crate) fn channels(&self) -> impl ExactSizeIterator<Item = Topic> {
        topics(self.0.as_ref().map(|sets| &sets.channels), Topic::Channel)
    }

    pub(crate) fn shard_channels(&self) -> impl ExactSizeIterator<Item = Topic> {
        topics(self.0.as_ref().map(|sets| &sets.shard_channels), Topic::ShardChannel)
    }

    pub(crate) fn patterns(&self) -> impl ExactSizeIterator<Item = Topic> {
        topics(self.0.as_ref().map(|sets| &sets.patterns), Topic::Pattern)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.channels().len() + self.shard_channels().len() + self.patterns().len() == 0
    }

    /// What a confirmation counts: shard channels apart from the rest.
    pub(crate) fn counted(&self, space: Space) -> usize {
        match space {
            Space::Channels => self.channels().len() + self.patterns().len(),
            Space::ShardChannels => self.shard_channels().len(),
        }
    }
}

fn topics(
    names: Option<&HashSet<Bytes, RandomState>>,
    topic: fn(Bytes) -> Topic,
) -> impl ExactSizeIterator<Item = Topic> {
    names.map(HashSet::iter).unwrap_or_default().cloned().map(topic)
}
