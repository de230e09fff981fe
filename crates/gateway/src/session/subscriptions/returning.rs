use std::{collections::VecDeque, sync::Arc};

use crate::limits::RETURNING_MAX;

/// Channels in which the server has ended a subscription that the client begins again by itself. Until then what only
/// subscribers may do there is refused for now, and not for good. While there are none, no room is kept for them.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "it takes a pointer where there is none")]
pub(super) struct Returning(Option<Box<VecDeque<Arc<str>>>>);

impl Returning {
    /// Of too many the first is forgotten.
    pub(super) fn add(&mut self, channel: Arc<str>) {
        self.remove(&channel);
        let names = self.0.get_or_insert_default();
        if names.len() == RETURNING_MAX {
            names.pop_front();
        }
        names.push_back(channel);
    }

    pub(super) fn remove(&mut self, channel: &str) {
        if let Some(names) = &mut self.0 {
            names.retain(|name| **name != *channel);
        }
        self.0.take_if(|names| names.is_empty());
    }

    pub(super) fn has(&self, channel: &str) -> bool {
        self.0.iter().flat_map(|names| names.iter()).any(|name| **name == *channel)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_expected_until_it_is_there_and_of_too_many_the_last() {
        let mut returning = Returning::default();
        for channel in ["a", "b", "a"] {
            returning.add(channel.into());
        }
        assert!(returning.has("a") && returning.has("b") && !returning.has("c"));
        returning.remove("a");
        assert!(!returning.has("a") && returning.has("b"));
        (0..RETURNING_MAX).for_each(|number| returning.add(number.to_string().into()));
        assert!(!returning.has("b") && returning.has("0"));
        (0..RETURNING_MAX).for_each(|number| returning.remove(&number.to_string()));
        assert!(returning.is_empty());
    }
}
