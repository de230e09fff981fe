//! Streams as Redis has them: entries under rising ids.

mod body;
mod change;
mod id;
mod node;
mod stream;
mod trim;

pub(crate) use body::{Fields, encode};
pub(crate) use change::StreamChange;
pub(crate) use id::{IdRequest, InvalidId, StreamId};
pub(crate) use stream::Stream;
pub(crate) use trim::{Keep, Trim};
