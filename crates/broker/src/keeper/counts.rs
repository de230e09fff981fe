use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use naru_ledger::Epoch;
use parking_lot::Mutex;

use super::store::Store;
use crate::{channels::ChannelTotals, ledger::Totals};

/// How many keys the keeper has, for others to read.
#[derive(Default)]
pub(crate) struct KeyCounts {
    keys: AtomicUsize,
    expiring: AtomicUsize,
    expired: AtomicU64,
    log_bytes: AtomicU64,
    syncs: AtomicU64,
    sync_nanos: AtomicU64,
    ledger: Mutex<Option<LedgerCounts>>,
    channels: Mutex<ChannelTotals>,
}

/// How much there is of conversations and inboxes, and whose they are.
#[derive(Clone)]
pub(crate) struct LedgerCounts {
    pub(crate) epoch: Epoch,
    pub(crate) generation: u32,
    pub(crate) totals: Totals,
}

impl KeyCounts {
    pub(super) fn note(&self, store: &Store) {
        self.keys.store(store.keyspace.len(), Ordering::Relaxed);
        self.expiring.store(store.keyspace.expiring(), Ordering::Relaxed);
        self.expired.store(store.expired, Ordering::Relaxed);
        self.log_bytes.store(store.log_bytes, Ordering::Relaxed);
        let (syncs, took) = store.journal.syncs();
        self.syncs.store(syncs, Ordering::Relaxed);
        self.sync_nanos.store(took.as_nanos() as u64, Ordering::Relaxed);
        if let Some(mut channels) = self.channels.try_lock() {
            *channels = ChannelTotals { present: store.present.count(), ..store.channels.totals() };
        }
        let (head, totals) = (store.ledger.head(), store.ledger.totals());
        // Nobody waits for who reads it.
        if let Some(mut ledger) = self.ledger.try_lock() {
            *ledger = Some(LedgerCounts { epoch: head.epoch.clone(), generation: head.generation.0, totals });
        }
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

    /// Bytes that the log's files take, a moment ago.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    /// How often the log was synced since the start, and how long all of that took.
    pub(crate) fn syncs(&self) -> (u64, Duration) {
        (self.syncs.load(Ordering::Relaxed), Duration::from_nanos(self.sync_nanos.load(Ordering::Relaxed)))
    }

    /// How much there is of channels that keep something, and in them.
    pub(crate) fn channels(&self) -> ChannelTotals {
        *self.channels.lock()
    }

    /// None before the keeper has taken a turn.
    pub(crate) fn ledger(&self) -> Option<LedgerCounts> {
        self.ledger.lock().clone()
    }
}
