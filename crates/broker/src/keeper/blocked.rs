use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use ahash::RandomState;
use bytes::Bytes;
use naru_fanout::PeerId;

use super::{Asker, StreamOp};

/// A client's blocked command. A client has at most one, since it is not read meanwhile.
pub(super) struct Waiter {
    pub(super) asker: Asker,
    /// The command with `$` resolved and without its `BLOCK`; it is run again when a key it waits for changes.
    pub(super) op: StreamOp,
    pub(super) keys: Vec<Bytes>,
    pub(super) until: Option<Instant>,
}

/// Blocked commands, by client and by key; those of a key in the order they came.
#[derive(Default)]
pub(super) struct Blocked {
    waiters: BTreeMap<PeerId, Waiter>,
    by_key: HashMap<Bytes, VecDeque<PeerId>, RandomState>,
    deadlines: BTreeSet<(Instant, PeerId)>,
}

impl Blocked {
    pub(super) fn add(&mut self, waiter: Waiter) {
        let client = waiter.asker.client;
        for key in &waiter.keys {
            self.by_key.entry(key.clone()).or_default().push_back(client);
        }
        if let Some(until) = waiter.until {
            self.deadlines.insert((until, client));
        }
        self.waiters.insert(client, waiter);
    }

    /// Who waits for `key`, longest first.
    pub(super) fn waiting_for(&self, key: &Bytes) -> Vec<PeerId> {
        self.by_key.get(key).map(|clients| clients.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn get(&self, client: PeerId) -> Option<&Waiter> {
        self.waiters.get(&client)
    }

    pub(super) fn remove(&mut self, client: PeerId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&client)?;
        for key in &waiter.keys {
            if let Some(clients) = self.by_key.get_mut(key) {
                clients.retain(|other| *other != client);
                if clients.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        if let Some(until) = waiter.until {
            self.deadlines.remove(&(until, client));
        }
        Some(waiter)
    }

    /// How long until the next deadline.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(until, _)| until.saturating_duration_since(Instant::now()))
    }

    /// Takes one whose time is up.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Waiter> {
        let (until, client) = *self.deadlines.first()?;
        if until > now { None } else { self.remove(client) }
    }
}
