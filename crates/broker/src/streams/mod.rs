//! Streams as Redis has them: entries under rising ids.

mod id;
mod stream;
mod trim;

pub(crate) use id::{IdRequest, InvalidId, StreamId};
pub(crate) use stream::{Fields, Stream};
pub(crate) use trim::{Keep, LIMIT_DEFAULT, Trim};
