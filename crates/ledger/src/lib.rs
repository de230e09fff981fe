//! Conversations, inboxes and cursors as a pure model: operations on state, and nothing else. There is no
//! I/O, no clock and no randomness here; time comes in as [`Millis`], randomness as the [`Epoch`], bounds as [`Limits`].
//!
//! [`Op`] is what can be asked of a ledger, [`Answer`] what it says: the same whether Naru's broker keeps it, or Redis
//! or Valkey by scripts. [`Model`] does them in the plainest way there is; every store has to answer as it does. Start
//! reading at `Op`.
//!
//! A message is stored once, in the log of its [`Conversation`], where it gets its [`Seq`]. An inbox copies nothing. It is a
//! ring of the last changes, each with the user's own running number, its [`Useq`]; and an index with one record for each
//! conversation: how far it has come, and how far it is read. A [`Device`] has one cumulative cursor in useq. Coming
//! back means going on from there: by the ring, or, if that does not go back so far, by the conversations that have changed.
//!
//! # The first form
//!
//! [`Ledger`] is the ledger of direct messages alone that Naru's broker keeps so far. It knows no index: an inbox is a row of
//! pointers. Every operation first decides on the state as it is, then records each change
//! as an [`Effect`]: applied to the state, and handed to the caller, who makes it durable **before** anybody
//! hears of the outcome. [`Ledger::apply`] is the only code that changes what is durable, and it is what a
//! restart uses: the effects, applied in the order they were recorded, give an equal ledger. A prefix of them
//! gives a ledger that can be gone on from; what it cut off in a fan-out is [`Ledger::pending`]. Where some are lost in
//! between, [`Mending`] takes the rest in.
//!
//! ## Invariants
//!
//! - A conversation's log has the numbers 1, 2, 3, … and times that never go back, whatever the clock does.
//! - A sender's client id is in a log once, for as long as a retry is recognised: 24 hours at least, 48 at most.
//! - An inbox has the numbers 1, 2, 3, …; it holds each message of a conversation once, in the order of the log,
//!   without holes.
//! - A cursor never goes back and never passes the head. A pointer leaves the inbox only after every device
//!   the ledger still knows has acknowledged it.
//! - An operation that changes nothing records nothing: a repeat costs no write.
//! - Numbers are never given twice, also over a restart.
//!
//! ## Left to others
//!
//! Durability and batching are the store's, encodings and sockets the broker's, who may write to whom the
//! gateway's. Which server holds a user ([`Ledger::route`]) is kept here because a delivery names those servers, but
//! it is volatile: no effects, no part of equality.
//!
//! ## Absent from it
//!
//! - The conversation index (the fallback for a cursor far behind): pointers are kept until the slowest live
//!   device has acknowledged them, and those of a user who never had a device are kept all.
//! - Retention: logs are kept whole, bodies in memory.
//! - Edits, deletions, read marks, mentions, rooms and membership.
//! - The jump ahead after a failover that lost a tail: this ledger has one store, which has no such failover.
#![forbid(unsafe_code)]

pub mod answer;
mod body;
mod conversation;
mod dedupe;
mod effect;
mod entry;
mod generation;
mod inbox;
pub mod json;
mod kind;
mod ledger;
mod level;
pub mod limits;
mod log;
mod mending;
mod mode;
mod model;
mod names;
pub mod op;
mod past;
mod position;
mod role;
mod routes;
mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod words;

pub use answer::Answer;
pub use body::Body;
pub use conversation::{Conversation, ConversationError, Direct, DirectError, Room, RoomError};
pub use effect::Effect;
pub use entry::{Batch, Entry, Portion};
pub use generation::{Generation, JUMP};
pub use json::Told;
pub use kind::Kind;
pub use ledger::{Append, Appended, Delivery, Ledger, Pending, Refused, Resume, Sent};
pub use level::Level;
pub use limits::Limits;
pub use mending::Mending;
pub use mode::{Follow, Mode};
pub use model::Model;
pub use names::{ClientId, Device, Epoch, NameError, Server, User};
pub use op::Op;
pub use position::{Millis, Position, Seq, Useq, Version};
pub use role::Role;
pub use state::Misfit;
pub use words::UnknownWord;
