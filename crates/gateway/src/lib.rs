//! Chat servers: sessions that speak the Centrifuge client protocol, over WebSocket or plain HTTP, and HTTP beside them.
//!
//! A connection arrives on one core of the fan-out and stays there. It begins as HTTP (`http.rs`); on the WebSocket
//! path, or one of those in `streams/`, it becomes a **session** (`session/`), one task with a socket, a clock, a list of channels and a position in
//! its user's inbox. What is published comes from the bus (`events.rs`), is made into a WebSocket frame once
//! (`publication.rs`) and handed to the directory; the cores do the rest.
//!
//! # Invariants
//!
//! - This gateway is subscribed at the broker to a channel, and routed there for a user, while a session of it needs
//!   that, and the reply that says so leaves after the broker's confirmation (`interests.rs`).
//! - What comes into an inbox reaches a connection without a hole, and in order: for who was away long, in the order of each
//!   conversation. Where retention has made a hole, that is said. Whatever cannot be pushed at once is not queued but read
//!   again from the broker (`session/inbox.rs`, `session/replay/`).
//! - A publication's offset says that everything up to it has been pushed. No position goes back.
//! - Commands of one connection take effect in order, and are answered in order.
//! - What waits for a client is bounded; a live subscriber over the bound is cut off, an inbox reader waits.
//! - No message body reaches a log.
//!
//! # Left to others
//!
//! Storing messages and telling who is where is the broker's, reached through `naru-bus` only. TLS, and the pages
//! served beside the protocol, are the caller's.
//!
//! Start at [`Gateway`], then `session/mod.rs`.
#![forbid(unsafe_code)]

mod admission;
pub mod api;
mod arrivals;
pub mod auth;
mod channels;
mod codes;
mod connection;
mod crossing;
mod delta;
mod departed;
mod draining;
mod duration;
mod epoch;
mod events;
mod frame_end;
mod gateway;
mod handshake;
mod heads;
mod health;
mod http;
mod interests;
mod keyed;
pub mod limits;
pub mod metrics;
pub mod namespaces;
mod nodes;
mod origin;
pub mod outbound;
mod protocol;
pub mod proxy;
mod publication;
mod reached;
mod rpc;
#[cfg(feature = "sabotage")]
mod sabotage;
#[cfg(not(feature = "sabotage"))]
#[path = "no_sabotage.rs"]
mod sabotage;
mod secret;
mod session;
mod streams;
mod stuck;
mod tops;
mod trouble;
mod waiting;
mod websocket;
mod wire;

pub use auth::{EmptySecret, TokenKey, Tokens};
pub use channels::RoomRules;
pub use gateway::{Gateway, Options, StartError};
#[cfg(feature = "laws")]
pub use handshake::law::hold_handshakes;
pub use nodes::{BadCluster, Cluster};
pub use protocol::command::COMMANDS;
#[cfg(feature = "laws")]
pub use protocol::{hold_commands, hold_emulation};
pub use rpc::methods as rpc_methods;
pub use secret::Secret;
#[cfg(feature = "laws")]
pub use websocket::law::hold_frames;
