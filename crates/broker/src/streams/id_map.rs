use std::{collections::VecDeque, fmt, marker::PhantomData, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use super::StreamId;

/// Entries of one chunk.
const CHUNK_MAX: usize = 128;

/// A map by id, in chunks of neighbours. A copy of it shares all of them until one of the two changes them, so that it takes
/// little for millions. It is written down as any map is.
///
/// No chunk is empty, and one that has become small joins its neighbour if that has room.
#[derive(Clone)]
pub(super) struct IdMap<V> {
    chunks: VecDeque<Chunk<V>>,
    len: usize,
}

#[derive(Clone)]
struct Chunk<V> {
    /// The first of its ids.
    first: StreamId,
    entries: Arc<Vec<(StreamId, V)>>,
}

impl<V: Copy> Chunk<V> {
    fn new(entries: Vec<(StreamId, V)>) -> Self {
        Chunk { first: entries[0].0, entries: Arc::new(entries) }
    }

    fn find(&self, id: StreamId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |(id, _)| *id)
    }
}

impl<V: Copy> IdMap<V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&V> {
        let chunk = &self.chunks[self.chunk_of(id)?];
        chunk.find(id).ok().map(|at| &chunk.entries[at].1)
    }

    pub(super) fn first(&self) -> Option<StreamId> {
        self.chunks.front().map(|chunk| chunk.first)
    }

    pub(super) fn last(&self) -> Option<StreamId> {
        self.chunks.back().and_then(|chunk| chunk.entries.last()).map(|(id, _)| *id)
    }

    /// What is there from `start` on, in order.
    pub(super) fn from(&self, start: StreamId) -> impl Iterator<Item = (StreamId, &V)> {
        let number = self.chunk_of(start).unwrap_or(0);
        let before = self.chunks.get(number).map_or(0, |chunk| chunk.find(start).unwrap_or_else(|at| at));
        let entries = self.chunks.range(number..).flat_map(|chunk| chunk.entries.iter());
        entries.skip(before).map(|(id, value)| (*id, value))
    }

    /// What was there before.
    pub(super) fn insert(&mut self, id: StreamId, value: V) -> Option<V> {
        let number = self.chunk_of(id).unwrap_or(0);
        let is_last = number + 1 == self.chunks.len();
        let Some(chunk) = self.chunks.get_mut(number) else {
            self.push_chunk(id, value);
            return None;
        };
        let at = match chunk.find(id) {
            Ok(at) => return Some(std::mem::replace(&mut Arc::make_mut(&mut chunk.entries)[at].1, value)),
            Err(at) => at,
        };
        if chunk.entries.len() < CHUNK_MAX {
            let entries = Arc::make_mut(&mut chunk.entries);
            if entries.len() == entries.capacity() {
                entries.reserve_exact((entries.len() / 2).max(1).min(CHUNK_MAX - entries.len()));
            }
            entries.insert(at, (id, value));
            chunk.first = chunk.first.min(id);
            self.len += 1;
        } else if at == CHUNK_MAX && is_last {
            // Most come in order: then chunks are full.
            self.push_chunk(id, value);
        } else {
            let behind = Arc::make_mut(&mut chunk.entries).split_off(CHUNK_MAX / 2);
            self.chunks.insert(number + 1, Chunk::new(behind));
            self.insert(id, value);
        }
        None
    }

    fn push_chunk(&mut self, id: StreamId, value: V) {
        self.chunks.push_back(Chunk::new(vec![(id, value)]));
        self.len += 1;
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<V> {
        let number = self.chunk_of(id)?;
        let chunk = &mut self.chunks[number];
        let at = chunk.find(id).ok()?;
        let entries = Arc::make_mut(&mut chunk.entries);
        let (_, value) = entries.remove(at);
        self.len -= 1;
        match entries.first() {
            None => drop(self.chunks.remove(number)),
            Some((first, _)) => {
                chunk.first = *first;
                if entries.len() <= CHUNK_MAX / 4 {
                    self.join(number);
                }
            }
        }
        Some(value)
    }

    /// Joins a chunk with the one behind it, or before it, unless the two are too long to stay apart from a full one.
    fn join(&mut self, number: usize) {
        let behind = |left: &usize| {
            let lengths = self.chunks.get(*left).zip(self.chunks.get(left + 1));
            lengths.is_some_and(|(one, other)| one.entries.len() + other.entries.len() <= CHUNK_MAX / 2)
        };
        let Some(left) = [Some(number), number.checked_sub(1)].into_iter().flatten().find(behind) else {
            return;
        };
        if let Some(right) = self.chunks.remove(left + 1) {
            Arc::make_mut(&mut self.chunks[left].entries).extend_from_slice(&right.entries);
        }
    }

    /// The chunk that an id is in, if it is there; none if it is below all.
    fn chunk_of(&self, id: StreamId) -> Option<usize> {
        self.chunks.partition_point(|chunk| chunk.first <= id).checked_sub(1)
    }

    /// About how many bytes of memory it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let room: usize = self.chunks.iter().map(|chunk| chunk.entries.capacity()).sum();
        self.chunks.capacity() * size_of::<Chunk<V>>() + room * size_of::<(StreamId, V)>()
    }
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        IdMap { chunks: VecDeque::new(), len: 0 }
    }
}

impl<V: Copy + fmt::Debug> fmt::Debug for IdMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.from(StreamId::MIN)).finish()
    }
}

impl<V: Copy + PartialEq> PartialEq for IdMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.from(StreamId::MIN).eq(other.from(StreamId::MIN))
    }
}

impl<V: Copy + Serialize> Serialize for IdMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;

        let mut map = serializer.serialize_map(Some(self.len))?;
        self.from(StreamId::MIN).try_for_each(|(id, value)| map.serialize_entry(&id, value))?;
        map.end()
    }
}

impl<'de, V: Copy + Deserialize<'de>> Deserialize<'de> for IdMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<V>(PhantomData<V>);

        impl<'de, V: Copy + Deserialize<'de>> Visitor<'de> for Read<V> {
            type Value = IdMap<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map by id")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut read = IdMap::default();
                while let Some((id, value)) = map.next_entry()? {
                    read.insert(id, value);
                }
                Ok(read)
            }
        }

        deserializer.deserialize_map(Read(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(millis: u64) -> StreamId {
        StreamId { millis, sequence: millis % 3 }
    }

    fn check(map: &IdMap<u64>, wanted: &BTreeMap<StreamId, u64>) {
        let held: Vec<_> = map.from(StreamId::MIN).map(|(id, value)| (id, *value)).collect();
        let wanted: Vec<_> = wanted.iter().map(|(id, value)| (*id, *value)).collect();
        assert_eq!(held, wanted);
        assert_eq!(map.len(), wanted.len());
        assert_eq!(map.first(), wanted.first().map(|(id, _)| *id));
        assert_eq!(map.last(), wanted.last().map(|(id, _)| *id));
        for chunk in &map.chunks {
            assert!((1..=CHUNK_MAX).contains(&chunk.entries.len()) && chunk.first == chunk.entries[0].0);
        }
        assert!(map.chunks.len() <= 2 + 6 * map.len() / CHUNK_MAX, "{} in {}", map.len(), map.chunks.len());
    }

    proptest! {
        /// Runs of ids, dense and sparse, put there and taken away; and a copy from in between stays as it was.
        #[test]
        fn it_is_a_sorted_map_and_its_copy_another(
            steps in prop::collection::vec((0_u64..4, 0_u64..2000, 1_u64..300, 1_u64..40), 1..20),
            copied in 0_usize..20,
        ) {
            let (mut map, mut wanted) = (IdMap::default(), BTreeMap::new());
            let mut copy = (map.clone(), wanted.clone());
            for (number, (step, start, count, stride)) in steps.into_iter().enumerate() {
                if number == copied {
                    copy = (map.clone(), wanted.clone());
                }
                for at in (start..).step_by(stride as usize).take(count as usize).map(id) {
                    if step == 0 {
                        prop_assert_eq!(map.remove(at), wanted.remove(&at));
                    } else {
                        let value = number as u64;
                        prop_assert_eq!(map.insert(at, value), wanted.insert(at, value));
                    }
                    prop_assert_eq!(map.get(at), wanted.get(&at));
                }
                check(&map, &wanted);
                let from: Vec<_> = map.from(id(start + 7)).map(|(id, _)| id).collect();
                let above: Vec<_> = wanted.range(id(start + 7)..).map(|(id, _)| *id).collect();
                prop_assert_eq!(from, above);
            }
            check(&copy.0, &copy.1);
        }

        /// The format of checkpoints.
        #[test]
        fn it_is_written_as_a_map_and_without_values_as_a_set(ids in prop::collection::btree_set(0_u64..1000, 0..400)) {
            let (mut map, mut set) = (IdMap::default(), IdMap::default());
            for number in &ids {
                map.insert(id(*number), *number);
                set.insert(id(*number), ());
            }
            let wanted: BTreeMap<StreamId, u64> = ids.iter().map(|number| (id(*number), *number)).collect();
            let bytes = postcard::to_stdvec(&map).unwrap();
            prop_assert_eq!(&bytes, &postcard::to_stdvec(&wanted).unwrap());
            prop_assert!(postcard::from_bytes::<IdMap<u64>>(&bytes).unwrap() == map);
            let keys: std::collections::BTreeSet<StreamId> = wanted.into_keys().collect();
            prop_assert_eq!(postcard::to_stdvec(&set).unwrap(), postcard::to_stdvec(&keys).unwrap());
        }
    }

    #[test]
    fn a_copy_of_many_takes_little() {
        let mut map = IdMap::default();
        for number in 0..100_000 {
            map.insert(id(number), [0_u64; 2]);
        }
        let (copy, bytes) = naru_measured::peak_bytes(|| map.clone());
        assert!(bytes < 100_000 / 2 && copy.len() == 100_000, "{bytes}");
        // And what changes in one of the two is copied alone.
        let (_, bytes) = naru_measured::peak_bytes(|| map.remove(id(50_000)));
        assert!(bytes < 3 * CHUNK_MAX * size_of::<(StreamId, [u64; 2])>(), "{bytes}");
        assert!(map.len() == 99_999 && copy.get(id(50_000)).is_some());
    }
}
