//! Streams: what their commands do and answer.

mod entries;
mod read;

use std::time::Duration;

use bytes::Bytes;
use naru_resp::ReplyWriter;

use super::{
    blocked::Wait,
    store::{Store, StoreError},
    turn::Outcome,
};
use crate::streams::{IdRequest, InvalidId, StreamId, Trim};

pub(super) use read::StreamWait;

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// What a command on streams asks for.
pub(crate) enum StreamOp {
    Add {
        key: Bytes,
        id: IdRequest,
        /// Fields and values, encoded.
        body: Bytes,
        trim: Option<Trim>,
        create: bool,
    },
    Len {
        key: Bytes,
    },
    Range {
        key: Bytes,
        start: StreamId,
        end: StreamId,
        count: Option<usize>,
        reverse: bool,
    },
    /// `block`: wait if there is nothing; for ever if it holds no time.
    Read {
        streams: Vec<(Bytes, After)>,
        count: Option<usize>,
        block: Option<Option<Duration>>,
    },
    Trim {
        key: Bytes,
        trim: Trim,
    },
    Delete {
        key: Bytes,
        ids: Result<Vec<StreamId>, InvalidId>,
    },
}

/// From where XREAD reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    Id(StreamId),
    /// `$`: what is added from now on.
    Last,
    /// `+`: the newest entry there is.
    BeforeNewest,
}

impl StreamOp {
    /// Whether its answer may take as long as it likes.
    pub(super) fn blocks(&self) -> bool {
        matches!(self, StreamOp::Read { block: Some(_), .. })
    }
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
        StreamOp::Read { streams, count, block } => {
            let wait = read::wait(store, &streams, count)?;
            if wait.retry(store, writer)? {
                return Ok(Outcome::Answered(Vec::new()));
            }
            match block {
                None => writer.null_array(),
                Some(timeout) => return Ok(Outcome::Blocks(Wait::Stream(wait), timeout)),
            }
        }
    }
    Ok(Outcome::Answered(Vec::new()))
}
