use std::{collections::VecDeque, sync::Arc};

use tokio::time::Instant;

use crate::limits::RETURNING_PATIENCE;

type Channels = VecDeque<(Arc<str>, Instant)>;

/// Channels in which the server has ended a subscription that the client begins again by itself, and when. Until then what only
/// subscribers may do there is refused for now, and not for good; but not for long, since a client can give it up without a
/// word. While there are none, no room is kept for them.
#[derive(Default)]
pub(super) struct Returning(Option<Box<Channels>>);

impl Returning {
    /// At most so many: the first is forgotten.
    pub(super) fn add(&mut self, channel: Arc<str>, most: usize) {
        self.remove(&channel);
        let channels = self.0.get_or_insert_default();
        if channels.len() >= most {
            channels.pop_front();
        }
        channels.push_back((channel, Instant::now()));
    }

    pub(super) fn remove(&mut self, channel: &str) {
        if let Some(channels) = &mut self.0 {
            channels.retain(|(name, since)| **name != *channel && is_expected(*since));
        }
        self.0.take_if(|channels| channels.is_empty());
    }

    pub(super) fn has(&self, channel: &str) -> bool {
        let mut channels = self.0.iter().flat_map(|channels| channels.iter());
        channels.any(|(name, since)| **name == *channel && is_expected(*since))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

fn is_expected(since: Instant) -> bool {
    since.elapsed() < RETURNING_PATIENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_channel_returns_until_it_is_there_and_not_for_ever_and_of_too_many_the_last() {
        let mut returning = Returning::default();
        for channel in ["a", "b", "a"] {
            returning.add(channel.into(), 2);
        }
        assert!(returning.has("a") && returning.has("b") && !returning.has("c"));
        returning.add("c".into(), 2);
        assert!(returning.has("a") && !returning.has("b") && returning.has("c"));
        returning.remove("a");
        assert!(!returning.has("a") && returning.has("c"));
        tokio::time::advance(RETURNING_PATIENCE).await;
        assert!(!returning.has("c"));
        returning.remove("a");
        assert!(returning.is_empty(), "what is over takes no room once something else happens");
    }
}
