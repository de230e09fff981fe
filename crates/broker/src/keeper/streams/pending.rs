//! XPENDING.

use bytes::Bytes;

use super::{PendingRange, Store, StoreError, Writer, group};
use crate::streams::{Pending, StreamId};

/// How much is pending, from where to where, and for whom.
pub(super) fn summary(
    store: &Store,
    key: &Bytes,
    name: &Bytes,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let (_, group) = group(store, key, name)?;
    writer.array(4);
    writer.integer(group.pending_count() as i64);
    let Some((first, last)) = group.pending_ends() else {
        writer.null();
        writer.null();
        writer.null_array();
        return Ok(());
    };
    writer.bulk(first.text());
    writer.bulk(last.text());
    let with_some: Vec<_> = group.consumers().filter(|consumer| consumer.pending_count() > 0).collect();
    writer.array(with_some.len());
    for consumer in with_some {
        writer.array(2);
        writer.bulk(consumer.name());
        writer.bulk(consumer.pending_count().to_string());
    }
    Ok(())
}

/// What is pending, entry by entry.
pub(super) fn range(
    store: &Store,
    key: &Bytes,
    name: &Bytes,
    range: &PendingRange,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let (_, group) = group(store, key, name)?;
    let now = store.now as i64;
    let is_idle = |pending: &Pending| range.idle_min == 0 || now - pending.at as i64 >= range.idle_min;
    let found: Vec<(StreamId, Pending, &[u8])> = match &range.consumer {
        None => group
            .pending_from(range.start, range.end)
            .filter(|(_, pending, _)| is_idle(pending))
            .take(range.count)
            .map(|(id, pending, consumer)| (id, pending, consumer.name()))
            .collect(),
        Some(name) => {
            let of = |consumer| group.pending_of(consumer, range.start);
            let of_consumer = group.consumer(name).into_iter().flat_map(of);
            of_consumer
                .take_while(|(id, _)| *id <= range.end)
                .filter(|(_, pending)| is_idle(pending))
                .take(range.count)
                .map(|(id, pending)| (id, pending, &name[..]))
                .collect()
        }
    };
    writer.array(found.len());
    for (id, pending, consumer) in found {
        writer.array(4);
        writer.bulk(id.text());
        writer.bulk(consumer);
        writer.integer((now - pending.at as i64).max(0));
        writer.integer(i64::from(pending.count));
    }
    Ok(())
}
