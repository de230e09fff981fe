//! What is stored under names: keys, each with a value of one kind. Pure: no clock, no disk; bodies are known by their
//! place only.
//!
//! A family of commands adds its kind of value here ([`Value`], [`Family`]), its changes to the keeper's `Change`, and
//! its operations to the keeper's `Op`.

mod change;
mod key;
mod place;
mod value;

pub(crate) use change::KeyChange;
pub(crate) use key::Key;
pub(crate) use place::{Body, Place, Spot};
pub(crate) use value::{Family, Gone, Kind, Slot, Value, WrongType};

use std::collections::BTreeSet;

use crate::numbered::{Number, Slab};

/// All keys: by their name, and by their number, under which a walk finds them while they come and go.
#[derive(Default)]
pub(crate) struct Keyspace {
    slab: Slab<Key>,
    /// When keys go away by themselves, of those that do.
    deadlines: BTreeSet<(u64, Number)>,
    /// See [`Keyspace::take_renamed`].
    renamed: Vec<Number>,
}

impl Keyspace {
    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// One more than the highest number a key has, or had: where a walk ends.
    pub(crate) fn numbers(&self) -> usize {
        self.slab.numbers()
    }

    /// The key of a number, if there is one. A key keeps its number while it is there.
    pub(crate) fn at(&self, number: usize) -> Option<&Key> {
        self.slab.get(Number::of(number)?)
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Key> {
        self.slab.find(name).and_then(|number| self.slab.get(number))
    }

    /// The value under a name, if it is of the kind wanted, to be changed. Whether it may be seen, when its time may be over,
    /// is the keeper's to know.
    pub(crate) fn value_mut<F: Family>(&mut self, name: &[u8]) -> Result<Option<&mut F>, WrongType> {
        let Some(number) = self.slab.find(name) else { return Ok(None) };
        let key = self.slab.get_mut(number);
        key.map(|key| F::of_mut(&mut key.value).ok_or(WrongType)).transpose()
    }

    /// The value under a name, to be changed; a new one if there is no such key.
    pub(crate) fn value_or_new<F: Family>(&mut self, name: &[u8]) -> Result<&mut F, WrongType> {
        let number = match self.slab.find(name) {
            Some(number) => number,
            None => self.slab.insert(Key::new(name, F::fresh())),
        };
        let key = self.slab.get_mut(number).expect("it was found or has just been put there");
        F::of_mut(&mut key.value).ok_or(WrongType)
    }

    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Key> {
        let number = self.slab.find(name)?;
        let gone = self.slab.remove(name)?;
        if let Some(at) = gone.expiry() {
            self.deadlines.remove(&(at, number));
        }
        Some(gone)
    }

    /// Calls a key by another name; what was called so before. The name that stays keeps its number.
    pub(crate) fn rename(&mut self, from: &[u8], to: &[u8]) -> Option<Key> {
        if from == to {
            return None;
        }
        let moved = self.remove(from)?;
        let gone = self.remove(to);
        let expiry = moved.expiry();
        let number = self.slab.insert(Key::new(to, moved.value));
        self.renamed.push(number);
        self.set_expiry(to, expiry);
        gone
    }

    /// The numbers of keys that have got their names from others since this was last asked. A walk by rising numbers may
    /// have missed what they hold, or know it by a name that is another key's by now.
    pub(crate) fn take_renamed(&mut self) -> Vec<usize> {
        self.renamed.drain(..).map(Number::index).collect()
    }

    /// The number of a key.
    pub(crate) fn number(&self, name: &[u8]) -> Option<usize> {
        self.slab.find(name).map(Number::index)
    }

    /// Puts back a key as it was, in place of the one that has its name; its number.
    pub(crate) fn restore(&mut self, key: Key) -> usize {
        self.remove(&key.name);
        let expiry = key.expiry();
        let number = self.slab.insert(key);
        if let Some(at) = expiry {
            self.deadlines.insert((at, number));
        }
        number.index()
    }

    /// When a key goes away by itself, in Unix milliseconds.
    pub(crate) fn set_expiry(&mut self, name: &[u8], at: Option<u64>) {
        let Some(number) = self.slab.find(name) else { return };
        let Some(key) = self.slab.get_mut(number) else { return };
        if let Some(before) = key.expiry() {
            self.deadlines.remove(&(before, number));
        }
        key.set_expiry(at);
        if let Some(at) = at {
            self.deadlines.insert((at, number));
        }
    }

    /// How many keys go away by themselves.
    pub(crate) fn expiring(&self) -> usize {
        self.deadlines.len()
    }

    /// When the next goes away by itself.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The keys that should be gone, those first that should be so longest.
    pub(crate) fn expired(&self, now: u64) -> impl Iterator<Item = &Key> {
        let due = self.deadlines.iter().take_while(move |(at, _)| *at < now);
        due.filter_map(|(_, number)| self.slab.get(*number))
    }
}

#[cfg(test)]
mod tests {
    use naru_measured::peak_bytes;

    use super::*;
    use crate::streams::{GroupChange, Progress, Stream, StreamChange, StreamId};

    #[global_allocator]
    static MEMORY: naru_measured::Measured = naru_measured::Measured;

    /// What a key space takes that holds so many streams of so many entries, without their bodies.
    fn bytes_of(streams: u64, entries: u64) -> f64 {
        let fill = || {
            let mut keyspace = Keyspace::default();
            for number in 0..streams {
                let stream: &mut Stream =
                    keyspace.value_or_new(format!("stream:{number}").as_bytes()).unwrap();
                for entry in 0..entries {
                    let id = StreamId { millis: 1_700_000_000_000 + entry, sequence: 0 };
                    stream.add(id, Place { address: entry, bytes: 200 }, 100);
                }
            }
            keyspace
        };
        peak_bytes(fill).1 as f64
    }

    // An allocator adds to this what it needs itself: 8 bytes a block, and what it rounds up.
    #[test]
    fn a_stream_of_one_entry_takes_little() {
        let bytes = bytes_of(50_000, 1) / 50_000.0;
        assert!(bytes < 320.0, "{bytes}");
    }

    #[test]
    fn an_entry_takes_little() {
        let bytes = bytes_of(100, 1000) / 100_000.0;
        assert!(bytes < 30.0, "{bytes}");
    }

    #[test]
    fn a_pending_entry_takes_little() {
        const ENTRIES: u64 = 50_000;
        let mut stream = Stream::default();
        let mut apply = |change| {
            stream.apply(StreamChange::Group { group: "g".into(), change }, |_| {});
        };
        apply(GroupChange::Created(Progress::default()));
        let ids: Vec<StreamId> = (1..=ENTRIES).map(|millis| StreamId { millis, sequence: 0 }).collect();
        let deliver = || {
            for ids in ids.chunks(100) {
                let progress = Progress { last: ids[ids.len() - 1], read: None };
                let (consumer, ids) = ("c".into(), ids.to_vec());
                apply(GroupChange::Delivered { consumer, at: 1, ids, are_pending: true, progress });
            }
        };
        let bytes = peak_bytes(deliver).1 as f64 / ENTRIES as f64;
        assert!(bytes < 60.0, "{bytes}");
    }

    #[test]
    fn keys_are_made_found_and_removed() {
        let mut keyspace = Keyspace::default();
        for name in [&b"a"[..], b"b", b""] {
            assert!(keyspace.get(name).is_none());
            keyspace.value_or_new::<Stream>(name).unwrap();
            assert_eq!(keyspace.get(name).map(|key| key.value.kind()), Some(Kind::Stream));
        }
        keyspace.value_or_new::<Stream>(b"a").unwrap();
        assert_eq!(keyspace.len(), 3);
        let walked: Vec<_> = (0..keyspace.numbers()).filter_map(|number| keyspace.at(number)).collect();
        assert_eq!(walked.iter().map(|key| &*key.name).collect::<Vec<_>>(), [&b"a"[..], b"b", b""]);
        keyspace.set_expiry(b"b", Some(7));
        assert_eq!(keyspace.get(b"b").and_then(Key::expiry), Some(7));
        keyspace.set_expiry(b"b", None);
        assert_eq!(keyspace.get(b"b").and_then(Key::expiry), None);
        keyspace.set_expiry(b"a", Some(5));
        keyspace.set_expiry(b"b", Some(6));
        assert_eq!((keyspace.expiring(), keyspace.next_expiry()), (2, Some(5)));
        assert_eq!(keyspace.expired(6).map(|key| &*key.name).collect::<Vec<_>>(), [b"a"]);
        assert!(keyspace.rename(b"b", b"").is_some());
        assert_eq!(keyspace.get(b"").and_then(Key::expiry), Some(6));
        keyspace.value_or_new::<Stream>(b"b").unwrap();
        assert_eq!(keyspace.expired(7).count(), 2);
        assert!(keyspace.remove(b"a").is_some() && keyspace.remove(b"a").is_none());
        assert!(keyspace.len() == 2 && keyspace.get(b"a").is_none());
    }

    #[test]
    fn a_name_keeps_its_number_whatever_comes_under_it() {
        let mut keyspace = Keyspace::default();
        for name in [b"a", b"b", b"c"] {
            keyspace.value_or_new::<Stream>(name).unwrap();
        }
        let before = numbers_of(&keyspace);
        keyspace.rename(b"a", b"c");
        keyspace.remove(b"b");
        keyspace.value_or_new::<Stream>(b"b").unwrap();
        let after = numbers_of(&keyspace);
        assert_eq!(after.len(), 2);
        assert!(after.iter().all(|(name, number)| before[name] == *number));
    }

    fn numbers_of(keyspace: &Keyspace) -> std::collections::BTreeMap<Vec<u8>, usize> {
        let keys =
            (0..keyspace.numbers()).filter_map(|number| Some((keyspace.at(number)?.name.to_vec(), number)));
        keys.collect()
    }
}
