//! Reading, which may wait.

use std::time::Duration;

use bytes::Bytes;
use naru_resp::Version;

use super::{
    After, BadArgument, Outcome, ReadGroup, Store, StoreError, StreamError, Wait, Writer,
    entries::write_entries, read_group::read_group,
};
use crate::streams::{Stream, StreamId};

/// What a blocked command on streams waits for.
pub(in crate::keeper) enum StreamWait {
    /// Entries above these ids. From here on they are the same, whatever is added.
    Read { streams: Vec<(Bytes, StreamId)>, count: Option<usize> },
    /// Entries that are new to a group; or that there is no such group any more.
    ReadGroup(ReadGroup),
}

impl StreamWait {
    pub(in crate::keeper) fn keys(&self) -> Vec<Bytes> {
        match self {
            StreamWait::Read { streams, .. } => streams.iter().map(|(key, _)| key.clone()).collect(),
            StreamWait::ReadGroup(read) => read.streams.iter().map(|(key, _)| key.clone()).collect(),
        }
    }

    /// Whether it ends when there is no stream under its key any more.
    pub(in crate::keeper) fn needs_key(&self) -> bool {
        match self {
            StreamWait::Read { .. } => false,
            StreamWait::ReadGroup(_) => true,
        }
    }

    /// Writes its answer if there is one by now; false, and nothing is written, if it waits on.
    pub(in crate::keeper) fn retry(
        &self,
        store: &mut Store,
        writer: &mut Writer<'_>,
    ) -> Result<bool, StoreError> {
        match self {
            StreamWait::Read { streams, count } => read(store, streams, *count, writer),
            StreamWait::ReadGroup(read) => read_group(store, read, writer),
        }
    }
}

/// Answers, or waits if there is nothing to answer.
pub(super) fn read_or_wait(
    store: &mut Store,
    wait: StreamWait,
    block: Option<Option<Duration>>,
    writer: &mut Writer<'_>,
) -> Result<Outcome, StoreError> {
    if !wait.retry(store, writer)? {
        match block {
            None => writer.null_array(),
            Some(timeout) => return Ok(Outcome::Blocks(Wait::Stream(wait), timeout)),
        }
    }
    Ok(Outcome::answered())
}

/// `$` and `+` as ids.
pub(super) fn resolved(
    store: &Store,
    streams: Vec<(Bytes, Result<After, BadArgument>)>,
) -> Result<Vec<(Bytes, StreamId)>, StoreError> {
    let resolve = |(key, after): (Bytes, Result<After, BadArgument>)| {
        let stream = store.stream(&key)?;
        let id = match after.map_err(StreamError::from)? {
            After::Id(id) => id,
            After::Last => stream.map_or(StreamId::MIN, Stream::last),
            After::BeforeNewest => {
                let newest = stream.and_then(Stream::newest).and_then(StreamId::previous);
                newest.unwrap_or_else(|| stream.map_or(StreamId::MIN, Stream::last))
            }
        };
        Ok((key, id))
    };
    streams.into_iter().map(resolve).collect()
}

/// Writes the entries above the ids given; false, and nothing is written, if there are none.
fn read(
    store: &Store,
    streams: &[(Bytes, StreamId)],
    count: Option<usize>,
    writer: &mut Writer<'_>,
) -> Result<bool, StoreError> {
    let mut found = Vec::new();
    for (key, id) in streams {
        let (Some(stream), Some(start)) = (store.stream(key)?, id.next()) else { continue };
        let entries = stream.range(start, StreamId::MAX).take(count.unwrap_or(usize::MAX));
        let entries: Vec<_> = entries.collect();
        if !entries.is_empty() {
            found.push((key, entries));
        }
    }
    if found.is_empty() {
        return Ok(false);
    }
    start_streams(found.len(), writer);
    for (key, entries) in found {
        start_stream(key, writer);
        write_entries(&store.journal, &entries, writer)?;
    }
    Ok(true)
}

/// The start of an answer that has entries of so many streams: RESP3 has a map here, RESP2 pairs in an array.
pub(super) fn start_streams(count: usize, writer: &mut Writer<'_>) {
    match writer.version() {
        Version::Resp3 => writer.map(count),
        Version::Resp2 => writer.array(count),
    }
}

pub(super) fn start_stream(key: &[u8], writer: &mut Writer<'_>) {
    if writer.version() == Version::Resp2 {
        writer.array(2);
    }
    writer.bulk(key);
}
