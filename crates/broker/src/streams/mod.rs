//! Streams as Redis has them: entries under rising ids, and consumer groups that read them.

mod body;
mod change;
mod group;
mod id;
mod id_map;
mod node;
mod radix;
mod stream;
mod trim;

pub(crate) use body::{Fields, encode};
pub(crate) use change::{Assigned, GroupChange, Progress, StreamChange};
pub(crate) use group::{Consumer, Group, Pending, is_countable};
pub(crate) use id::{IdRequest, InvalidId, StreamId};
pub(crate) use stream::{NoId, Stream};
pub(crate) use trim::{Keep, Trim};
