//! Redis wire format: bytes to frames and back, for both ends of a connection.
//!
//! Pure: no sockets, no clock, no global state. The caller owns the buffers, reads and writes the
//! sockets and decides what a command means.
//!
//! Invariants: bytes from a peer never panic; memory grows with bytes received, never with lengths
//! announced; input cut into pieces anywhere parses the same.
//!
//! A server starts at [`RequestParser`] and [`ReplyWriter`], a client at [`encode_request`] and
//! [`ReplyParser`]. The rules are those of <https://redis.io/docs/latest/develop/reference/protocol-spec/>
//! and, where that is silent, what redis-server 7.0 does.

#![forbid(unsafe_code)]

mod arguments;
mod encode;
mod inline;
mod integer;
mod limits;
mod reply;
mod reply_parser;
mod request;
mod value;

pub use encode::encode_request;
pub use inline::{UnbalancedQuotes, split_line};
pub use integer::parse_integer;
pub use limits::{Limits, ReplyLimits};
pub use reply::{ReplyWriter, Version};
pub use reply_parser::{MalformedReply, ReplyParser};
pub use request::{Command, Malformed, OwnedCommand, RequestParser};
pub use value::Value;
