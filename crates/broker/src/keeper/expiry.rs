//! Keys that go away by themselves. What expires is recorded as deleted, so that what the log holds does not depend on
//! when it is read; until then nobody sees it any more.

use std::{
    collections::{HashSet, VecDeque},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use naru_fanout::PeerId;

use super::{
    change::Change,
    clock,
    store::{Store, StoreError},
};
use crate::{
    keyspace::{Key, KeyChange, Keyspace, Kind, Value},
    limits::{EXPIRED_A_RECORD_MAX, EXPIRED_BYTES_A_RECORD_MAX},
};

/// Keys, or what they hold, that it takes longer to drop than to have another thread do it.
const DROPPED_AT_ONCE_MAX: usize = 1024;

impl Store {
    /// It is now. Within an operation or a transaction the time stands still.
    pub(super) fn tick(&mut self) {
        let now = clock::now();
        self.now = now.0;
        self.clock.follow(now, Instant::now());
    }

    /// The key of this name, unless its time is over.
    pub(super) fn key(&self, name: &[u8]) -> Option<&Key> {
        self.keyspace.get(name).filter(|key| !key.is_expired(self.now))
    }

    /// What kind of value is under a name; none if there is no such key.
    pub(super) fn kind(&self, name: &[u8]) -> Option<Kind> {
        self.key(name).map(|key| key.value.kind())
    }

    /// How long until the next key's time is over, or that of something in a channel.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        let of_keys = self.keyspace.next_expiry().map(|at| at.saturating_add(1));
        let at = of_keys.into_iter().chain(self.channels.next_over()).min()?;
        Some(Duration::from_millis(at.saturating_sub(clock::now().0)))
    }

    /// Deletes some of the keys whose time is over; whether there may be more.
    pub(super) fn expire_some(&mut self) -> Result<bool, StoreError> {
        let mut bytes = 0;
        let due = self.keyspace.expired(self.now).take(EXPIRED_A_RECORD_MAX);
        let due = due.take_while(|key| {
            let is_first = bytes == 0;
            bytes += key.name.len() + 1;
            is_first || bytes <= EXPIRED_BYTES_A_RECORD_MAX
        });
        let names: Vec<Bytes> = due.map(|key| Bytes::copy_from_slice(&key.name)).collect();
        let are_more = names.len() == EXPIRED_A_RECORD_MAX || bytes > EXPIRED_BYTES_A_RECORD_MAX;
        self.expire(names)?;
        Ok(are_more)
    }

    /// Deletes those of `names` whose time is over.
    pub(super) fn expire(&mut self, names: Vec<Bytes>) -> Result<(), StoreError> {
        // What changes a key whose time is over is preceded by its end, so this makes it be deleted once.
        let due = names.into_iter().filter(|name| self.is_over(name)).collect::<HashSet<_>>();
        self.expired += due.len() as u64;
        self.make(due.into_iter().map(|name| Change::Key(name, KeyChange::Deleted)).collect())
    }

    /// The same for the keys that a client watches: that they are gone is a change.
    pub(super) fn expire_watched(&mut self, client: PeerId) -> Result<(), StoreError> {
        let names = self.watches.keys_of(client).filter(|name| self.is_over(name)).cloned().collect();
        self.expire(names)
    }

    /// The changes, preceded by the end of keys among theirs whose time is over.
    pub(super) fn after_expiry(&mut self, changes: Vec<Change>) -> Vec<Change> {
        let mut over: Vec<Bytes> = Vec::new();
        if self.keyspace.expiring() > 0 {
            for name in changes.iter().filter_map(|change| change.key().map(|(name, _)| name)) {
                if self.is_over(name) && !over.contains(name) {
                    over.push(name.clone());
                }
            }
        }
        if over.is_empty() {
            return changes;
        }
        self.expired += over.len() as u64;
        over.into_iter().map(|name| Change::Key(name, KeyChange::Deleted)).chain(changes).collect()
    }

    fn is_over(&self, name: &[u8]) -> bool {
        self.keyspace.get(name).is_some_and(|key| key.is_expired(self.now))
    }

    /// Deletes everything there is.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        for name in self.watches.keys() {
            if self.key(name).is_some() {
                self.watches.touch(name);
            }
        }
        self.make(vec![Change::Flushed])
    }
}

/// Drops keys, and values of others that have gone, on a thread of its own if they are many, or hold much.
pub(super) fn dispose(keyspace: Keyspace, gone: VecDeque<Value>) {
    if is_much(&keyspace, &gone) {
        // If there can be no thread, what was to be dropped there is dropped here. Nobody waits for its end.
        let _ = thread::Builder::new().name("naru-dispose".into()).spawn(move || drop((keyspace, gone)));
    }
}

fn is_much(keyspace: &Keyspace, gone: &VecDeque<Value>) -> bool {
    let keys = (0..keyspace.numbers()).filter_map(|number| keyspace.at(number));
    let mut values = keys.map(|key| &key.value).chain(gone);
    let held = values.try_fold(0, |held, value| {
        let held = held + value.held();
        (held <= DROPPED_AT_ONCE_MAX).then_some(held)
    });
    keyspace.numbers() > DROPPED_AT_ONCE_MAX || held.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lists::{Element, End, List, ListChange},
        strings::StringChange,
    };

    fn set(store: &mut Store, name: &'static str, expiry: u64) {
        let change = StringChange::Set { value: "v".into(), expiry: Some(expiry) };
        store.change(vec![Change::Text(name.into(), change)]).unwrap();
    }

    /// However few the keys are.
    #[test]
    fn what_takes_long_to_drop_is_dropped_elsewhere() {
        let list = |count| {
            let mut list = List::default();
            (0..count).for_each(|_| list.push(End::Left, Element::inline(b"a").unwrap()));
            Value::List(Box::new(list))
        };
        let with = |count: usize| {
            let mut keyspace = Keyspace::default();
            *keyspace.value_or_new::<List>(b"list").unwrap() = match list(count) {
                Value::List(list) => *list,
                _ => unreachable!(),
            };
            keyspace
        };
        let much = |keyspace, gone| is_much(&keyspace, &gone);
        assert!(!much(with(1000), VecDeque::new()));
        assert!(much(with(1025), VecDeque::new()));
        assert!(much(with(1), VecDeque::from([list(1024)])));
    }

    /// What has gone is not counted yet when all else goes with it.
    #[test]
    fn all_that_was_live_is_dead_after_a_flush() {
        let mut store = Store::empty();
        let push = |count| ListChange::Pushed {
            end: End::Left,
            elements: (0..count).map(|_| Element::body(vec![b'x'; 100].into())).collect(),
        };
        for _ in 0..3 {
            store.change(vec![Change::List("list".into(), push(1000))]).unwrap();
        }
        store.change(vec![Change::Key("list".into(), KeyChange::Deleted)]).unwrap();
        assert!(store.journal.live().share() > 0.0, "it is counted later");
        store.change(vec![Change::List("other".into(), push(10))]).unwrap();
        store.flush().unwrap();
        assert!(store.journal.live().share() == 0.0 && !store.journal.count_gone());
        store.change(vec![Change::List("other".into(), push(10))]).unwrap();
        store.change(vec![Change::Key("other".into(), KeyChange::Deleted)]).unwrap();
        assert!(store.journal.live().share() == 0.0);
    }

    #[test]
    fn what_changes_a_key_whose_time_is_over_begins_anew() {
        let mut store = Store::empty();
        set(&mut store, "key", 100);
        store.now = 100;
        assert!(store.key(b"key").is_some());
        store.now = 101;
        assert!(store.key(b"key").is_none() && store.keyspace.len() == 1);
        let pushed = ListChange::Pushed { end: End::Left, elements: vec![Element::body("a".into())] };
        store.change(vec![Change::List("key".into(), pushed)]).unwrap();
        assert_eq!(store.value::<List>(b"key").unwrap().map(List::len), Some(1));
        assert_eq!((store.key(b"key").unwrap().expiry(), store.expired), (None, 1));
    }

    #[test]
    fn keys_whose_time_is_over_are_deleted_a_few_at_a_time() {
        let mut store = Store::empty();
        for number in 0..2 * EXPIRED_A_RECORD_MAX as u64 + 1 {
            set(&mut store, format!("key-{number}").leak(), 100 + number);
        }
        store.now = 99 + 2 * EXPIRED_A_RECORD_MAX as u64;
        assert!(store.expire_some().unwrap() && !store.expire_some().unwrap());
        assert_eq!((store.keyspace.len(), store.expired), (2, 2 * EXPIRED_A_RECORD_MAX as u64 - 1));
    }
}
