use std::{collections::HashMap, sync::Arc};

use super::{Subscription, returning::Returning};
use crate::keyed::Keyed;

type ByName = HashMap<Arc<str>, Subscription, Keyed>;

/// Subscriptions by name, and those that have ended and are about to begin again. While there are none, no room is kept for them.
#[derive(Default)]
pub(super) struct All(Option<Box<Channels>>);

#[derive(Default)]
struct Channels {
    subscribed: ByName,
    returning: Returning,
}

impl All {
    pub(super) fn len(&self) -> usize {
        self.subscribed().map_or(0, HashMap::len)
    }

    pub(super) fn get(&self, channel: &str) -> Option<&Subscription> {
        self.subscribed()?.get(channel)
    }

    pub(super) fn get_mut(&mut self, channel: &str) -> Option<&mut Subscription> {
        self.0.as_mut()?.subscribed.get_mut(channel)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Subscription)> {
        self.subscribed().into_iter().flatten()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Subscription> {
        self.0.iter_mut().flat_map(|all| all.subscribed.values_mut())
    }

    pub(super) fn insert(&mut self, channel: Arc<str>, subscription: Subscription) -> Option<Subscription> {
        self.0.get_or_insert_default().subscribed.insert(channel, subscription)
    }

    pub(super) fn remove(&mut self, channel: &str) -> Option<Subscription> {
        let removed = self.0.as_mut()?.subscribed.remove(channel);
        self.tidy();
        removed
    }

    /// The client is about to subscribe again; at most so many are noted.
    pub(super) fn returns(&mut self, channel: &str, most: usize) {
        self.0.get_or_insert_default().returning.add(channel.into(), most);
    }

    pub(super) fn is_returning(&self, channel: &str) -> bool {
        self.0.as_ref().is_some_and(|all| all.returning.has(channel))
    }

    /// It has done so, or will not.
    pub(super) fn returns_no_more(&mut self, channel: &str) {
        if let Some(all) = &mut self.0 {
            all.returning.remove(channel);
            self.tidy();
        }
    }

    fn subscribed(&self) -> Option<&ByName> {
        self.0.as_ref().map(|all| &all.subscribed)
    }

    fn tidy(&mut self) {
        self.0.take_if(|all| all.subscribed.is_empty() && all.returning.is_empty());
    }
}

impl IntoIterator for All {
    type Item = (Arc<str>, Subscription);
    type IntoIter = std::iter::Flatten<std::option::IntoIter<ByName>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|all| all.subscribed).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_subscriber_has_takes_little() {
        // What the allocator gives for the names alone.
        assert!(size_of::<Channels>() <= 40);
    }
}
