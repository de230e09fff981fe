//! Sessions over plain HTTP: a long response brings everything down, and commands come up in requests of their own.
//!
//! [`request`] reads what such a session begins with, as HTTP streaming or as server-sent events. Then the socket is taken back
//! from hyper ([`taking`]), and the session writes into it what a WebSocket's would, in frames that are chunks of HTTP. What the
//! client says afterwards is posted to [`emulation`], of whichever server, and comes into the session's [`Mailbox`].
//!
//! # Invariants
//!
//! - Whoever knows a session's secret speaks for it, so it is unguessable, and in no log.
//! - A mailbox is bounded: nothing slows down who posts, so a client that posts more than is taken is closed, and comes back.
//! - What a page of another origin may not open, it may not post to either.

mod cors;
mod downstream;
mod emulation;
mod mailbox;
mod refusal;
mod request;
mod secret;
mod taking;

pub(crate) use downstream::Downstream;
pub(crate) use emulation::emulate;
pub(crate) use mailbox::{Full, Mailbox};
pub(crate) use request::{Opening, look};
pub(crate) use taking::{Taken, Watched, serve};

/// Where HTTP streaming begins.
pub(crate) const HTTP_STREAM_PATH: &str = "/connection/http_stream";

/// Where server-sent events begin.
pub(crate) const EVENTS_PATH: &str = "/connection/sse";

/// Where the commands of both are posted.
pub(crate) const EMULATION_PATH: &str = "/emulation";
