use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    time::{Duration, Instant},
};

use ahash::RandomState;
use bytes::Bytes;
use naru_fanout::PeerId;
use naru_resp::ReplyWriter;

use super::{
    Asker,
    lists::ListWait,
    store::{Store, StoreError},
    streams::StreamWait,
};
use crate::keyspace::Kind;

/// What a blocked command waits for: one variant a family. It is tried again whenever a key it waits for has changed.
pub(super) enum Wait {
    Stream(StreamWait),
    List(ListWait),
}

/// The kinds of values that commands wait for.
pub(super) const WAITED_FOR: [Kind; 2] = [Kind::List, Kind::Stream];

impl Wait {
    /// The keys, any of which it waits for.
    pub(super) fn keys(&self) -> Vec<Bytes> {
        match self {
            Wait::Stream(wait) => wait.keys(),
            Wait::List(wait) => wait.keys(),
        }
    }

    /// The kind of value it waits for.
    fn family(&self) -> Kind {
        match self {
            Wait::Stream(_) => Kind::Stream,
            Wait::List(_) => Kind::List,
        }
    }

    /// Whether nobody who waits for the same kind of value can want what the key holds now.
    pub(super) fn is_lost(&self, kind: Option<Kind>) -> bool {
        matches!(self, Wait::List(_)) && kind != Some(Kind::List)
    }

    /// Whether it is to be tried now that its key holds this; nothing, if there is no such key.
    pub(super) fn wants(&self, kind: Option<Kind>) -> bool {
        match self {
            // Of what is not there it can only say so.
            Wait::Stream(wait) => kind == Some(Kind::Stream) || wait.needs_key(),
            Wait::List(_) => kind == Some(Kind::List),
        }
    }

    /// Writes its answer if there is one by now that `key`, one of its keys, has changed; false, and nothing is written,
    /// if it waits on.
    pub(super) fn retry(
        &self,
        store: &mut Store,
        key: &Bytes,
        writer: &mut ReplyWriter<'_, Vec<u8>>,
    ) -> Result<bool, StoreError> {
        match self {
            Wait::Stream(wait) => wait.retry(store, writer),
            Wait::List(wait) => wait.retry(store, key, writer),
        }
    }

    /// What it gets that nothing came for.
    pub(super) fn write_nothing(&self, writer: &mut ReplyWriter<'_, Vec<u8>>) {
        match self {
            Wait::Stream(_) | Wait::List(_) => writer.null_array(),
        }
    }

    /// What it gets in a transaction, where nothing waits.
    pub(super) fn write_empty(&self, writer: &mut ReplyWriter<'_, Vec<u8>>) {
        match self {
            Wait::Stream(_) => self.write_nothing(writer),
            Wait::List(wait) => wait.write_empty(writer),
        }
    }
}

/// A client's blocked command. A client has at most one, since it is not read meanwhile.
pub(super) struct Waiter {
    pub(super) asker: Asker,
    pub(super) wait: Wait,
    pub(super) until: Option<Instant>,
}

/// The place of a blocked command among all, in the order they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

/// Blocked commands, by client and by key; those of a key by what they wait for, in the order they came.
#[derive(Default)]
pub(super) struct Blocked {
    waiters: BTreeMap<PeerId, (Place, Waiter)>,
    by_key: HashMap<Bytes, [BTreeMap<Place, PeerId>; WAITED_FOR.len()], RandomState>,
    deadlines: BTreeSet<(Instant, PeerId)>,
    next: u64,
}

impl Blocked {
    pub(super) fn add(&mut self, waiter: Waiter) {
        let client = waiter.asker.client;
        self.next += 1;
        let place = Place(self.next);
        for key in waiter.wait.keys() {
            self.by_key.entry(key).or_default()[number(waiter.wait.family())].insert(place, client);
        }
        if let Some(until) = waiter.until {
            self.deadlines.insert((until, client));
        }
        self.waiters.insert(client, (place, waiter));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Who has waited longest for something of this kind under `key`, of those behind a place.
    pub(super) fn next(&self, key: &Bytes, family: Kind, behind: Option<Place>) -> Option<(Place, PeerId)> {
        let waiting = &self.by_key.get(key)?[number(family)];
        let after = behind.map_or(Bound::Unbounded, Bound::Excluded);
        waiting.range((after, Bound::Unbounded)).next().map(|(place, client)| (*place, *client))
    }

    pub(super) fn get(&self, client: PeerId) -> Option<&Waiter> {
        self.waiters.get(&client).map(|(_, waiter)| waiter)
    }

    /// The keys that somebody waits for.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.by_key.keys()
    }

    pub(super) fn remove(&mut self, client: PeerId) -> Option<Waiter> {
        let (place, waiter) = self.waiters.remove(&client)?;
        for key in waiter.wait.keys() {
            if let Some(waiting) = self.by_key.get_mut(&key) {
                waiting[number(waiter.wait.family())].remove(&place);
                if waiting.iter().all(BTreeMap::is_empty) {
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

/// The place of a kind in [`WAITED_FOR`].
fn number(family: Kind) -> usize {
    WAITED_FOR.iter().position(|kind| *kind == family).expect("a command waits for one of these kinds")
}
