//! A gateway's link to a broker.
//!
//! A [`Bus`] is one RESP3 connection, over TCP or over an in-process stream, with a thread of its own that
//! connects, watches, and connects again. It knows what this gateway wants to hear: the live channels its
//! clients follow, the users it holds connections of, and which of its clients are present where; after a loss it asks the broker for both again before it
//! says [`Event::Up`]. Calls are asked on that connection from any thread and never wait for a broker that is not
//! there: they fail as [`BusError::Unreachable`]. What is under way when the link is lost is asked again on the next one, if
//! that comes in time: every operation of the ledger is safe to repeat.
//!
//! What the broker speaks is learned when the connection is made: a [`Line`] is a connection on which the operations of the
//! ledger ([`naru_ledger::Op`]) are asked. The words of a request and the shape of an answer (`wire/`) are the same for
//! all. Naru's broker has them as commands. On Redis and Valkey they are Lua scripts (`scripts/`) over
//! [`Partition`]s, once an [`Inspection`] has found nothing against it; there the bus also does what the broker does elsewhere: it
//! writes a message (`writing.rs`), brings it to all inboxes step by step (`fan_out.rs`), tells the servers (`tell.rs`), waits
//! until it is as safe as was asked for (`levels.rs`), and says that this server runs (`tending.rs`). Edits, deletions and changes
//! of members are several steps on every broker. What a server that died has left half-done, every server looks for
//! (`sweeper.rs`).
//!
//! # Invariants
//!
//! - Events come on one thread, in the order the broker sent them.
//! - What is wanted is what was last asked for: changes are applied one after the other, in the order of the calls.
//! - Between [`Event::Up`] and [`Event::Down`] everything wanted is in force at the broker.
//! - No queue grows without bound: a slow event handler makes the broker wait, which has its own limits.
//! - An entry is done only after everybody it is for has it and their servers have been told.
//!
//! # Left to others
//!
//! Counting local subscribers and comparing heads after a loss are the gateway's. What the operations
//! mean is `naru-ledger`'s.
//!
//! Start reading at [`Bus`], then `link.rs` and `line.rs`; for how a message comes into inboxes at `fan_out.rs`.
#![forbid(unsafe_code)]

mod ask;
mod backoff;
mod bus;
mod calls;
mod channels;
mod connection;
mod current;
mod desired;
mod dialect;
mod error;
mod event;
mod fan_out;
mod inspect;
mod latency;
mod levels;
mod life;
mod limits;
mod line;
mod link;
mod partition;
#[cfg(test)]
mod played;
mod present;
mod reply;
mod scripts;
mod sweeper;
mod target;
mod tell;
mod tending;
pub mod wire;
mod writing;

pub use bus::{Bus, Terms};
pub use channels::Read;
pub use dialect::Dialect;
pub use error::BusError;
pub use event::{Delivery, Event, Hears};
pub use inspect::{Inspection, Persistence};
pub use latency::Latency;
pub use life::Life;
pub use line::Line;
pub use naru_ledger::channel::{
    Keep, Most, Once, Page as StreamPage, Present, Published as Kept, Stats as PresentStats, StreamPosition,
    Version,
};
pub use naru_ledger::json::To as Told;
pub use partition::Partition;
pub use scripts::{Keeping, Pinned};
pub use target::{Connect, Target};
