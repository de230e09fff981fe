use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    GroupChange, IdRequest, Progress, StreamChange, StreamId,
    group::{Group, is_countable},
    node::Node,
    radix::radix_nodes,
    trim::{Keep, Trim},
};
use crate::keyspace::Place;

/// One stream. The order of its fields is the format of checkpoints. `last` never goes back, so that no id is given twice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// Shared with a copy of the stream until one of the two changes them.
    nodes: VecDeque<Arc<Node>>,
    len: usize,
    last: StreamId,
    /// The highest id of those that were deleted one by one.
    deleted_max: StreamId,
    /// Entries there have ever been.
    added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
}

/// Why an id cannot be given, in Redis's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoId {
    #[error("ERR The ID specified in XADD must be greater than 0-0")]
    Zero,
    #[error("ERR The ID specified in XADD is equal or smaller than the target stream top item")]
    NotAbove,
    #[error("ERR The stream has exhausted the last possible ID, unable to add more items")]
    Exhausted,
}

/// What a trim does: it removes all entries up to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trimmed {
    pub(crate) through: StreamId,
    pub(crate) count: usize,
}

impl Stream {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The highest id ever given.
    pub(crate) fn last(&self) -> StreamId {
        self.last
    }

    /// The id of the last entry that is there.
    pub(crate) fn end(&self) -> Option<StreamId> {
        self.nodes.back()?.last()
    }

    /// The id an entry would get at `now` (unix milliseconds).
    pub(crate) fn next_id(&self, request: IdRequest, now: u64) -> Result<StreamId, NoId> {
        let above = self.last.next().ok_or(NoId::Exhausted)?;
        match request {
            IdRequest::Auto => Ok(above.max(StreamId { millis: now, sequence: 0 })),
            IdRequest::AutoSequence(millis) if millis < self.last.millis => Err(NoId::NotAbove),
            IdRequest::AutoSequence(millis) if millis == self.last.millis => {
                if above.millis == millis {
                    Ok(above)
                } else {
                    Err(NoId::NotAbove)
                }
            }
            IdRequest::AutoSequence(millis) => Ok(StreamId { millis, sequence: 0 }),
            IdRequest::Exactly(StreamId::MIN) => Err(NoId::Zero),
            IdRequest::Exactly(id) if id <= self.last => Err(NoId::NotAbove),
            IdRequest::Exactly(id) => Ok(id),
        }
    }

    /// What a trim removes; none if it removes nothing. It goes through the nodes as Redis does.
    pub(crate) fn trimmed(&self, trim: Trim) -> Option<Trimmed> {
        let mut trimmed = Trimmed { through: StreamId::MIN, count: 0 };
        for node in &self.nodes {
            let left = self.len - trimmed.count;
            let (surplus, is_whole) = match trim.keep {
                Keep::Newest(keep) => {
                    let surplus = left.saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
                    (surplus.min(node.len()), surplus >= node.len())
                }
                Keep::From(id) => {
                    let below = node.below(id);
                    (below, below == node.len())
                }
            };
            let is_too_much = |limit: u64| limit > 0 && (trimmed.count + node.len()) as u64 > limit;
            if surplus == 0 || trim.by_nodes.is_some_and(|limit| !is_whole || is_too_much(limit)) {
                break;
            }
            if let Some((through, _)) = node.get(surplus - 1) {
                trimmed = Trimmed { through, count: trimmed.count + surplus };
            }
            if !is_whole {
                break;
            }
        }
        (trimmed.count > 0).then_some(trimmed)
    }

    /// Adds an entry above all others; a node holds at most so many.
    pub(crate) fn add(&mut self, id: StreamId, place: Place, node_entries_max: usize) {
        debug_assert!(id > self.last);
        if self.nodes.back().is_none_or(|node| node.len_ever() >= node_entries_max) {
            if self.nodes.is_empty() {
                self.nodes.reserve_exact(1);
            }
            self.nodes.push_back(Arc::default());
        }
        if let Some(node) = self.nodes.back_mut() {
            Arc::make_mut(node).push(id, place, node_entries_max);
        }
        self.last = id;
        self.len += 1;
        self.added += 1;
    }

    /// Makes any other change, and tells where bodies were that are no longer needed.
    pub(crate) fn apply(&mut self, change: StreamChange, freed: impl FnMut(Place)) {
        match change {
            StreamChange::Added { .. } | StreamChange::Moved { .. } | StreamChange::Trimmed { .. } => {
                debug_assert!(false, "what comes with places, or leaves many, has a way of its own")
            }
            StreamChange::Deleted { ids } => ids.into_iter().filter_map(|id| self.remove(id)).for_each(freed),
            StreamChange::Set { last, added, deleted_max } => {
                self.last = last;
                self.added = added.unwrap_or(self.added);
                self.deleted_max = deleted_max.unwrap_or(self.deleted_max);
            }
            StreamChange::Group { group, change: GroupChange::Created(progress) } => {
                self.groups.insert(group[..].into(), Group::new(progress));
            }
            StreamChange::Group { group, change: GroupChange::Destroyed } => {
                self.groups.remove(&group[..]);
            }
            StreamChange::Group { group, change } => {
                if let Some(group) = self.groups.get_mut(&group[..]) {
                    group.apply(change);
                }
            }
        }
    }

    pub(crate) fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    pub(crate) fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// Its consumer groups, by name.
    pub(crate) fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// The highest id of those that were deleted one by one; 0-0 if none was.
    pub(crate) fn deleted_max(&self) -> StreamId {
        self.deleted_max
    }

    /// Entries there have ever been.
    pub(crate) fn added(&self) -> u64 {
        self.added
    }

    /// How many nodes it has, and how many of the radix tree that Redis would keep them in.
    pub(crate) fn node_counts(&self) -> (usize, usize) {
        (self.nodes.len(), radix_nodes(self.nodes.iter().filter_map(|node| node.first())))
    }

    /// Whether an entry from `start` on has been deleted, so that those after it cannot be counted.
    fn has_gaps_from(&self, start: StreamId) -> bool {
        self.len > 0 && self.deleted_max != StreamId::MIN && start <= self.deleted_max
    }

    /// How many entries there have been up to `id`, if that can be told.
    fn added_through(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last {
            return Some(self.added);
        }
        if id != StreamId::MIN && id < self.deleted_max || id > self.last {
            return None;
        }
        if id == self.last {
            return Some(self.added);
        }
        let first = self.first();
        if self.deleted_max >= first {
            return None;
        }
        let before = self.added.checked_sub(self.len as u64)?;
        match id.cmp(&first) {
            Ordering::Less => Some(before),
            Ordering::Equal => Some(before + 1),
            Ordering::Greater => None,
        }
    }

    /// How far a group is that was so far, when it has been given `id`, the next entry. Like the lag this is as in Redis
    /// since 7.2.6, which knows more of what was trimmed.
    pub(crate) fn progress_after(&self, from: Progress, id: StreamId) -> Progress {
        if id <= from.last {
            return from;
        }
        let read = match from.read {
            Some(read) if from.last >= self.first() && !self.has_gaps_from(from.last) => Some(read + 1),
            read if self.added == 0 => read,
            _ => self.added_through(id),
        };
        Progress { last: id, read }
    }

    /// How many entries are still to be read by a group that is so far, if that can be told.
    pub(crate) fn lag(&self, progress: Progress) -> Option<i64> {
        let first = self.first();
        if self.added == 0 || self.len == 0 {
            return Some(0);
        }
        if progress.last < first && self.deleted_max < first {
            return Some(self.len as i64);
        }
        let read = match progress.read {
            Some(read) if !self.has_gaps_from(progress.last) => read,
            _ => self.added_through(progress.last)?,
        };
        Some(self.added as i64 - read as i64)
    }

    /// The oldest entry there is; 0-0 if there is none.
    pub(crate) fn first(&self) -> StreamId {
        self.nodes.front().and_then(|node| node.first()).unwrap_or(StreamId::MIN)
    }

    pub(crate) fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// Where the body of an entry is.
    pub(crate) fn get(&self, id: StreamId) -> Option<Place> {
        let (found, place) = self.range(id, id).next()?;
        (found == id).then_some(place)
    }

    /// Removes an entry; where its body was.
    fn remove(&mut self, id: StreamId) -> Option<Place> {
        let (at, _) = self.seek(id);
        let node = self.nodes.get_mut(at)?;
        let place = Arc::make_mut(node).remove(id)?;
        if node.len() == 0 {
            self.nodes.remove(at);
        }
        self.len -= 1;
        self.deleted_max = self.deleted_max.max(id);
        Some(place)
    }

    /// Removes all entries up to `id`. Whole nodes are given back as a stream of their own, which takes no longer for
    /// millions; of the others it is told where their bodies were.
    pub(crate) fn cut_through(&mut self, id: StreamId, freed: impl FnMut(Place)) -> Stream {
        let whole = self.nodes.partition_point(|node| node.last().is_some_and(|last| last <= id));
        let nodes: VecDeque<_> = self.nodes.drain(..whole).collect();
        let cut = Stream { len: nodes.iter().map(|node| node.len()).sum(), nodes, ..Stream::default() };
        self.len -= cut.len;
        if let Some(node) = self.nodes.front_mut() {
            let surplus = id.next().map_or(0, |above| node.below(above));
            if surplus > 0 {
                Arc::make_mut(node).remove_first(surplus, freed);
                self.len -= surplus;
            }
        }
        cut
    }

    /// Takes away the oldest node; where the bodies of its entries were.
    pub(crate) fn take_node(&mut self, freed: impl FnMut(Place)) -> bool {
        let Some(node) = self.nodes.pop_front() else { return false };
        self.len -= node.len();
        node.places().for_each(freed);
        true
    }

    /// Entries from `start` to `end`, both included.
    pub(crate) fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let back = end.next().map_or((self.nodes.len(), 0), |above| self.seek(above));
        Range { nodes: &self.nodes, front: self.seek(start), back }
    }

    /// Where the first entry from `id` on is: its node, and its number in there.
    fn seek(&self, id: StreamId) -> (usize, usize) {
        let node = self.nodes.partition_point(|node| node.last().is_some_and(|last| last < id));
        (node, self.nodes.get(node).map_or(0, |node| node.below(id)))
    }

    /// The newest entry there is.
    pub(crate) fn newest(&self) -> Option<StreamId> {
        self.nodes.back().and_then(|node| node.last())
    }

    /// Its entries, without so many of the oldest.
    pub(crate) fn from(&self, without: usize) -> Range<'_> {
        let mut front = (0, without);
        while let Some(node) = self.nodes.get(front.0).filter(|node| front.1 >= node.len()) {
            front = (front.0 + 1, front.1 - node.len());
        }
        Range { nodes: &self.nodes, front, back: (self.nodes.len(), 0) }
    }

    /// Notes that the body of an entry, if it is there, stands elsewhere now; where it stood.
    pub(crate) fn move_body(&mut self, id: StreamId, place: Place) -> Option<Place> {
        let (at, _) = self.seek(id);
        Arc::make_mut(self.nodes.get_mut(at)?).replace(id, place)
    }

    /// The changes that make another stream with the same entries know what this one does.
    pub(crate) fn past(&self) -> Vec<StreamChange> {
        let set = StreamChange::Set {
            last: self.last,
            added: Some(self.added),
            deleted_max: Some(self.deleted_max),
        };
        let mut past = vec![set];
        for (name, group) in &self.groups {
            let name = Bytes::copy_from_slice(name);
            let changes = group.past().into_iter();
            past.extend(changes.map(|change| StreamChange::Group { group: name.clone(), change }));
        }
        past
    }

    /// Whether one that was read back can have come to be as streams do.
    pub(crate) fn is_sound(&self) -> bool {
        let rises = |one: &Arc<Node>, other: &Arc<Node>| one.last() < other.first();
        self.nodes.iter().all(|node| node.is_sound())
            && self.nodes.iter().is_sorted_by(|one, other| rises(one, other))
            && self.len == self.nodes.iter().map(|node| node.len()).sum::<usize>()
            && self.newest().is_none_or(|newest| newest <= self.last)
            && is_countable(Some(self.added))
            && self.groups.values().all(Group::is_sound)
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let nodes: usize = self.nodes.iter().map(|node| node.memory_bytes()).sum();
        let groups = self.groups.iter().map(|(name, group)| name.len() + group.memory_bytes());
        size_of::<Stream>() + nodes + groups.sum::<usize>()
    }

    /// Where all its bodies are.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        self.nodes.iter().flat_map(|node| node.places())
    }
}

/// Entries of a stream, from either end.
#[derive(Clone)]
pub(crate) struct Range<'a> {
    nodes: &'a VecDeque<Arc<Node>>,
    /// The next entry: its node, and its number in there.
    front: (usize, usize),
    /// Behind the last one.
    back: (usize, usize),
}

impl Iterator for Range<'_> {
    type Item = (StreamId, Place);

    fn next(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let (at, number) = self.front;
        let node = self.nodes.get(at)?;
        self.front = if number + 1 < node.len() { (at, number + 1) } else { (at + 1, 0) };
        node.get(number)
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = match self.back {
            (at, 0) => (at.checked_sub(1)?, self.nodes.get(at - 1)?.len().checked_sub(1)?),
            (at, number) => (at, number - 1),
        };
        self.nodes.get(self.back.0)?.get(self.back.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64, sequence: u64) -> StreamId {
        StreamId { millis, sequence }
    }

    const PLACE: Place = Place { address: 0, bytes: 0 };

    fn stream(ids: impl IntoIterator<Item = StreamId>) -> Stream {
        let mut stream = Stream::default();
        for id in ids {
            stream.add(id, Place { address: id.millis, bytes: 1 }, 100);
        }
        stream
    }

    #[test]
    fn ids_rise_even_when_the_clock_does_not() {
        let stream = stream([id(100, 5)]);
        assert_eq!(stream.next_id(IdRequest::Auto, 50), Ok(id(100, 6)));
        assert_eq!(stream.next_id(IdRequest::Auto, 100), Ok(id(100, 6)));
        assert_eq!(stream.next_id(IdRequest::Auto, 101), Ok(id(101, 0)));
        assert_eq!(stream.next_id(IdRequest::AutoSequence(100), 0), Ok(id(100, 6)));
        assert_eq!(stream.next_id(IdRequest::AutoSequence(99), 0), Err(NoId::NotAbove));
        assert_eq!(stream.next_id(IdRequest::Exactly(id(100, 5)), 0), Err(NoId::NotAbove));
        assert_eq!(stream.next_id(IdRequest::Exactly(StreamId::MIN), 0), Err(NoId::Zero));
    }

    #[test]
    fn an_id_is_not_given_again_after_its_entry_is_gone() {
        let mut stream = stream([id(7, 0)]);
        assert!(stream.remove(id(7, 0)).is_some());
        assert!(stream.remove(id(7, 0)).is_none());
        assert_eq!(stream.len(), 0);
        assert_eq!(stream.next_id(IdRequest::Exactly(id(7, 0)), 0), Err(NoId::NotAbove));
        stream.add(StreamId::MAX, PLACE, 100);
        assert_eq!(stream.next_id(IdRequest::Auto, 0), Err(NoId::Exhausted));
    }

    #[test]
    fn trimming_leaves_what_it_was_asked_to_keep() {
        let stream = stream((1..=250).map(|millis| id(millis, 0)));
        let through = |trim| stream.trimmed(trim).map(|Trimmed { through, count }| (through.millis, count));
        let exact = |keep| through(Trim { keep, by_nodes: None });
        assert_eq!(exact(Keep::Newest(10)), Some((240, 240)));
        assert_eq!(exact(Keep::Newest(250)), None);
        assert_eq!(exact(Keep::From(id(3, 0))), Some((2, 2)));
        assert_eq!(exact(Keep::From(id(300, 0))), Some((250, 250)));
        let by_nodes = |keep, limit| through(Trim { keep, by_nodes: Some(limit) });
        assert_eq!(by_nodes(Keep::Newest(10), 0), Some((200, 200)));
        assert_eq!(by_nodes(Keep::Newest(10), 150), Some((100, 100)));
        assert_eq!(by_nodes(Keep::Newest(151), 0), None);
        assert_eq!(by_nodes(Keep::From(id(101, 0)), 0), Some((100, 100)));
        assert_eq!(by_nodes(Keep::From(id(100, 0)), 0), None);
    }

    #[test]
    fn an_empty_range_is_empty() {
        let stream = stream([id(1, 0), id(2, 0)]);
        assert_eq!(stream.range(id(2, 1), id(1, 0)).count(), 0);
        assert_eq!(stream.range(id(1, 0), id(1, 9)).count(), 1);
        assert_eq!(Stream::default().range(StreamId::MIN, StreamId::MAX).count(), 0);
    }

    proptest::proptest! {
        /// What is said to be left for a group is what is left.
        #[test]
        fn a_lag_that_is_known_is_right(steps in proptest::collection::vec((0_u8..5, 0_u64..40), 0..120)) {
            let mut stream = Stream::default();
            let mut progress = Progress { last: StreamId::MIN, read: Some(0) };
            let mut next = 1;
            let mut known = 0;
            for (step, number) in &steps {
                match step {
                    0 | 1 => {
                        stream.add(id(next, 0), PLACE, 3);
                        next += 1;
                    }
                    2 => {
                        stream.remove(id(*number, 0));
                    }
                    3 => drop(stream.cut_through(id(number / 2, 0), |_| {})),
                    _ => {
                        let start = progress.last.next().unwrap();
                        let unread: Vec<_> =
                            stream.range(start, StreamId::MAX).take(1 + *number as usize % 3).collect();
                        for (id, _) in unread {
                            progress = stream.progress_after(progress, id);
                        }
                    }
                }
                if let Some(lag) = stream.lag(progress) {
                    known += 1;
                    let left = stream.range(progress.last.next().unwrap(), StreamId::MAX).count();
                    assert_eq!(lag, left as i64, "{stream:?} {progress:?}");
                }
            }
            assert!(steps.is_empty() || known > 0);
        }

        /// Against a sorted list: adding, removing, trimming, reading from both ends.
        #[test]
        fn a_stream_is_a_sorted_list(
            steps in proptest::collection::vec((0_u8..4, 0_u64..120), 0..300),
            node_entries_max in 1_usize..6,
        ) {
            let mut stream = Stream::default();
            let mut list: Vec<u64> = Vec::new();
            let mut freed = 0;
            let mut next = 1;
            for (step, number) in steps {
                match step {
                    0 | 1 => {
                        stream.add(id(next, 0), Place { address: next, bytes: 1 }, node_entries_max);
                        list.push(next);
                        next += 1 + number % 3;
                    }
                    2 => {
                        let is_there = list.contains(&number);
                        list.retain(|other| *other != number);
                        freed += usize::from(is_there);
                        assert_eq!(stream.remove(id(number, 0)).map(|place| place.address), is_there.then_some(number));
                    }
                    _ => {
                        let mut cut = stream.cut_through(id(number / 2, 0), |_| freed += 1);
                        while cut.take_node(|_| freed += 1) {}
                        assert_eq!(cut.len(), 0);
                        list.retain(|other| *other > number / 2);
                    }
                }
                let (start, end) = (number, number + 20);
                let wanted: Vec<u64> = list.iter().copied().filter(|it| (start..=end).contains(it)).collect();
                let found: Vec<u64> = stream.range(id(start, 0), id(end, 0)).map(|(id, _)| id.millis).collect();
                let mut back: Vec<u64> = stream.range(id(start, 0), id(end, 0)).rev().map(|(id, _)| id.millis).collect();
                back.reverse();
                assert_eq!((&found, &back), (&wanted, &wanted));
                assert_eq!(stream.len(), list.len());
                assert_eq!(stream.places().map(|place| place.address).collect::<Vec<_>>(), list);
                assert_eq!(freed + list.len(), stream.added as usize);
            }
        }
    }
}
