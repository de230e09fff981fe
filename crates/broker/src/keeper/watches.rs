use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use ahash::RandomState;
use bytes::Bytes;
use naru_fanout::PeerId;

use crate::{
    limits::{WATCHED_BYTES_MAX, WATCHED_KEY_EXTRA_BYTES},
    profile::Profile,
};

/// Which clients want to know whether a key has changed (WATCH).
#[derive(Default)]
pub(super) struct Watches {
    by_client: HashMap<PeerId, Watcher, RandomState>,
    by_key: HashMap<Bytes, HashSet<PeerId, RandomState>, RandomState>,
}

struct Watcher {
    /// Where it is noted that a key has changed, so that others can see it too (`CLIENT LIST`).
    profile: Arc<Profile>,
    keys: HashSet<Bytes, RandomState>,
    bytes: usize,
}

/// A client watches too much.
#[derive(Debug, thiserror::Error)]
#[error(
    "ERR the keys watched by one client may take {WATCHED_BYTES_MAX} bytes, with {WATCHED_KEY_EXTRA_BYTES} for each"
)]
pub(super) struct TooMany;

impl Watches {
    /// From here on changes of `keys` are noted for a client. What does not fit any more is not watched.
    pub(super) fn add(&mut self, profile: Arc<Profile>, keys: Vec<Bytes>) -> Result<(), TooMany> {
        let client = profile.id;
        let watcher = self.by_client.entry(client).or_insert_with(|| Watcher {
            profile,
            keys: HashSet::default(),
            bytes: 0,
        });
        for key in keys {
            if watcher.keys.contains(&key) {
                continue;
            }
            let bytes = key.len() + WATCHED_KEY_EXTRA_BYTES;
            if watcher.bytes + bytes > WATCHED_BYTES_MAX {
                return Err(TooMany);
            }
            watcher.bytes += bytes;
            watcher.keys.insert(key.clone());
            self.by_key.entry(key).or_default().insert(client);
        }
        Ok(())
    }

    /// Notes that a key has changed.
    pub(super) fn touch(&self, key: &Bytes) {
        for client in self.by_key.get(key).into_iter().flatten() {
            if let Some(watcher) = self.by_client.get(client) {
                watcher.profile.touched.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The keys that somebody watches.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.by_key.keys()
    }

    /// The keys that a client watches.
    pub(super) fn keys_of(&self, client: PeerId) -> impl Iterator<Item = &Bytes> {
        self.by_client.get(&client).into_iter().flat_map(|watcher| &watcher.keys)
    }

    /// Ends what a client watches; whether any of it has changed.
    pub(super) fn remove(&mut self, client: PeerId) -> bool {
        let Some(watcher) = self.by_client.remove(&client) else { return false };
        for key in &watcher.keys {
            if let Some(clients) = self.by_key.get_mut(key) {
                clients.remove(&client);
                if clients.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        watcher.profile.touched.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(id: u64) -> Arc<Profile> {
        Arc::new(Profile::new(PeerId(id), naru_fanout::CoreId(0), String::new(), "".into()))
    }

    fn keys(names: &[&'static str]) -> Vec<Bytes> {
        names.iter().map(|name| Bytes::from_static(name.as_bytes())).collect()
    }

    #[test]
    fn a_change_is_noted_for_everyone_who_watches_the_key_and_nobody_else() {
        let mut watches = Watches::default();
        for (client, names) in [(1, &["a", "a", "b"][..]), (2, &["b"]), (3, &["c"])] {
            watches.add(profile(client), keys(names)).unwrap();
        }
        watches.touch(&Bytes::from_static(b"b"));
        watches.touch(&Bytes::from_static(b"nobody's"));
        assert_eq!([1, 2, 3].map(|client| watches.remove(PeerId(client))), [true, true, false]);
        assert!(watches.by_client.is_empty() && watches.by_key.is_empty());
    }

    #[test]
    fn what_was_noted_ends_with_the_watch() {
        let mut watches = Watches::default();
        let profile = profile(1);
        watches.add(profile.clone(), keys(&["a"])).unwrap();
        watches.touch(&Bytes::from_static(b"a"));
        assert!(watches.remove(PeerId(1)));
        watches.add(profile, keys(&["b"])).unwrap();
        watches.touch(&Bytes::from_static(b"a"));
        assert!(!watches.remove(PeerId(1)));
        assert!(!watches.remove(PeerId(1)));
    }

    #[test]
    fn a_client_can_watch_so_much() {
        let mut watches = Watches::default();
        let large = Bytes::from(vec![b'x'; WATCHED_BYTES_MAX - WATCHED_KEY_EXTRA_BYTES]);
        watches.add(profile(1), vec![large.clone(), large.clone()]).unwrap();
        assert!(watches.add(profile(1), keys(&["a"])).is_err());
        watches.touch(&Bytes::from_static(b"a"));
        assert!(!watches.by_client[&PeerId(1)].profile.touched.load(Ordering::Relaxed));
        watches.touch(&large);
        assert!(watches.remove(PeerId(1)));
    }
}
