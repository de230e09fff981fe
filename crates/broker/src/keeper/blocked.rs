use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use ahash::RandomState;
use bytes::Bytes;
use naru_fanout::PeerId;
use naru_resp::ReplyWriter;

use super::{
    Asker,
    store::{Store, StoreError},
    streams::StreamWait,
};
use crate::keyspace::Kind;

/// What a blocked command waits for: one variant a family. It is tried again whenever a key it waits for has changed.
pub(super) enum Wait {
    Stream(StreamWait),
}

impl Wait {
    /// The keys, any of which it waits for.
    pub(super) fn keys(&self) -> Vec<Bytes> {
        match self {
            Wait::Stream(wait) => wait.keys(),
        }
    }

    /// Whether it is to be tried now that its key holds this; nothing, if there is no such key.
    pub(super) fn wants(&self, kind: Option<Kind>) -> bool {
        match self {
            // Of what is not there it can only say so.
            Wait::Stream(wait) => kind == Some(Kind::Stream) || wait.needs_key(),
        }
    }

    /// Writes its answer if there is one by now; false, and nothing is written, if it waits on.
    pub(super) fn retry(
        &self,
        store: &mut Store,
        writer: &mut ReplyWriter<'_, Vec<u8>>,
    ) -> Result<bool, StoreError> {
        match self {
            Wait::Stream(wait) => wait.retry(store, writer),
        }
    }

    /// What it gets that nothing came for.
    pub(super) fn write_nothing(&self, writer: &mut ReplyWriter<'_, Vec<u8>>) {
        match self {
            Wait::Stream(_) => writer.null_array(),
        }
    }
}

/// A client's blocked command. A client has at most one, since it is not read meanwhile.
pub(super) struct Waiter {
    pub(super) asker: Asker,
    pub(super) wait: Wait,
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
        for key in waiter.wait.keys() {
            let clients = self.by_key.entry(key).or_default();
            // A key may be named twice.
            if clients.back() != Some(&client) {
                clients.push_back(client);
            }
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
        for key in waiter.wait.keys() {
            if let Some(clients) = self.by_key.get_mut(&key) {
                clients.retain(|other| *other != client);
                if clients.is_empty() {
                    self.by_key.remove(&key);
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
