//! The client protocol's messages: one schema, in JSON and in Protobuf, as far as Naru speaks it (docs/clients.md).
//!
//! A payload is what applications say to each other; it is `Bytes` here. In Protobuf it is a `bytes` field, in JSON it is JSON
//! itself. An empty one is none.

mod boundary;
pub(crate) mod command;
pub(crate) mod data;
pub(crate) mod emulation;
pub(crate) mod encoding;
pub(crate) mod flavour;
pub(crate) mod json;
#[cfg(any(test, feature = "laws"))]
mod law;
pub(crate) mod message;
pub(crate) mod push;
pub(crate) mod reply;
#[cfg(test)]
mod tests;

#[cfg(feature = "laws")]
pub use law::{hold_commands, hold_emulation};
