use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Assigned, GroupChange, Progress, StreamId, id_map::IdMap};

/// A consumer group: how far it has read, and what is pending: delivered to one of its consumers and not acknowledged.
/// What is pending for a consumer is what is pending in the group with its number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Group {
    progress: Progress,
    pending: IdMap<Pending>,
    /// By number; a number is used again once its consumer is gone.
    consumers: Vec<Option<Consumer>>,
    numbers: BTreeMap<Box<[u8]>, u32>,
}

/// An entry that is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// When it was last delivered, in Unix milliseconds.
    pub(crate) at: u64,
    /// How often.
    pub(crate) count: u32,
    consumer: u32,
}

/// One who reads for a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Consumer {
    name: Box<[u8]>,
    /// When it last asked for anything, in Unix milliseconds.
    seen: u64,
    /// When it last got anything.
    active: Option<u64>,
    pending: IdMap<()>,
}

impl Consumer {
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    pub(crate) fn active(&self) -> Option<u64> {
        self.active
    }

    pub(crate) fn pending_count(&self) -> usize {
        self.pending.len()
    }
}

impl Group {
    pub(super) fn new(progress: Progress) -> Self {
        Group { progress, ..Group::default() }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let names = self.numbers.keys().map(|name| 2 * name.len());
        let pending_of_each = self.consumers().map(|consumer| consumer.pending.memory_bytes());
        size_of::<Group>()
            + self.pending.memory_bytes()
            + pending_of_each.sum::<usize>()
            + self.consumers.len() * size_of::<Consumer>()
            + names.sum::<usize>()
    }

    /// The changes that make another group like this one.
    pub(super) fn past(&self) -> Vec<GroupChange> {
        let mut changes = vec![GroupChange::Created(self.progress)];
        for consumer in self.consumers() {
            let name = Bytes::copy_from_slice(consumer.name());
            changes.push(GroupChange::ConsumerCreated { consumer: name.clone(), at: consumer.seen });
            if let Some(at) = consumer.active {
                let (consumer, progress) = (name.clone(), self.progress);
                let nothing = Vec::new();
                changes.push(GroupChange::Delivered {
                    consumer,
                    at,
                    ids: nothing,
                    are_pending: true,
                    progress,
                });
            }
            let pending = self.pending_of(consumer, StreamId::MIN);
            let entries = pending.map(|(id, Pending { at, count, .. })| Assigned { id, at, count }).collect();
            changes.push(GroupChange::Assigned {
                consumer: name,
                at: consumer.seen,
                entries,
                is_claim: false,
            });
        }
        changes
    }

    /// Whether one that was read back can have come to be as groups do.
    pub(super) fn is_sound(&self) -> bool {
        let mut is_named = self.numbers.iter().map(|(name, number)| {
            let consumer = self.consumers.get(*number as usize).and_then(Option::as_ref);
            consumer.is_some_and(|consumer| consumer.name == *name)
        });
        let mut pending_of_each = 0;
        for (number, consumer) in (0..).zip(&self.consumers) {
            let Some(consumer) = consumer else { continue };
            pending_of_each += consumer.pending.len();
            let mut ids = consumer.pending.from(StreamId::MIN).map(|(id, ())| self.pending.get(id));
            if !ids.all(|pending| pending.is_some_and(|pending| pending.consumer == number)) {
                return false;
            }
        }
        pending_of_each == self.pending.len()
            && self.consumers.iter().flatten().count() == self.numbers.len()
            && is_named.all(|is_named| is_named)
            && is_countable(self.progress.read)
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    pub(crate) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// Its consumers, by name.
    pub(crate) fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.numbers.values().map(|number| {
            self.consumers[*number as usize].as_ref().expect("a number that is given has its consumer")
        })
    }

    pub(crate) fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get(*self.numbers.get(name)? as usize)?.as_ref()
    }

    /// A pending entry, and whose it is.
    pub(crate) fn pending(&self, id: StreamId) -> Option<(Pending, &Consumer)> {
        let pending = *self.pending.get(id)?;
        Some((pending, self.owner(pending)))
    }

    /// The first and the last pending entry.
    pub(crate) fn pending_ends(&self) -> Option<(StreamId, StreamId)> {
        self.pending.first().zip(self.pending.last())
    }

    /// What is pending from `start` to `end`, both included, and whose it is.
    pub(crate) fn pending_from(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = (StreamId, Pending, &Consumer)> {
        let range = self.pending.from(start).take_while(move |(id, _)| *id <= end);
        range.map(|(id, pending)| (id, *pending, self.owner(*pending)))
    }

    /// What is pending for a consumer of it, from `start` on.
    pub(crate) fn pending_of<'a>(
        &'a self,
        consumer: &'a Consumer,
        start: StreamId,
    ) -> impl Iterator<Item = (StreamId, Pending)> + 'a {
        consumer.pending.from(start).map(|(id, ())| {
            (id, *self.pending.get(id).expect("what is pending for a consumer is pending in the group"))
        })
    }

    fn owner(&self, pending: Pending) -> &Consumer {
        let consumer = self.consumers.get(pending.consumer as usize).and_then(Option::as_ref);
        consumer.expect("a consumer that goes takes with it what is pending for it")
    }

    /// Notes that a consumer has asked for something. Of itself that is not recorded.
    pub(crate) fn see(&mut self, consumer: &[u8], now: u64) {
        if let Some(consumer) = self.number(consumer).and_then(|number| self.at(number)) {
            consumer.seen = now;
        }
    }

    fn number(&self, name: &[u8]) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    fn at(&mut self, number: u32) -> Option<&mut Consumer> {
        self.consumers.get_mut(number as usize)?.as_mut()
    }

    /// The number of a consumer, which is made if it is not there.
    fn number_or_new(&mut self, name: &[u8], now: u64) -> u32 {
        if let Some(number) = self.number(name) {
            return number;
        }
        let free = self.consumers.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            self.consumers.reserve_exact(1 + self.consumers.len() / 2);
            self.consumers.push(None);
            self.consumers.len() - 1
        });
        self.consumers[number] =
            Some(Consumer { name: name.into(), seen: now, active: None, pending: IdMap::default() });
        self.numbers.insert(name.into(), number as u32);
        number as u32
    }

    /// Makes a change, other than of whether the group is there.
    pub(super) fn apply(&mut self, change: GroupChange) {
        match change {
            GroupChange::Created(progress) | GroupChange::Moved(progress) => self.progress = progress,
            GroupChange::Destroyed => debug_assert!(false, "the stream destroys its groups"),
            GroupChange::ConsumerCreated { consumer, at } => {
                self.number_or_new(&consumer, at);
            }
            GroupChange::ConsumerDeleted { consumer } => self.delete(&consumer),
            GroupChange::Delivered { consumer, at, ids, are_pending, progress } => {
                let number = self.number_or_new(&consumer, at);
                if are_pending {
                    ids.into_iter().for_each(|id| self.assign(number, Assigned { id, at, count: 1 }));
                }
                self.note(number, at, are_pending);
                self.progress = progress;
            }
            GroupChange::Assigned { consumer, at, entries, is_claim } => {
                let number = self.number_or_new(&consumer, at);
                let is_any = !entries.is_empty();
                entries.into_iter().for_each(|entry| self.assign(number, entry));
                self.note(number, at, is_claim && is_any);
            }
            GroupChange::Settled { ids } => ids.into_iter().for_each(|id| self.settle(id)),
        }
    }

    fn note(&mut self, number: u32, now: u64, is_active: bool) {
        if let Some(consumer) = self.at(number) {
            consumer.seen = now;
            if is_active {
                consumer.active = Some(now);
            }
        }
    }

    fn assign(&mut self, number: u32, Assigned { id, at, count }: Assigned) {
        let before = self.pending.insert(id, Pending { at, count, consumer: number });
        match before {
            Some(before) if before.consumer == number => return,
            Some(before) => {
                if let Some(consumer) = self.at(before.consumer) {
                    consumer.pending.remove(id);
                }
            }
            None => {}
        }
        if let Some(consumer) = self.at(number) {
            consumer.pending.insert(id, ());
        }
    }

    fn settle(&mut self, id: StreamId) {
        if let Some(pending) = self.pending.remove(id)
            && let Some(consumer) = self.at(pending.consumer)
        {
            consumer.pending.remove(id);
        }
    }

    fn delete(&mut self, consumer: &[u8]) {
        let Some(number) = self.numbers.remove(consumer) else { return };
        if let Some(consumer) = self.consumers[number as usize].take() {
            for (id, ()) in consumer.pending.from(StreamId::MIN) {
                self.pending.remove(id);
            }
        }
    }
}

/// Whether numbers of entries can be added to and compared with this one.
pub(crate) fn is_countable(entries: Option<u64>) -> bool {
    entries.is_none_or(|entries| i64::try_from(entries).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64) -> StreamId {
        StreamId { millis, sequence: 0 }
    }

    fn delivered(consumer: &'static str, at: u64, ids: &[u64]) -> GroupChange {
        GroupChange::Delivered {
            consumer: consumer.into(),
            at,
            ids: ids.iter().copied().map(id).collect(),
            are_pending: true,
            progress: Progress { last: id(ids[ids.len() - 1]), read: None },
        }
    }

    fn pending(group: &Group) -> Vec<(u64, String)> {
        let all = group.pending_from(StreamId::MIN, StreamId::MAX);
        all.map(|(id, _, consumer)| (id.millis, String::from_utf8_lossy(consumer.name()).into())).collect()
    }

    #[test]
    fn an_entry_is_pending_for_one_consumer_at_a_time() {
        let mut group = Group::default();
        group.apply(delivered("a", 5, &[1, 2]));
        group.apply(delivered("b", 6, &[2, 3]));
        assert_eq!(pending(&group), [(1, "a".into()), (2, "b".into()), (3, "b".into())]);
        let counts: Vec<_> = group.consumers().map(Consumer::pending_count).collect();
        assert_eq!((counts, group.pending_count()), (vec![1, 2], 3));
        let of_b = group.pending_of(group.consumer(b"b").unwrap(), id(3));
        assert_eq!(of_b.map(|(id, pending)| (id.millis, pending.at)).collect::<Vec<_>>(), [(3, 6)]);
        group.apply(GroupChange::Settled { ids: vec![id(2), id(9)] });
        assert_eq!(pending(&group), [(1, "a".into()), (3, "b".into())]);
        assert_eq!(group.pending_from(id(2), id(1)).count(), 0);
    }

    #[test]
    fn a_consumer_takes_with_it_what_is_pending_and_its_number_is_used_again() {
        let mut group = Group::default();
        group.apply(delivered("a", 5, &[1, 2]));
        group.apply(delivered("b", 5, &[3]));
        group.apply(GroupChange::ConsumerDeleted { consumer: "a".into() });
        assert_eq!(pending(&group), [(3, "b".into())]);
        group.apply(GroupChange::ConsumerCreated { consumer: "c".into(), at: 7 });
        group.apply(delivered("c", 8, &[1]));
        assert_eq!(pending(&group), [(1, "c".into()), (3, "b".into())]);
        assert_eq!(group.consumers.len(), 2);
        let names: Vec<_> = group.consumers().map(Consumer::name).collect();
        assert_eq!(names, [b"b", b"c"]);
    }

    #[test]
    fn a_group_is_made_again_by_its_past() {
        let mut group = Group::new(Progress { last: id(9), read: Some(4) });
        group.apply(delivered("a", 5, &[1, 2]));
        group.apply(GroupChange::ConsumerCreated { consumer: "idle".into(), at: 6 });
        group.apply(delivered("done", 7, &[3]));
        group.apply(GroupChange::Settled { ids: vec![id(3)] });
        let entries = vec![Assigned { id: id(7), at: 2, count: 9 }];
        group.apply(GroupChange::Assigned { consumer: "late".into(), at: 8, entries, is_claim: false });
        group.see(b"a", 50);
        let mut again = Group::default();
        group.past().into_iter().for_each(|change| again.apply(change));
        assert_eq!((again.progress, pending(&again)), (group.progress, pending(&group)));
        for (consumer, other) in group.consumers().zip(again.consumers()) {
            assert_eq!((consumer.name(), consumer.seen), (other.name(), other.seen));
            assert_eq!((consumer.active, &consumer.pending), (other.active, &other.pending));
        }
        assert_eq!(again.pending(id(7)).map(|(pending, _)| (pending.at, pending.count)), Some((2, 9)));
    }

    #[test]
    fn a_pending_entry_takes_16_bytes_beside_its_id() {
        assert_eq!(size_of::<Pending>(), 16);
    }
}
