//! A store that has its own clock and its own epoch: Naru's broker.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use naru_bus::{BusError, Line};
use naru_ledger::{Answer, Epoch, Millis, Op};
use tokio::time::sleep;

use super::agree::Given;
use super::cast;

/// The moment it is.
pub(super) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Waits until it is later than that, so that the two moments are apart for the store, too.
pub(super) async fn later_than(moment: Millis) {
    while now() <= moment {
        sleep(Duration::from_millis(1)).await;
    }
}

/// When the store did what it has answered so, as far as it can be told.
pub(super) fn moment(given: &Given) -> Millis {
    match given {
        Ok(Answer::Appended(appended)) if !appended.repeat => appended.at,
        Ok(Answer::Changed(changed)) => changed.written.map_or_else(now, |written| written.at),
        _ => now(),
    }
}

/// The store's epoch.
pub(super) async fn epoch(lines: &[Line]) -> Result<Epoch> {
    let op = Op::Standing { user: cast::user(0), conversation: cast::conversation(0) };
    match lines.first().context("there are lines")?.ask(&op).await? {
        Answer::Standing(standing) => Ok(standing.epoch),
        _ => bail!(BusError::Protocol("the answer to another operation".to_owned())),
    }
}

/// What no history has had at the end of its names.
pub(super) fn fresh_mark() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("~{:x}.{:x}.{count}", std::process::id(), now().0)
}
