//! What a link does for its place at the broker: says that this server runs, again and again, and looks whether the broker is still
//! the one it was.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use naru_ledger::Op;
use naru_ledger::op::{Run, ServerIs};
use tokio::time::{sleep, timeout};

use crate::dialect::Dialect;
use crate::error::BusError;
use crate::inspect::succession;
use crate::limits::{GOODBYE_TIMEOUT, LEASE, LEASE_EVERY, SUCCESSION_EVERY};
use crate::line::Line;

/// Says that this server runs: as long as the connection lasts, or for a while where that is not known.
pub(crate) async fn register(line: &Line, run: &Run) -> Result<(), BusError> {
    let lease = match line.dialect() {
        Dialect::Native => None,
        Dialect::Scripts => Some(LEASE),
    };
    match say(line, run, lease).await {
        // It can be read; and this is said again soon.
        Err(error @ BusError::Uncertain { .. }) if lease.is_some() => {
            tracing::warn!(%error, "the broker is not told that this server runs");
            Ok(())
        }
        said => said,
    }
}

/// Says so again, well before it is not believed any more.
pub(crate) async fn renew(line: &Line, run: &Run) -> Infallible {
    if line.dialect() == Dialect::Native {
        pending::<()>().await;
    }
    loop {
        sleep(LEASE_EVERY).await;
        if let Err(error) = say(line, run, Some(LEASE)).await {
            tracing::warn!(%error, "the broker is not told that this server runs");
        }
    }
}

/// Says that it does not any more, if there is time. Naru's broker sees it by the connection.
pub(crate) async fn leave(line: &Line, run: &Run) {
    if line.dialect() == Dialect::Scripts {
        let _ = timeout(GOODBYE_TIMEOUT, say(line, run, Some(Duration::ZERO))).await;
    }
}

async fn say(line: &Line, run: &Run, lease: Option<Duration>) -> Result<(), BusError> {
    line.step(&Op::Server(ServerIs { run: run.clone(), lease })).await.map(drop)
}

/// Ends when a Redis or Valkey is another one than when the line was opened, or no master any more. What it has may then end
/// earlier, and its numbers have to be of another generation.
pub(crate) async fn until_succeeded(line: &Line) {
    let Some(found) = line.inspection() else { return pending().await };
    loop {
        sleep(SUCCESSION_EVERY).await;
        match succession(&line.connection()).await {
            Ok(Some(id)) if id == found.replication_id => {}
            Ok(_) => return,
            // Whether it answers at all is looked at elsewhere.
            Err(error) => tracing::debug!(%error, "the broker does not say which one it is"),
        }
    }
}
