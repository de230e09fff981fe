//! One message to many sockets, in order.
//!
//! A **core** is a thread with a current-thread Tokio runtime; a connection (a **peer**) lives on one core for life.
//! The **directory** knows which cores have subscribers of a channel. Publishing takes that channel's shard lock and
//! pushes one shared message into the **mailbox** of each such core; the core appends it to the **outboxes** of its
//! own subscribers and then flushes every dirty outbox itself.
//!
//! What a message looks like on the wire, how a peer is read and what it may do is the business of a [`Wire`]: the
//! broker has one for RESP, the gateway one for WebSocket.
//!
//! # Invariants
//!
//! - All changes of a core's subscriber table travel through its mailbox, pushed under the same lock as the
//!   publications they are ordered against. So every subscriber of a channel sees one order, a subscription's
//!   confirmation comes before its first message, and the receiver count of a publication is exact.
//! - Commands of one connection take effect in order, across channels: its pushes enter each mailbox in order.
//! - No lock is held while anything waits, and a core never waits for another.
//! - Mailboxes and outboxes are bounded in bytes ([`limits`]).
//!
//! Start at [`Core`], then [`Directory`].

mod arrivals;
mod asleep;
mod congestion;
mod core;
mod cores;
mod directory;
mod few;
pub mod limits;
mod link;
mod listener;
mod mailbox;
#[cfg(all(test, feature = "model"))]
mod model;
#[cfg(test)]
mod nobody;
mod outbox;
mod pages;
mod pattern;
mod patterns;
mod peers;
mod ring;
mod socket;
mod subscribers;
mod sync;
mod tls;
mod topic;
mod unix_listener;
mod unsent;
mod wire;

pub use arrivals::{Step, StepsASecond};
pub use asleep::Asleep;
pub use core::Core;
pub use cores::Cores;
pub use directory::Directory;
pub use link::{Link, OutboxLimit, Slow};
pub use listener::Listener;
pub use outbox::{Outbox, Writer};
pub use pages::SharedBytes;
pub use pattern::matches;
pub use socket::{Incoming, Socket};
pub use tls::{HandshakeError, TlsSocket, TlsTerms};
pub use topic::{Space, Topic};
pub use unix_listener::{UnixBindError, UnixListener};
pub use wire::{CoreId, Peer, PeerId, Publication, Wire};
