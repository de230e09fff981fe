use serde::{Deserialize, Serialize};

use super::StreamId;
use crate::keyspace::Place;

/// Neighbouring entries of a stream, rising. `~` trims whole nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Node {
    /// Never empty within a stream.
    entries: Vec<Entry>,
    /// Entries it has had and has no more. As in Redis they count when it is asked whether the node is full.
    removed: u32,
}

/// An entry: its id, and where its body is. Packed, since there may be many millions; its fields are only ever copied.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(C, packed(4))]
struct Entry {
    millis: u64,
    sequence: u64,
    address: u64,
    bytes: u32,
}

impl Entry {
    fn id(self) -> StreamId {
        StreamId { millis: self.millis, sequence: self.sequence }
    }

    fn place(self) -> Place {
        Place { address: self.address, bytes: self.bytes }
    }
}

impl Node {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// About how many bytes of memory it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Node>() + self.entries.capacity() * size_of::<Entry>()
    }

    /// How many it has had.
    pub(super) fn len_ever(&self) -> usize {
        self.entries.len() + self.removed as usize
    }

    pub(super) fn get(&self, at: usize) -> Option<(StreamId, Place)> {
        self.entries.get(at).map(|entry| (entry.id(), entry.place()))
    }

    pub(super) fn first(&self) -> Option<StreamId> {
        self.entries.first().map(|entry| entry.id())
    }

    pub(super) fn last(&self) -> Option<StreamId> {
        self.entries.last().map(|entry| entry.id())
    }

    /// How many entries are below `id`.
    pub(super) fn below(&self, id: StreamId) -> usize {
        self.entries.partition_point(|entry| entry.id() < id)
    }

    /// Adds an entry above all others, to a node that has room for `entries_max`.
    pub(super) fn push(&mut self, id: StreamId, place: Place, entries_max: usize) {
        let len = self.entries.len();
        if len == self.entries.capacity() {
            // By half, and not beyond what it will ever hold: most streams are small, and most nodes full.
            let more = (len / 2).max(1).min(entries_max.saturating_sub(len).max(1));
            self.entries.reserve_exact(more);
        }
        let StreamId { millis, sequence } = id;
        self.entries.push(Entry { millis, sequence, address: place.address, bytes: place.bytes });
    }

    /// Puts another place in that of an entry's body, which is given back.
    pub(super) fn replace(&mut self, id: StreamId, place: Place) -> Option<Place> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id()).ok()?;
        let before = self.entries[at].place();
        let StreamId { millis, sequence } = id;
        self.entries[at] = Entry { millis, sequence, address: place.address, bytes: place.bytes };
        Some(before)
    }

    /// Removes an entry; where its body was.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<Place> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id()).ok()?;
        self.removed = self.removed.saturating_add(1);
        Some(self.entries.remove(at).place())
    }

    /// Removes so many of the oldest entries; where their bodies were.
    pub(super) fn remove_first(&mut self, count: usize, mut freed: impl FnMut(Place)) {
        let count = count.min(self.entries.len());
        self.removed = self.removed.saturating_add(count as u32);
        self.entries.drain(..count).for_each(|entry| freed(entry.place()));
    }

    /// Whether it has entries, which rise.
    pub(super) fn is_sound(&self) -> bool {
        !self.entries.is_empty() && self.entries.is_sorted_by(|one, other| one.id() < other.id())
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.entries.iter().map(|entry| entry.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_28_bytes_and_a_node_no_more_than_it_needs() {
        assert_eq!(size_of::<Entry>(), 28);
        let mut node = Node::default();
        for millis in 1..=100 {
            node.push(StreamId { millis, sequence: 0 }, Place { address: millis, bytes: 1 }, 100);
            let capacity = node.entries.capacity();
            assert!(capacity <= 100 && capacity <= node.len() + node.len() / 2 + 1, "{capacity}");
        }
        assert_eq!(node.entries.capacity(), 100);
    }
}
