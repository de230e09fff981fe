//! A gateway's link to a broker.
//!
//! A [`Bus`] is one RESP3 connection, over TCP or over an in-process stream, with a thread of its own that
//! connects, watches, and connects again. It knows what this gateway wants to hear: the live channels its
//! clients follow and the users it holds connections of; after a loss it asks the broker for both again before it
//! says [`Event::Up`]. Calls are asked on that connection from any thread and never wait for a broker that is not
//! there: they fail as [`BusError::Unreachable`].
//!
//! # Invariants
//!
//! - Events come on one thread, in the order the broker sent them.
//! - What is wanted is what was last asked for: changes are applied one after the other, in the order of the calls.
//! - Between [`Event::Up`] and [`Event::Down`] everything wanted is in force at the broker.
//! - No queue grows without bound: a slow event handler makes the broker wait, which has its own limits.
//!
//! # Left to others
//!
//! Counting local subscribers, comparing heads after a loss, and retrying are the gateway's. What the operations
//! mean is `naru-ledger`'s.
//!
//! # The ledger on other brokers
//!
//! A [`Line`] is a connection on which the operations of the whole ledger ([`naru_ledger::Op`]) are asked. It knows what the
//! other side speaks, [`Dialect`]; the words of the request and the shape of the answer (`wire/`) are the same for
//! all. On Redis and Valkey operations are Lua scripts (`scripts/`) over [`Partition`]s, once an [`Inspection`] has found nothing
//! against it. A `Bus` does not ask on one yet.
//!
//! Start reading at [`Bus`], then `link.rs`.
#![forbid(unsafe_code)]

mod ask;
mod backoff;
mod bus;
mod calls;
mod desired;
mod dialect;
mod entry;
mod error;
mod event;
mod inspect;
mod levels;
mod limits;
mod line;
mod link;
mod partition;
#[cfg(test)]
mod played;
mod reply;
mod scripts;
mod target;
pub mod wire;

pub use bus::Bus;
pub use dialect::Dialect;
pub use entry::{Entry, History, NewMessage, Page, Position, Resumed, Sent};
pub use error::BusError;
pub use event::Event;
pub use inspect::{Inspection, Persistence};
pub use line::Line;
pub use partition::Partition;
pub use scripts::{Keeping, Pinned};
pub use target::{Connect, Target};
