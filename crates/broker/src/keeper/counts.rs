use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::store::Store;

/// How many keys the keeper has, for others to read.
#[derive(Default)]
pub(crate) struct KeyCounts {
    keys: AtomicUsize,
    expiring: AtomicUsize,
    expired: AtomicU64,
}

impl KeyCounts {
    pub(super) fn note(&self, store: &Store) {
        self.keys.store(store.keyspace.len(), Ordering::Relaxed);
        self.expiring.store(store.keyspace.expiring(), Ordering::Relaxed);
        self.expired.store(store.expired, Ordering::Relaxed);
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Those that go away by themselves.
    pub(crate) fn expiring(&self) -> usize {
        self.expiring.load(Ordering::Relaxed)
    }

    /// Those that have gone away by themselves since the start.
    pub(crate) fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }
}
