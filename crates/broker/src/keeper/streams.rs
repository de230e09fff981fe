//! Streams and keys: what their commands do and answer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use naru_resp::{ReplyWriter, Version};

use super::{
    After, Asker, KeyOp, StreamOp,
    blocked::{Blocked, Waiter},
    change::Change,
    clock,
    store::{Store, StoreError},
};
use crate::streams::{Fields, InvalidId, Stream, StreamId, Trim};

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// Runs a command on keys.
pub(super) fn keys(store: &mut Store, op: &KeyOp, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    match op {
        KeyOp::Delete(keys) => {
            let mut found: Vec<Bytes> = Vec::new();
            for key in keys {
                if store.stream(key).is_some() && !found.contains(key) {
                    found.push(key.clone());
                }
            }
            let count = found.len();
            if count > 0 {
                store.change(found.into_iter().map(|key| Change::KeyDeleted { key }).collect())?;
            }
            writer.integer(count as i64);
        }
        KeyOp::Exists(keys) => {
            writer.integer(keys.iter().filter(|key| store.stream(key).is_some()).count() as i64);
        }
        KeyOp::Type(key) => writer.simple(if store.stream(key).is_some() { "stream" } else { "none" }),
    }
    Ok(())
}

/// What became of a command on a stream.
pub(super) enum Outcome {
    /// It is answered.
    Answered,
    /// It is answered, and whoever waits for this key has something to read.
    Added(Bytes),
    /// It waits.
    Blocked,
}

/// Runs a command on streams, or lets it wait in `blocked`.
pub(super) fn run(
    store: &mut Store,
    blocked: &mut Blocked,
    asker: Asker,
    op: &StreamOp,
    writer: &mut Writer<'_>,
) -> Result<Outcome, StoreError> {
    match op {
        StreamOp::Add { key, id, fields, trim, create } => {
            return add(store, key, (*id, fields, *trim, *create), writer);
        }
        StreamOp::Len { key } => writer.integer(store.stream(key).map_or(0, Stream::len) as i64),
        StreamOp::Range { key, start, end, count, reverse } => {
            range(store.stream(key), (*start, *end), *count, *reverse, writer);
        }
        StreamOp::Read { streams, count, block } => {
            let streams = resolved(store, streams);
            if read(store, &streams, *count, writer) {
                return Ok(Outcome::Answered);
            }
            let Some(timeout) = block else {
                writer.null_array();
                return Ok(Outcome::Answered);
            };
            blocked.add(waiter(asker, streams, *count, *timeout));
            return Ok(Outcome::Blocked);
        }
        StreamOp::Trim { key, trim } => {
            let (changes, removed) = trimmed(store.stream(key), key, Some(*trim));
            if !changes.is_empty() {
                store.change(changes)?;
            }
            writer.integer(removed as i64);
        }
        StreamOp::Delete { key, ids } => {
            let Some(stream) = store.stream(key) else {
                writer.integer(0);
                return Ok(Outcome::Answered);
            };
            let Ok(ids) = ids else {
                writer.error(InvalidId.to_string());
                return Ok(Outcome::Answered);
            };
            let mut found: Vec<StreamId> = ids.iter().filter(|id| stream.contains(**id)).copied().collect();
            found.sort_unstable();
            found.dedup();
            let count = found.len();
            if count > 0 {
                store.change(vec![Change::EntriesDeleted { key: key.clone(), ids: found }])?;
            }
            writer.integer(count as i64);
        }
    }
    Ok(Outcome::Answered)
}

fn add(
    store: &mut Store,
    key: &Bytes,
    (request, fields, trim, create): (crate::streams::IdRequest, &Fields, Option<Trim>, bool),
    writer: &mut Writer<'_>,
) -> Result<Outcome, StoreError> {
    let stream = store.stream(key);
    if stream.is_none() && !create {
        writer.null();
        return Ok(Outcome::Answered);
    }
    store.check_space()?;
    let id = match stream.unwrap_or(&Stream::default()).next_id(request, clock::now().0) {
        Ok(id) => id,
        Err(error) => {
            writer.error(error.to_string());
            return Ok(Outcome::Answered);
        }
    };
    store.change(vec![Change::EntryAdded { key: key.clone(), id, fields: fields.clone() }])?;
    let (changes, _) = trimmed(store.stream(key), key, trim);
    if !changes.is_empty() {
        store.change(changes)?;
    }
    writer.bulk(id.to_string());
    Ok(Outcome::Added(key.clone()))
}

/// The change that a trim makes, and how many entries it removes.
fn trimmed(stream: Option<&Stream>, key: &Bytes, trim: Option<Trim>) -> (Vec<Change>, usize) {
    let below = stream.zip(trim).and_then(|(stream, trim)| Some((stream, stream.trim_below(trim)?)));
    match below {
        None => (Vec::new(), 0),
        Some((stream, below)) => {
            let last_removed = below.previous().unwrap_or(StreamId::MIN);
            let removed = stream.range(StreamId::MIN, last_removed).count();
            (vec![Change::Trimmed { key: key.clone(), below }], removed)
        }
    }
}

fn range(
    stream: Option<&Stream>,
    (start, end): (StreamId, StreamId),
    count: Option<usize>,
    reverse: bool,
    writer: &mut Writer<'_>,
) {
    let Some(stream) = stream else { return writer.array(0) };
    if count == Some(0) {
        return writer.null_array();
    }
    let most = count.unwrap_or(usize::MAX);
    let found: Vec<_> = if reverse {
        stream.range(start, end).rev().take(most).collect()
    } else {
        stream.range(start, end).take(most).collect()
    };
    write_entries(&found, writer);
}

fn write_entries(entries: &[(StreamId, &Fields)], writer: &mut Writer<'_>) {
    writer.array(entries.len());
    for (id, fields) in entries {
        writer.array(2);
        writer.bulk(id.to_string());
        writer.array(fields.len());
        fields.iter().for_each(|field| writer.bulk(field));
    }
}

/// `$` and `+` as ids: from here on a blocked command asks the same, whatever is added.
fn resolved(store: &Store, streams: &[(Bytes, After)]) -> Vec<(Bytes, StreamId)> {
    let resolve = |(key, after): &(Bytes, After)| {
        let stream = store.stream(key);
        let id = match after {
            After::Id(id) => *id,
            After::Last => stream.map_or(StreamId::MIN, Stream::last),
            After::BeforeNewest => {
                let newest = stream.and_then(Stream::newest).and_then(StreamId::previous);
                newest.unwrap_or_else(|| stream.map_or(StreamId::MIN, Stream::last))
            }
        };
        (key.clone(), id)
    };
    streams.iter().map(resolve).collect()
}

/// Answers a blocked command, whose ids are resolved; false, and nothing is written, if there is still nothing.
pub(super) fn read_now(store: &Store, op: &StreamOp, writer: &mut Writer<'_>) -> bool {
    match op {
        StreamOp::Read { streams, count, .. } => read(store, &resolved(store, streams), *count, writer),
        _ => false,
    }
}

/// Writes the entries above the ids given; false, and nothing is written, if there are none.
fn read(store: &Store, streams: &[(Bytes, StreamId)], count: Option<usize>, writer: &mut Writer<'_>) -> bool {
    let above = |(key, id): &(Bytes, StreamId)| {
        let start = id.next()?;
        let entries = store.stream(key)?.range(start, StreamId::MAX);
        let entries: Vec<_> = entries.take(count.unwrap_or(usize::MAX)).collect();
        (!entries.is_empty()).then(|| (key.clone(), entries))
    };
    let found: Vec<_> = streams.iter().filter_map(above).collect();
    if found.is_empty() {
        return false;
    }
    // RESP3 has a map here, RESP2 pairs in an array.
    match writer.version() {
        Version::Resp3 => writer.map(found.len()),
        Version::Resp2 => writer.array(found.len()),
    }
    for (key, entries) in found {
        if writer.version() == Version::Resp2 {
            writer.array(2);
        }
        writer.bulk(key);
        write_entries(&entries, writer);
    }
    true
}

fn waiter(
    asker: Asker,
    streams: Vec<(Bytes, StreamId)>,
    count: Option<usize>,
    timeout: Option<Duration>,
) -> Waiter {
    let keys = streams.iter().map(|(key, _)| key.clone()).collect();
    let streams = streams.into_iter().map(|(key, id)| (key, After::Id(id))).collect();
    let op = StreamOp::Read { streams, count, block: None };
    // A time beyond what the clock can say is for ever.
    Waiter { asker, op, keys, until: timeout.and_then(|timeout| Instant::now().checked_add(timeout)) }
}
