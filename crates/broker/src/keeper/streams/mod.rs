//! Streams: what their commands do and answer. One file a handful of commands that belong together.

mod claim;
mod entries;
mod error;
mod groups;
mod info;
mod op;
mod pending;
mod read;
mod read_group;

use bytes::Bytes;
use naru_resp::ReplyWriter;

use super::{
    blocked::Wait,
    store::{Store, StoreError},
    turn::Outcome,
};
use crate::streams::{Group, Stream};

pub(super) use error::StreamError;
pub(crate) use op::{
    After, BadArgument, Claim, ClaimNext, Delivered, GroupOp, PendingRange, ReadGroup, SetId, StreamOp,
};
pub(super) use read::StreamWait;

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// A group and its stream; an error if there is none.
fn group<'a>(store: &'a Store, key: &Bytes, group: &Bytes) -> Result<(&'a Stream, &'a Group), StoreError> {
    let stream = store.stream(key)?;
    let found = stream.and_then(|stream| Some((stream, stream.group(group)?)));
    Ok(found.ok_or_else(|| StreamError::no_key_or_group(key, group))?)
}

/// Runs a command on streams.
pub(super) fn run(store: &mut Store, op: StreamOp, writer: &mut Writer<'_>) -> Result<Outcome, StoreError> {
    match op {
        StreamOp::Add { key, id, body, trim, create } => {
            entries::add(store, &key, (id, body, trim, create), writer)?;
        }
        StreamOp::Len { key } => entries::len(store, &key, writer)?,
        StreamOp::Range { key, start, end, count, reverse } => {
            entries::range(store, &key, (start, end), count, reverse, writer)?;
        }
        StreamOp::Trim { key, trim } => entries::trim(store, &key, trim, writer)?,
        StreamOp::Delete { key, ids } => entries::delete(store, &key, ids, writer)?,
        StreamOp::SetId { key, set } => entries::set_id(store, &key, set, writer)?,
        StreamOp::Read { streams, count, block } => {
            let wait = StreamWait::Read { streams: read::resolved(store, streams)?, count };
            return read::read_or_wait(store, wait, block, writer);
        }
        StreamOp::ReadGroup { read, block } => {
            return read::read_or_wait(store, StreamWait::ReadGroup(read), block, writer);
        }
        StreamOp::Ack { key, group, ids } => groups::ack(store, &key, &group, ids, writer)?,
        StreamOp::Group { key, group, op } => groups::run(store, &key, &group, op, writer)?,
        StreamOp::PendingSummary { key, group } => pending::summary(store, &key, &group, writer)?,
        StreamOp::Pending { key, group, range } => pending::range(store, &key, &group, &range, writer)?,
        StreamOp::Claim { key, group, consumer, claim } => {
            claim::claim(store, (&key, &group, &consumer), claim, writer)?;
        }
        StreamOp::ClaimNext { key, group, consumer, claim } => {
            claim::claim_next(store, (&key, &group, &consumer), claim, writer)?;
        }
        StreamOp::Info { key, full } => info::stream(store, &key, full, writer)?,
        StreamOp::InfoGroups { key } => info::groups(store, &key, writer)?,
        StreamOp::InfoConsumers { key, group } => info::consumers(store, &key, &group, writer)?,
    }
    Ok(Outcome::answered())
}
