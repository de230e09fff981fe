//! XGROUP and XACK.

use bytes::Bytes;

use super::{GroupOp, Store, StoreError, StreamError, Writer};
use crate::{
    keeper::change::Change,
    streams::{Consumer, GroupChange, InvalidId, Progress, Stream, StreamChange, StreamId},
};

pub(super) fn change(key: &Bytes, group: &Bytes, change: GroupChange) -> Change {
    Change::Stream(key.clone(), StreamChange::Group { group: group.clone(), change })
}

pub(super) fn ack(
    store: &mut Store,
    key: &Bytes,
    group: &Bytes,
    ids: Result<Vec<StreamId>, InvalidId>,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(found) = store.stream(key)?.and_then(|stream| stream.group(group)) else {
        writer.integer(0);
        return Ok(());
    };
    let mut ids = ids.map_err(StreamError::from)?;
    ids.retain(|id| found.pending(*id).is_some());
    ids.sort_unstable();
    ids.dedup();
    let count = ids.len();
    if count > 0 {
        store.change(vec![change(key, group, GroupChange::Settled { ids })])?;
    }
    writer.integer(count as i64);
    Ok(())
}

pub(super) fn run(
    store: &mut Store,
    key: &Bytes,
    group: &Bytes,
    op: GroupOp,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let stream = store.stream(key)?;
    if stream.is_none() && !matches!(op, GroupOp::Create { make_stream: true, .. }) {
        return Err(StreamError::NoKeyForGroup.into());
    }
    let found = stream.and_then(|stream| stream.group(group));
    if found.is_none() && !matches!(op, GroupOp::Create { .. } | GroupOp::Destroy) {
        return Err(StreamError::no_group(key, group).into());
    }
    let last_or_newest = |last: Result<Option<StreamId>, InvalidId>| {
        last.map(|last| last.unwrap_or_else(|| stream.map_or(StreamId::MIN, Stream::last)))
            .map_err(StreamError::from)
    };
    let consumer = |name| found.and_then(|group| group.consumer(name));
    match op {
        GroupOp::Create { last, read, .. } => {
            let progress = Progress { last: last_or_newest(last)?, read };
            if found.is_some() {
                return Err(StreamError::BusyGroup.into());
            }
            store.check_space()?;
            store.change(vec![change(key, group, GroupChange::Created(progress))])?;
            writer.simple("OK");
        }
        GroupOp::SetId { last, read } => {
            let progress = Progress { last: last_or_newest(last)?, read };
            store.change(vec![change(key, group, GroupChange::Moved(progress))])?;
            writer.simple("OK");
        }
        GroupOp::Destroy => {
            let was_there = found.is_some();
            if was_there {
                store.change(vec![change(key, group, GroupChange::Destroyed)])?;
            }
            writer.integer(i64::from(was_there));
        }
        GroupOp::CreateConsumer(name) => {
            let is_new = consumer(&name).is_none();
            if is_new {
                let created = GroupChange::ConsumerCreated { consumer: name, at: store.now };
                store.change(vec![change(key, group, created)])?;
            }
            writer.integer(i64::from(is_new));
        }
        GroupOp::DeleteConsumer(name) => {
            let pending = consumer(&name).map(Consumer::pending_count);
            if pending.is_some() {
                store.change(vec![change(key, group, GroupChange::ConsumerDeleted { consumer: name })])?;
            }
            writer.integer(pending.unwrap_or(0) as i64);
        }
    }
    Ok(())
}
