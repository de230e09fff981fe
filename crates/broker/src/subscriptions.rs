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
    /// Of all names together.
    name_bytes: usize,
}

/// What a subscription takes beside its name: the places in the client's set and in the directory.
const SUBSCRIPTION_BYTES: usize = 3 * size_of::<Bytes>();

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
        let sets = self.0.get_or_insert_default();
        let fresh = sets.of(topic).insert(topic.name().clone());
        sets.name_bytes += if fresh { topic.name().len() } else { 0 };
        fresh
    }

    /// False if it was not there.
    pub(crate) fn forget(&mut self, topic: &Topic) -> bool {
        let known = self.0.as_mut().is_some_and(|sets| {
            let known = sets.of(topic).remove(topic.name());
            sets.name_bytes -= if known { topic.name().len() } else { 0 };
            known
        });
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
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.channels().len() + self.shard_channels().len() + self.patterns().len()
    }

    /// The memory that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |sets| sets.name_bytes) + self.len() * SUBSCRIPTION_BYTES
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_weighed_once_each_and_weigh_nothing_once_they_are_gone() {
        let mut subscriptions = Subscriptions::default();
        let topics =
            [Topic::Channel("abc".into()), Topic::Pattern("abc".into()), Topic::ShardChannel("d".into())];
        for topic in topics.iter().chain(&topics) {
            subscriptions.add(topic);
        }
        assert_eq!(subscriptions.bytes(), 7 + 3 * SUBSCRIPTION_BYTES);
        for topic in topics.iter().chain(&topics) {
            subscriptions.forget(topic);
        }
        assert_eq!(subscriptions.bytes(), 0);
    }
}
