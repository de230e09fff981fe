//! The server HTTP API: what an application's own servers publish and steer connections with.
//!
//! Shaped as Centrifugo's, so that its libraries (`cent`, `cent.js` …) work. A request is JSON posted to `/api/<method>` with a
//! key; each method is one file in `methods/` and one entry of [`method::METHODS`], from which `openapi.rs` makes the
//! description and `page.rs` the page that people read.
//!
//! # Invariants
//!
//! - Nothing is read of a body, and nothing done, before its key is known ([`keys`]).
//! - `publish` answers after the broker has what was published.
//! - What a request costs is bounded: its body, what is under way at once, how long others are waited for.
//!
//! Start at [`Api`], then `http.rs`.

mod door;
mod given;
mod http;
mod keys;
mod lines;
mod method;
mod methods;
mod openapi;
mod page;
mod refusal;
mod room;
mod settings;

use std::sync::Arc;

use arc_swap::ArcSwap;
use naru_bus::Bus;

use crate::{
    auth::{Revocation, Revoke, unix_seconds},
    codes::Code,
    limits::{LIVE_BYTES_MAX, REVOCATION_MAX},
    namespaces::{Channel, Namespaces},
    nodes::{Nodes, NotRevoked},
};

pub(crate) use door::Door;
pub(crate) use http::router;
pub use keys::{KeySettings, SecretKey};
pub use settings::{BadSettings, ErrorMode, Options, Settings};

use keys::Keys;
use methods::Empty;
use refusal::Refusal;

/// What the API works on.
pub(crate) struct Api {
    bus: Bus,
    nodes: Arc<Nodes>,
    namespaces: Arc<ArcSwap<Namespaces>>,
    keys: Keys,
    error_mode: ErrorMode,
    body_bytes_max: usize,
    has_docs: bool,
}

impl Api {
    pub(crate) fn new(
        options: &Options,
        bus: Bus,
        nodes: Arc<Nodes>,
        namespaces: Arc<ArcSwap<Namespaces>>,
    ) -> Arc<Api> {
        Arc::new(Api {
            bus,
            nodes,
            namespaces,
            keys: options.keys.clone(),
            error_mode: options.error_mode,
            body_bytes_max: options.body_bytes_max,
            has_docs: options.has_docs,
        })
    }

    /// A channel that an application's server names: any but ours, in a namespace that there is.
    fn channel<'a>(&self, name: &'a str) -> Result<Channel<'a>, Refusal> {
        if name.is_empty() {
            return Err(Refusal::bad("the channel has no name"));
        }
        self.namespaces.load().find(name).map_err(|refused| match refused.code {
            Code::UnknownChannel => Refusal::unknown_channel(),
            _ => Refusal::bad(format_args!("{name:?} is no channel's name, or of one of the server's own")),
        })
    }

    /// Calls tokens back until then: at the longest for as long as that is remembered.
    async fn revoke(&self, what: Revoke, until: Option<u64>) -> Result<Empty, Refusal> {
        let now = unix_seconds();
        let longest = now + REVOCATION_MAX.as_secs();
        let until = until.unwrap_or(longest).min(longest);
        if until <= now {
            return Err(Refusal::bad("expire_at is in the past: these tokens have ended"));
        }
        match self.nodes.revoke(Revocation { what, until }).await {
            Ok(()) => Ok(Empty {}),
            Err(NotRevoked::TooMany) => Err(Refusal::limit_exceeded()),
            Err(NotRevoked::Bus(error)) => Err(error.into()),
        }
    }

    /// Whether a payload can get through to clients.
    fn check_size(payload_bytes: usize) -> Result<(), Refusal> {
        // Names and numbers go along, beside the 4 KiB that a frame may have of its own: what is answered as published is never
        // dropped later because it is too large.
        const ROOM: usize = 8 << 10;
        if payload_bytes + ROOM > LIVE_BYTES_MAX {
            return Err(Refusal::bad(format_args!(
                "a publication has at most {} bytes",
                LIVE_BYTES_MAX - ROOM
            )));
        }
        Ok(())
    }
}
