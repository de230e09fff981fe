use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use naru_fanout::PeerId;
use parking_lot::Mutex;

/// What other connections may learn of a client, from any core (`CLIENT LIST`).
pub(crate) struct Profile {
    pub(crate) id: PeerId,
    pub(crate) address: String,
    pub(crate) local_address: String,
    pub(crate) connected: Instant,
    pub(crate) resp: AtomicU8,
    pub(crate) channels: AtomicUsize,
    pub(crate) shard_channels: AtomicUsize,
    pub(crate) patterns: AtomicUsize,
    /// Commands queued since MULTI; -1 outside of a transaction.
    pub(crate) queued: AtomicI64,
    /// A key that it watches has changed.
    pub(crate) touched: AtomicBool,
    /// Milliseconds from `connected` to the last command.
    last_active: AtomicU64,
    pub(crate) labels: Mutex<Labels>,
}

/// What a client says of itself.
#[derive(Default)]
pub(crate) struct Labels {
    pub(crate) name: String,
    pub(crate) lib_name: String,
    pub(crate) lib_version: String,
    pub(crate) last_command: &'static str,
}

impl Profile {
    pub(crate) fn new(id: PeerId, address: String, local_address: String) -> Self {
        Profile {
            id,
            address,
            local_address,
            connected: Instant::now(),
            resp: AtomicU8::new(2),
            channels: AtomicUsize::new(0),
            shard_channels: AtomicUsize::new(0),
            patterns: AtomicUsize::new(0),
            queued: AtomicI64::new(-1),
            touched: AtomicBool::new(false),
            last_active: AtomicU64::new(0),
            labels: Mutex::default(),
        }
    }

    /// Notes that the client was heard of, once a batch of commands.
    pub(crate) fn active(&self) {
        self.last_active.store(self.connected.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Channels and patterns it is subscribed to.
    pub(crate) fn subscriptions(&self) -> usize {
        [&self.channels, &self.shard_channels, &self.patterns]
            .map(|count| count.load(Ordering::Relaxed))
            .iter()
            .sum()
    }

    /// One line of `CLIENT LIST`, without its end; the fields that exist here, in Redis 7's order.
    pub(crate) fn line(&self) -> String {
        let age = self.connected.elapsed();
        let idle = age.as_millis().saturating_sub(self.last_active.load(Ordering::Relaxed).into()) / 1000;
        let channels = self.channels.load(Ordering::Relaxed);
        let shard_channels = self.shard_channels.load(Ordering::Relaxed);
        let patterns = self.patterns.load(Ordering::Relaxed);
        let queued = self.queued.load(Ordering::Relaxed);
        let flags: String = [
            (self.subscriptions() > 0, 'P'),
            (queued >= 0, 'x'),
            (self.touched.load(Ordering::Relaxed), 'd'),
        ]
        .into_iter()
        .filter_map(|(is_set, flag)| is_set.then_some(flag))
        .collect();
        let flags = if flags.is_empty() { "N" } else { &flags };
        let labels = self.labels.lock();
        format!(
            "id={} addr={} laddr={} name={} age={} idle={idle} flags={flags} db=0 sub={channels} psub={patterns} \
             ssub={shard_channels} multi={queued} cmd={} user=default resp={} lib-name={} lib-ver={}",
            self.id,
            self.address,
            self.local_address,
            labels.name,
            age.as_secs(),
            if labels.last_command.is_empty() { "NULL" } else { labels.last_command },
            self.resp.load(Ordering::Relaxed),
            labels.lib_name,
            labels.lib_version,
        )
    }
}

/// Everyone who is connected, by id.
#[derive(Default)]
pub(crate) struct Profiles(Mutex<BTreeMap<PeerId, Arc<Profile>>>);

impl Profiles {
    pub(crate) fn add(&self, profile: Arc<Profile>) {
        self.0.lock().insert(profile.id, profile);
    }

    pub(crate) fn remove(&self, id: PeerId) {
        self.0.lock().remove(&id);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Profile>> {
        self.0.lock().values().cloned().collect()
    }
}
