//! Adding, reading, deleting and trimming entries.

use bytes::Bytes;

use super::{SetId, Store, StoreError, StreamError, Writer};
use crate::{
    keeper::{change::Change, journal::Journal},
    keyspace::Place,
    streams::{Fields, IdRequest, InvalidId, Stream, StreamChange, StreamId, Trim},
};

pub(super) fn add(
    store: &mut Store,
    key: &Bytes,
    (request, body, trim, create): (IdRequest, Bytes, Option<Trim>, bool),
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let stream = store.stream(key)?;
    if stream.is_none() && !create {
        writer.null();
        return Ok(());
    }
    store.check_space()?;
    let now = store.now;
    let id = match stream {
        Some(stream) => stream.next_id(request, now),
        None => Stream::default().next_id(request, now),
    };
    let id = id.map_err(StreamError::from)?;
    store.change(vec![Change::Stream(key.clone(), StreamChange::Added { id, body: body.into() })])?;
    if let Some(trim) = trim {
        match trim_by(store, key, trim) {
            // The entry is there, so the answer is its id; a later trim takes what this one did not.
            Err(StoreError::TooLarge { .. }) => {}
            trimmed => drop(trimmed?),
        }
    }
    writer.bulk(id.text());
    Ok(())
}

pub(super) fn len(store: &Store, key: &[u8], writer: &mut Writer<'_>) -> Result<(), StoreError> {
    writer.integer(store.stream(key)?.map_or(0, Stream::len) as i64);
    Ok(())
}

pub(super) fn trim(
    store: &mut Store,
    key: &Bytes,
    trim: Trim,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let count = trim_by(store, key, trim)?;
    writer.integer(count as i64);
    Ok(())
}

/// Trims a stream; how many entries that has removed.
fn trim_by(store: &mut Store, key: &Bytes, trim: Trim) -> Result<usize, StoreError> {
    let Some(trimmed) = store.stream(key)?.and_then(|stream| stream.trimmed(trim)) else { return Ok(0) };
    let change = StreamChange::Trimmed { through: trimmed.through };
    store.change(vec![Change::Stream(key.clone(), change)])?;
    Ok(trimmed.count)
}

pub(super) fn delete(
    store: &mut Store,
    key: &Bytes,
    ids: Result<Vec<StreamId>, InvalidId>,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(stream) = store.stream(key)? else {
        writer.integer(0);
        return Ok(());
    };
    let mut ids = ids.map_err(StreamError::from)?;
    ids.retain(|id| stream.contains(*id));
    ids.sort_unstable();
    ids.dedup();
    let count = ids.len();
    if count > 0 {
        store.change(vec![Change::Stream(key.clone(), StreamChange::Deleted { ids })])?;
    }
    writer.integer(count as i64);
    Ok(())
}

pub(super) fn set_id(
    store: &mut Store,
    key: &Bytes,
    SetId { last, added, deleted_max }: SetId,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let stream = store.stream(key)?.ok_or(StreamError::NoKey)?;
    if last < stream.deleted_max() {
        return Err(StreamError::BelowDeleted.into());
    }
    if stream.newest().is_some_and(|newest| last < newest) {
        return Err(StreamError::BelowNewest.into());
    }
    if added.is_some_and(|added| stream.len() as u64 > added) {
        return Err(StreamError::FewerThanThere.into());
    }
    let deleted_max = deleted_max.filter(|id| *id != StreamId::MIN);
    store.change(vec![Change::Stream(key.clone(), StreamChange::Set { last, added, deleted_max })])?;
    writer.simple("OK");
    Ok(())
}

pub(super) fn range(
    store: &Store,
    key: &[u8],
    (start, end): (StreamId, StreamId),
    count: Option<usize>,
    reverse: bool,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(stream) = store.stream(key)? else {
        writer.array(0);
        return Ok(());
    };
    if count == Some(0) {
        writer.null_array();
        return Ok(());
    }
    let most = count.unwrap_or(usize::MAX);
    let range = stream.range(start, end);
    let found: Vec<_> = if reverse { range.rev().take(most).collect() } else { range.take(most).collect() };
    write_entries(&store.journal, &found, writer)
}

pub(super) fn write_entries(
    journal: &Journal,
    entries: &[(StreamId, Place)],
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    writer.array(entries.len());
    entries.iter().try_for_each(|entry| write_entry(journal, *entry, writer))
}

/// Writes an entry: its id, and its fields and values in turn.
pub(super) fn write_entry(
    journal: &Journal,
    (id, place): (StreamId, Place),
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let body = journal.read(place)?;
    let malformed = |_| StoreError::NoBody { address: place.address };
    let fields = Fields::of(&body).map_err(malformed)?;
    writer.array(2);
    writer.bulk(id.text());
    writer.array(fields.len());
    for field in fields {
        writer.bulk(field.map_err(malformed)?);
    }
    Ok(())
}
