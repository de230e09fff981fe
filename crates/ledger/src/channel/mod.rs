//! Channels that keep their last publications, and who is present in them: what can be asked ([`Op`]), what is answered
//! ([`Answer`]), and a plain [`Model`] of it, against which every store is held.
//!
//! A publication that is kept gets an offset: 1, 2, 3 and so on under an epoch, without a gap. What is kept is bounded by a count and a
//! time; offset and epoch outlive it, until nobody has used the channel for long, or the newest records of its store may be
//! missing ([`Generation`](crate::Generation)): then a new epoch begins. So who knows a position is told what has been published
//! since, or sees that it cannot be told.
//!
//! Whoever hears the channel hears the position in front of the payload ([`positioned`]).

mod answer;
mod limits;
mod model;
mod op;
mod position;
mod refused;

pub use answer::{Answer, Page, Present, Published, Stats};
pub use limits::{
    INFO_BYTES_MAX, ONCE_WINDOW_MAX, PAYLOAD_BYTES_MAX, READ_META_TTL_MAX, SIZE_MAX, TTL_MAX, read_meta_ttl,
    remembered_for,
};
pub use model::{Bounds, Model};
pub use op::{Enter, History, Keep, Leave, Most, Once, Op, Publish, Version, check_info};
pub use position::{StreamPosition, positioned, split_position};
pub use refused::Refused;

pub use crate::names::Channel;
