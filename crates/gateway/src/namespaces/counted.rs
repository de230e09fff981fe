//! What is published in the channels of a namespace.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Publications by clients and by the server API that the broker has taken. Each of them has been to the broker and back, so
/// all cores count in one place.
#[derive(Debug, Default)]
pub(crate) struct Published {
    count: AtomicU64,
    bytes: AtomicU64,
}

/// What is copied are settings; the copy has counted nothing.
impl Clone for Published {
    fn clone(&self) -> Published {
        Published::default()
    }
}

impl Published {
    /// One more.
    pub(crate) fn add(&self, bytes: usize) {
        self.count.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(super) fn count_on(&self, from: &Published) {
        self.count.fetch_add(from.count(), Relaxed);
        self.bytes.fetch_add(from.bytes(), Relaxed);
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
        before.find("one:a").unwrap().namespace().published.add(5);
        before.find("two:a").unwrap().namespace().published.add(7);
        before.find("a").unwrap().namespace().published.add(1);
        let after = namespaces(&["three", "two"]);
        after.count_on(&before);
        let counted: Vec<_> = after.counted().map(|(name, it)| (name, it.count(), it.bytes())).collect();
        assert_eq!(counted, [("", 1, 1), ("three", 0, 0), ("two", 1, 7)]);
    }
}
