//! Conversations, inboxes and cursors as a pure model: operations on state, and nothing else. There is no
//! I/O, no clock and no randomness here; time comes in as [`Millis`], randomness as the [`Epoch`], bounds as [`Limits`].
//!
//! [`Op`] is what can be asked of a ledger, [`Answer`] what it says: the same whether Naru's broker keeps it, or Redis
//! or Valkey by scripts. [`Model`] does them in the plainest way there is; every store has to answer as it does, and is held
//! against it by random histories (`testing/`, with the feature of that name). Nothing is stored by the model itself. Start
//! reading at `Op`.
//!
//! A message is stored once, in the log of its [`Conversation`], where it gets its [`Seq`]. An inbox copies nothing. It is a
//! ring of the last changes, each with the user's own running number, its [`Useq`]; and an index with one record for each
//! conversation: how far it has come, and how far it is read. A [`Device`] has one cumulative cursor in useq. Coming
//! back means going on from there: by the ring, or, if that does not go back so far, by the conversations that have changed.
//!
//! Beside it stand channels that keep their last publications ([`channel`]), with operations, answers and a model of their own.
//!
//! # Invariants
//!
//! - A conversation's numbers rise, by one but for a jump where newer ones may have been lost (see [`Generation`]), and its
//!   times never go back, whatever the clock does.
//! - A sender's client id is in a log once, for as long as a retry is recognised: one to two of
//!   [`Limits::dedupe_window`].
//! - An inbox's numbers rise likewise. What has come into it is each entry of a conversation once, in the order of the log.
//! - A cursor never goes back and never passes the head. What has left the ring before a device had it is known by where the
//!   device stood.
//! - What is unread follows from numbers, and is never counted up and down.
//! - Each operation is safe to repeat: what it has changed it does not change again.
//!
//! # Left to others
//!
//! Durability, packing and batching are the stores', encodings but JSON and sockets the broker's and the bus's, who may write to
//! whom the gateway's. Which server holds a user ([`op::ServerIs`]) is kept here because a delivery names those servers, but it
//! is volatile.
#![forbid(unsafe_code)]

pub mod answer;
mod body;
pub mod channel;
mod conversation;
mod generation;
pub mod json;
mod kind;
mod level;
pub mod limits;
mod mode;
mod model;
mod names;
pub mod op;
mod position;
mod role;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod words;

pub use answer::Answer;
pub use body::Body;
pub use conversation::{Conversation, ConversationError, Direct, DirectError, Room, RoomError};
pub use generation::{Generation, JUMP};
pub use json::Told;
pub use kind::Kind;
pub use level::Level;
pub use limits::Limits;
pub use mode::{Follow, Mode};
pub use model::Model;
pub use names::{ClientId, Device, Epoch, NameError, Server, User};
pub use op::Op;
pub use position::{Millis, Position, Seq, Useq, Version};
pub use role::Role;
pub use words::UnknownWord;
