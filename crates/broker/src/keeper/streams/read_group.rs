//! XREADGROUP: what is new to a group, or what is pending for a consumer.

use std::collections::HashSet;

use bytes::Bytes;

use super::{
    ReadGroup, Store, StoreError, StreamError, Writer,
    entries::write_entry,
    read::{start_stream, start_streams},
};
use crate::{
    keeper::change::Change,
    keyspace::Place,
    streams::{Assigned, GroupChange, Stream, StreamChange, StreamId},
};

/// What one stream has for a consumer.
enum Found {
    New(Vec<(StreamId, Place)>),
    /// What is pending for it; of an entry that was deleted since only the id is left.
    Pending(Vec<(StreamId, Option<Place>)>),
}

/// Answers, and records what that delivers; false, and nothing is written, if there is nothing new anywhere.
pub(super) fn read_group(
    store: &mut Store,
    read: &ReadGroup,
    writer: &mut Writer<'_>,
) -> Result<bool, StoreError> {
    let now = store.now;
    for (key, after) in &read.streams {
        check(store, key, &read.group)?;
        if let Err(refused) = after {
            return Err(StreamError::from(refused.clone()).into());
        }
    }
    let mut found = Vec::new();
    let mut changes = Vec::new();
    let mut looked_at = HashSet::new();
    for (key, after) in &read.streams {
        if !looked_at.insert(key) {
            // A stream may be named twice, and then what was read of it before counts.
            store.change(std::mem::take(&mut changes))?;
        }
        let Some(stream) = store.stream(key)? else { continue };
        let after = after.as_ref().map_or(None, |after| *after);
        let (its, its_changes) = look(stream, read, after, now);
        let change =
            |change| Change::Stream(key.clone(), StreamChange::Group { group: read.group.clone(), change });
        changes.extend(its_changes.into_iter().map(change));
        found.extend(its.map(|its| (key, its)));
    }
    if !found.is_empty() {
        start_streams(found.len(), writer);
        for (key, its) in found {
            start_stream(key, writer);
            write(store, &its, writer)?;
        }
        store.change(changes)?;
        see(store, read, now)?;
        return Ok(true);
    }
    store.change(changes)?;
    see(store, read, now)?;
    Ok(false)
}

fn check(store: &Store, key: &Bytes, group: &Bytes) -> Result<(), StoreError> {
    match store.stream(key)?.and_then(|stream| stream.group(group)) {
        Some(_) => Ok(()),
        None => Err(StreamError::no_group_to_read(key, group).into()),
    }
}

/// What a stream has for a consumer, none if nothing new, and what changes by its being delivered.
fn look(
    stream: &Stream,
    read: &ReadGroup,
    after: Option<StreamId>,
    now: u64,
) -> (Option<Found>, Vec<GroupChange>) {
    let mut changes = Vec::new();
    let Some(group) = stream.group(&read.group) else { return (None, changes) };
    let consumer = group.consumer(&read.consumer);
    if consumer.is_none() {
        changes.push(GroupChange::ConsumerCreated { consumer: read.consumer.clone(), at: now });
    }
    let most = read.count.unwrap_or(usize::MAX);
    if let Some(after) = after {
        let pending = consumer.zip(after.next()).into_iter();
        let pending = pending.flat_map(|(consumer, start)| group.pending_of(consumer, start)).take(most);
        let mut entries = Vec::new();
        let mut again = Vec::new();
        for (id, pending) in pending {
            let place = stream.get(id);
            if place.is_some() {
                again.push(Assigned { id, at: now, count: pending.count.saturating_add(1) });
            }
            entries.push((id, place));
        }
        if !again.is_empty() {
            let consumer = read.consumer.clone();
            changes.push(GroupChange::Assigned { consumer, at: now, entries: again, is_claim: false });
        }
        return (Some(Found::Pending(entries)), changes);
    }
    let mut progress = group.progress();
    let Some(start) = progress.last.next() else { return (None, changes) };
    let entries: Vec<_> = stream.range(start, StreamId::MAX).take(most).collect();
    if entries.is_empty() {
        return (None, changes);
    }
    let ids: Vec<StreamId> = entries.iter().map(|(id, _)| *id).collect();
    for id in &ids {
        progress = stream.progress_after(progress, *id);
    }
    let are_pending = !read.noack;
    // Of what nobody is to acknowledge it is enough to know how far the group is.
    let ids = if are_pending { ids } else { Vec::new() };
    let consumer = read.consumer.clone();
    changes.push(GroupChange::Delivered { consumer, at: now, ids, are_pending, progress });
    (Some(Found::New(entries)), changes)
}

fn write(store: &Store, found: &Found, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    match found {
        Found::New(entries) => super::entries::write_entries(&store.journal, entries, writer),
        Found::Pending(entries) => {
            writer.array(entries.len());
            for (id, place) in entries {
                match place {
                    Some(place) => write_entry(&store.journal, (*id, *place), writer)?,
                    None => {
                        writer.array(2);
                        writer.bulk(id.text());
                        writer.null_array();
                    }
                }
            }
            Ok(())
        }
    }
}

/// Notes that the consumer has asked. That is not recorded: it says nothing of what was delivered.
fn see(store: &mut Store, read: &ReadGroup, now: u64) -> Result<(), StoreError> {
    for (key, _) in &read.streams {
        if let Some(stream) = store.keyspace.value_mut::<Stream>(key)?
            && let Some(group) = stream.group_mut(&read.group)
        {
            group.see(&read.consumer, now);
        }
    }
    Ok(())
}
