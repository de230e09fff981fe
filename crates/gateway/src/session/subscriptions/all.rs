use std::{collections::HashMap, sync::Arc};

use super::Subscription;
use crate::keyed::Keyed;

type ByName = HashMap<Arc<str>, Subscription, Keyed>;

/// Subscriptions by name. While there are none, no room is kept for them.
#[derive(Default)]
pub(super) struct All(Option<Box<ByName>>);

impl All {
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.len())
    }

    pub(super) fn get(&self, channel: &str) -> Option<&Subscription> {
        self.0.as_ref()?.get(channel)
    }

    pub(super) fn get_mut(&mut self, channel: &str) -> Option<&mut Subscription> {
        self.0.as_mut()?.get_mut(channel)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Subscription)> {
        self.0.iter().flat_map(|all| all.iter())
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Subscription> {
        self.0.iter_mut().flat_map(|all| all.values_mut())
    }

    pub(super) fn insert(&mut self, channel: Arc<str>, subscription: Subscription) -> Option<Subscription> {
        self.0.get_or_insert_default().insert(channel, subscription)
    }

    pub(super) fn remove(&mut self, channel: &str) -> Option<Subscription> {
        let removed = self.0.as_mut()?.remove(channel);
        self.0.take_if(|all| all.is_empty());
        removed
    }
}

impl IntoIterator for All {
    type Item = (Arc<str>, Subscription);
    type IntoIter = std::iter::Flatten<std::option::IntoIter<ByName>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|all| *all).into_iter().flatten()
    }
}
