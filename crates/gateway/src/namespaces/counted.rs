//! What is published in the channels of a namespace, and how many hear it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What has been in a namespace's channels. Each publication has been to the broker and back, and is counted once however many hear
/// it, so all cores count in one place.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    published: AtomicU64,
    published_bytes: AtomicU64,
    delivered: AtomicU64,
}

/// What is copied are settings; the copy has counted nothing.
impl Clone for Counted {
    fn clone(&self) -> Counted {
        Counted::default()
    }
}

impl Counted {
    /// A client or the server API has published so many bytes, and the broker has taken them.
    pub(crate) fn published(&self, bytes: usize) {
        self.published.fetch_add(1, Relaxed);
        self.published_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Something goes to so many sessions of this server.
    pub(crate) fn delivered(&self, receivers: usize) {
        self.delivered.fetch_add(receivers as u64, Relaxed);
    }

    pub(crate) fn publications(&self) -> u64 {
        self.published.load(Relaxed)
    }

    pub(crate) fn published_bytes(&self) -> u64 {
        self.published_bytes.load(Relaxed)
    }

    pub(crate) fn deliveries(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    pub(super) fn count_on(&self, from: &Counted) {
        self.published.fetch_add(from.publications(), Relaxed);
        self.published_bytes.fetch_add(from.published_bytes(), Relaxed);
        self.delivered.fetch_add(from.deliveries(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Namespaces, Settings};

    fn namespaces(names: &[&str]) -> Namespaces {
        let list: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        serde_json::from_value::<Settings>(json!({"namespaces": list})).unwrap().into()
    }

    #[test]
    fn namespaces_that_are_there_again_count_on() {
        let before = namespaces(&["one", "two"]);
        before.find("one:a").unwrap().namespace().counted.published(5);
        before.find("two:a").unwrap().namespace().counted.published(7);
        before.find("a").unwrap().namespace().counted.published(1);
        before.find("two:a").unwrap().namespace().counted.delivered(3);
        let after = namespaces(&["three", "two"]);
        after.count_on(&before);
        let counted: Vec<_> = after
            .counted()
            .map(|(name, it)| (name, it.publications(), it.published_bytes(), it.deliveries()))
            .collect();
        assert_eq!(counted, [("", 1, 1, 0), ("three", 0, 0, 0), ("two", 1, 7, 3)]);
    }
}
