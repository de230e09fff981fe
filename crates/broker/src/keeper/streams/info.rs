//! XINFO.

use bytes::Bytes;

use super::{
    BadArgument, Store, StoreError, StreamError, Writer, entries::write_entries, entries::write_entry,
};
use crate::streams::{Consumer, Group, Stream, StreamId};

fn existing<'a>(store: &'a Store, key: &[u8]) -> Result<&'a Stream, StoreError> {
    Ok(store.stream(key)?.ok_or(StreamError::NoKey)?)
}

pub(super) fn stream(
    store: &Store,
    key: &[u8],
    full: Result<Option<usize>, BadArgument>,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let stream = existing(store, key)?;
    let full = full.map_err(StreamError::from)?;
    let (nodes, tree_nodes) = stream.node_counts();
    writer.map(if full.is_some() { 9 } else { 10 });
    number(writer, "length", stream.len());
    number(writer, "radix-tree-keys", nodes);
    number(writer, "radix-tree-nodes", tree_nodes);
    id(writer, "last-generated-id", stream.last());
    id(writer, "max-deleted-entry-id", stream.deleted_max());
    number(writer, "entries-added", stream.added() as usize);
    id(writer, "recorded-first-entry-id", stream.first());
    let Some(count) = full else {
        number(writer, "groups", stream.groups().len());
        let mut all = stream.range(StreamId::MIN, StreamId::MAX);
        for (name, entry) in [("first-entry", all.clone().next()), ("last-entry", all.next_back())] {
            writer.bulk(name);
            match entry {
                Some(entry) => write_entry(&store.journal, entry, writer)?,
                None => writer.null(),
            }
        }
        return Ok(());
    };
    let most = if count == 0 { usize::MAX } else { count };
    let entries: Vec<_> = stream.range(StreamId::MIN, StreamId::MAX).take(most).collect();
    writer.bulk("entries");
    write_entries(&store.journal, &entries, writer)?;
    writer.bulk("groups");
    writer.array(stream.groups().len());
    for (name, group) in stream.groups() {
        write_full_group(stream, name, group, most, writer);
    }
    Ok(())
}

fn write_full_group(stream: &Stream, name: &[u8], group: &Group, most: usize, writer: &mut Writer<'_>) {
    writer.map(7);
    writer.bulk("name");
    writer.bulk(name);
    write_progress(stream, group, writer);
    number(writer, "pel-count", group.pending_count());
    writer.bulk("pending");
    writer.array(group.pending_count().min(most));
    for (id, pending, consumer) in group.pending_from(StreamId::MIN, StreamId::MAX).take(most) {
        writer.array(4);
        writer.bulk(id.text());
        writer.bulk(consumer.name());
        writer.integer(pending.at as i64);
        writer.integer(i64::from(pending.count));
    }
    writer.bulk("consumers");
    writer.array(group.consumers().len());
    for consumer in group.consumers() {
        writer.map(5);
        writer.bulk("name");
        writer.bulk(consumer.name());
        number(writer, "seen-time", consumer.seen() as usize);
        writer.bulk("active-time");
        writer.integer(consumer.active().map_or(-1, |at| at as i64));
        number(writer, "pel-count", consumer.pending_count());
        writer.bulk("pending");
        writer.array(consumer.pending_count().min(most));
        for (id, pending) in group.pending_of(consumer, StreamId::MIN).take(most) {
            writer.array(3);
            writer.bulk(id.text());
            writer.integer(pending.at as i64);
            writer.integer(i64::from(pending.count));
        }
    }
}

pub(super) fn groups(store: &Store, key: &[u8], writer: &mut Writer<'_>) -> Result<(), StoreError> {
    let stream = existing(store, key)?;
    writer.array(stream.groups().len());
    for (name, group) in stream.groups() {
        writer.map(6);
        writer.bulk("name");
        writer.bulk(name);
        number(writer, "consumers", group.consumers().len());
        number(writer, "pending", group.pending_count());
        write_progress(stream, group, writer);
    }
    Ok(())
}

/// How far a group has read, and what is left for it.
fn write_progress(stream: &Stream, group: &Group, writer: &mut Writer<'_>) {
    let progress = group.progress();
    id(writer, "last-delivered-id", progress.last);
    for (name, value) in
        [("entries-read", progress.read.map(|read| read as i64)), ("lag", stream.lag(progress))]
    {
        writer.bulk(name);
        match value {
            Some(value) => writer.integer(value),
            None => writer.null(),
        }
    }
}

pub(super) fn consumers(
    store: &Store,
    key: &Bytes,
    name: &Bytes,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let group = existing(store, key)?.group(name).ok_or_else(|| StreamError::no_group(key, name))?;
    let now = store.now as i64;
    let since = |at: u64| (now - at as i64).max(0);
    writer.array(group.consumers().len());
    for consumer in group.consumers() {
        writer.map(4);
        writer.bulk("name");
        writer.bulk(consumer.name());
        number(writer, "pending", consumer.pending_count());
        writer.bulk("idle");
        writer.integer(since(consumer.seen()));
        writer.bulk("inactive");
        writer.integer(Consumer::active(consumer).map_or(-1, since));
    }
    Ok(())
}

fn number(writer: &mut Writer<'_>, name: &str, value: usize) {
    writer.bulk(name);
    writer.integer(value as i64);
}

fn id(writer: &mut Writer<'_>, name: &str, id: StreamId) {
    writer.bulk(name);
    writer.bulk(id.text());
}
