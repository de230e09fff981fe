//! Finishing what other servers have left half-done: entries that are in a log and not yet in all inboxes they are for.

use std::convert::Infallible;
use std::future::pending;

use naru_ledger::Server;
use naru_ledger::op::Sweep;
use tokio::time::sleep;

use crate::error::BusError;
use crate::limits::{SWEEP_EVERY, SWEEP_LEASE, SWEEP_MAX, SWEEP_OLDER_THAN};
use crate::line::Line;
use crate::partition::Partition;

/// Looks again and again, if it is to.
pub(crate) async fn sweep(line: &Line, server: &Server, is_wanted: bool) -> Infallible {
    if !is_wanted {
        pending::<()>().await;
    }
    loop {
        sleep(SWEEP_EVERY).await;
        if let Err(error) = turn(line, server).await {
            tracing::debug!(%error, "what was left half-done is left for the next turn");
        }
    }
}

async fn turn(line: &Line, server: &Server) -> Result<(), BusError> {
    let (older_than, limit, lease) = (SWEEP_OLDER_THAN, SWEEP_MAX, SWEEP_LEASE);
    let sweep = Sweep { server: server.clone(), older_than, limit, lease };
    for open in line.sweep(&sweep, Partition::all()).await? {
        line.finish(&open).await?;
        tracing::info!(conversation = %open.conversation, "a message was brought to its end that another server had left");
    }
    Ok(())
}
