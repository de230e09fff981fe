//! Tokens that open one connection.
//!
//! That one has is remembered where all gateways see it: `nodes/once.rs`.

use std::time::Duration;

use naru_ledger::channel::ONCE_WINDOW_MAX;

use super::{claims::Registered, fault::Fault};

/// A token that opens one connection, as it is to be remembered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Once {
    /// Its `jti`.
    pub(crate) id: String,
    /// For how long: no server takes the token any more by then.
    pub(crate) window: Duration,
}

impl Once {
    /// Of a token that counts at `now`, in seconds since 1970.
    pub(super) fn read(registered: &Registered, leeway: u64, now: u64) -> Result<Once, Fault> {
        let exp = registered.exp.ok_or(Fault::Endless)?.0;
        let id = registered.jti.clone().filter(|id| !id.is_empty()).ok_or(Fault::Unnamed)?;
        // It counts for the leeway more. Another server's clock may be behind by as much, and this one's ahead; and both leave out
        // what is less than a second.
        let window = Duration::from_secs(exp.saturating_add(3 * leeway + 1).saturating_sub(now));
        if window > ONCE_WINDOW_MAX { Err(Fault::Lasting) } else { Ok(Once { id, window }) }
    }
}
