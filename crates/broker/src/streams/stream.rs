use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;

use super::{
    IdRequest, StreamId,
    trim::{Keep, NODE_ENTRIES, Trim},
};

/// Field, value, field, value, …
pub(crate) type Fields = Vec<Bytes>;

/// One stream. `last` never goes back, so that no id is given twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    entries: BTreeMap<StreamId, Fields>,
    last: StreamId,
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

impl Stream {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The highest id ever given.
    pub(crate) fn last(&self) -> StreamId {
        self.last
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

    /// Up to which id (exclusively) a trim removes entries; none if it removes nothing.
    pub(crate) fn trim_below(&self, trim: Trim) -> Option<StreamId> {
        let mut surplus = match trim.keep {
            Keep::Newest(count) => (self.entries.len() as u64).saturating_sub(count),
            Keep::From(id) => self.entries.range(..id).count() as u64,
        };
        if let Some(limit) = trim.by_nodes {
            if limit > 0 {
                surplus = surplus.min(limit);
            }
            surplus -= surplus % NODE_ENTRIES;
        }
        let last_removed = self.entries.keys().nth(surplus.checked_sub(1)? as usize)?;
        last_removed.next().or(Some(StreamId::MAX))
    }

    pub(crate) fn add(&mut self, id: StreamId, fields: Fields) {
        self.last = self.last.max(id);
        self.entries.insert(id, fields);
    }

    pub(crate) fn contains(&self, id: StreamId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(crate) fn remove(&mut self, id: StreamId) {
        self.entries.remove(&id);
    }

    /// Removes entries below `id`.
    pub(crate) fn remove_below(&mut self, id: StreamId) {
        self.entries = self.entries.split_off(&id);
    }

    /// Entries from `start` to `end`, both included.
    pub(crate) fn range(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl DoubleEndedIterator<Item = (StreamId, &Fields)> {
        // An empty range would panic in the tree.
        let bounds = if start <= end {
            (Bound::Included(start), Bound::Included(end))
        } else {
            (Bound::Included(StreamId::MIN), Bound::Excluded(StreamId::MIN))
        };
        self.entries.range(bounds).map(|(id, fields)| (*id, fields))
    }

    /// The newest entry there is.
    pub(crate) fn newest(&self) -> Option<StreamId> {
        self.entries.keys().next_back().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64, sequence: u64) -> StreamId {
        StreamId { millis, sequence }
    }

    fn stream(ids: impl IntoIterator<Item = StreamId>) -> Stream {
        let mut stream = Stream::default();
        for id in ids {
            stream.add(id, vec![]);
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
        stream.remove(id(7, 0));
        assert_eq!(stream.len(), 0);
        assert_eq!(stream.next_id(IdRequest::Exactly(id(7, 0)), 0), Err(NoId::NotAbove));
        stream.add(StreamId::MAX, vec![]);
        assert_eq!(stream.next_id(IdRequest::Auto, 0), Err(NoId::Exhausted));
    }

    #[test]
    fn trimming_leaves_what_it_was_asked_to_keep() {
        let stream = stream((1..=250).map(|millis| id(millis, 0)));
        let exact = |keep| stream.trim_below(Trim { keep, by_nodes: None });
        assert_eq!(exact(Keep::Newest(10)), Some(id(240, 1)));
        assert_eq!(exact(Keep::Newest(250)), None);
        assert_eq!(exact(Keep::From(id(3, 0))), Some(id(2, 1)));
        let by_nodes = |keep, limit| stream.trim_below(Trim { keep, by_nodes: Some(limit) });
        assert_eq!(by_nodes(Keep::Newest(10), 0), Some(id(200, 1)));
        assert_eq!(by_nodes(Keep::Newest(10), 150), Some(id(100, 1)));
        assert_eq!(by_nodes(Keep::Newest(151), 0), None);
    }

    #[test]
    fn an_empty_range_is_empty() {
        let stream = stream([id(1, 0), id(2, 0)]);
        assert_eq!(stream.range(id(2, 1), id(1, 0)).count(), 0);
        assert_eq!(stream.range(id(1, 0), id(1, 9)).count(), 1);
    }
}
