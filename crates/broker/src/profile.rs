use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use naru_fanout::{CoreId, PeerId};
use parking_lot::Mutex;

use crate::{acl::User, class::Class, weight::Weight};

/// What other connections may learn of a client, from any core (`CLIENT LIST`).
pub(crate) struct Profile {
    pub(crate) id: PeerId,
    /// Where it lives.
    pub(crate) core: CoreId,
    pub(crate) address: Box<str>,
    /// The same for most.
    pub(crate) local_address: Arc<str>,
    pub(crate) connected: Instant,
    pub(crate) resp: AtomicU8,
    pub(crate) channels: AtomicUsize,
    pub(crate) shard_channels: AtomicUsize,
    pub(crate) patterns: AtomicUsize,
    /// Commands queued since MULTI; -1 outside of a transaction.
    pub(crate) queued: AtomicI64,
    /// A key that it watches has changed.
    pub(crate) touched: AtomicBool,
    /// Its command waits: for an entry of a stream, or for the end of a pause.
    pub(crate) is_blocked: AtomicBool,
    is_monitor: AtomicBool,
    /// As it asked (`CLIENT NO-EVICT`, `CLIENT NO-TOUCH`). Reading ages nothing here.
    pub(crate) no_evict: AtomicBool,
    pub(crate) no_touch: AtomicBool,
    /// Milliseconds from `connected` to when it was last heard of.
    last_active: AtomicU64,
    pub(crate) labels: Mutex<Labels>,
}

/// What a client says of itself.
#[derive(Default)]
pub(crate) struct Labels {
    pub(crate) name: String,
    /// Whom it has signed in as.
    pub(crate) user: Option<Arc<User>>,
    pub(crate) lib_name: String,
    pub(crate) lib_version: String,
    pub(crate) last_command: &'static str,
}

impl Profile {
    pub(crate) fn new(id: PeerId, core: CoreId, address: String, local_address: Arc<str>) -> Self {
        Profile {
            id,
            core,
            address: address.into(),
            local_address,
            connected: Instant::now(),
            resp: AtomicU8::new(2),
            channels: AtomicUsize::new(0),
            shard_channels: AtomicUsize::new(0),
            patterns: AtomicUsize::new(0),
            queued: AtomicI64::new(-1),
            touched: AtomicBool::new(false),
            is_blocked: AtomicBool::new(false),
            is_monitor: AtomicBool::new(false),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            last_active: AtomicU64::new(0),
            labels: Mutex::default(),
        }
    }

    /// Notes that the client was heard of: once a batch of commands, and whenever a long one goes on or it takes what
    /// waits for it.
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

    /// Whether it watches what is executed (`MONITOR`).
    pub(crate) fn is_monitor(&self) -> bool {
        self.is_monitor.load(Ordering::Relaxed)
    }

    /// Whether it did so before.
    pub(crate) fn set_monitor(&self, is_monitor: bool) -> bool {
        self.is_monitor.swap(is_monitor, Ordering::Relaxed)
    }

    /// Redis's class of clients.
    pub(crate) fn class(&self) -> Class {
        if self.subscriptions() > 0 { Class::Pubsub } else { Class::Normal }
    }

    /// How long it has not been heard of.
    pub(crate) fn idle(&self) -> Duration {
        let last_active = Duration::from_millis(self.last_active.load(Ordering::Relaxed));
        self.connected.elapsed().saturating_sub(last_active)
    }

    /// The letters of `flags=` in Redis's order.
    fn flags(&self) -> String {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let flags = [
            (self.is_monitor(), 'O'),
            (self.class() == Class::Pubsub, 'P'),
            (self.queued.load(Ordering::Relaxed) >= 0, 'x'),
            (is(&self.is_blocked), 'b'),
            (is(&self.touched), 'd'),
            (self.address.ends_with(":0"), 'U'),
            (is(&self.no_evict), 'e'),
            (is(&self.no_touch), 'T'),
        ];
        let set: String = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, letter)| letter).collect();
        if set.is_empty() { "N".into() } else { set }
    }

    /// Whom it has signed in as.
    pub(crate) fn user_name(&self) -> String {
        self.labels.lock().user.as_ref().map(|user| user.shown_name()).unwrap_or_default()
    }

    /// One line of `CLIENT LIST`, without its end, with Redis's fields in Redis's order. Of the buffers that
    /// Redis keeps for a client there are none here: a core reads and answers in its own.
    pub(crate) fn line(&self, weight: Weight) -> String {
        let channels = self.channels.load(Ordering::Relaxed);
        let shard_channels = self.shard_channels.load(Ordering::Relaxed);
        let patterns = self.patterns.load(Ordering::Relaxed);
        let queued = self.queued.load(Ordering::Relaxed);
        let labels = self.labels.lock();
        format!(
            "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db=0 sub={channels} psub={patterns} \
             ssub={shard_channels} multi={queued} watch=0 qbuf={} qbuf-free={} argv-mem=0 multi-mem={} rbs=1024 rbp=0 \
             obl=0 oll={} omem={} tot-mem={} events=r cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}",
            self.id,
            self.address,
            self.local_address,
            labels.name,
            self.connected.elapsed().as_secs(),
            self.idle().as_secs(),
            self.flags(),
            weight.input,
            weight.input_free,
            weight.transaction,
            weight.output_pieces(),
            weight.output(),
            weight.total(),
            if labels.last_command.is_empty() { "NULL" } else { labels.last_command },
            labels.user.as_ref().map(|user| user.shown_name()).unwrap_or_default(),
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
    /// Notes a client, unless there are `most` already; whether it did.
    pub(crate) fn add(&self, profile: Arc<Profile>, most: usize) -> bool {
        let mut profiles = self.0.lock();
        let has_room = profiles.len() < most;
        if has_room {
            profiles.insert(profile.id, profile);
        }
        has_room
    }

    /// Forgets a client; false if it was forgotten already.
    pub(crate) fn remove(&self, id: PeerId) -> bool {
        self.0.lock().remove(&id).is_some()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Profile>> {
        self.0.lock().values().cloned().collect()
    }
}
