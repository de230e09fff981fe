//! Finishing what other servers have left half-done: entries that are in a log and not yet in all inboxes they are for.
//!
//! Every server looks everywhere, each beginning somewhere else: with nothing open a look is next to nothing for the broker, and no
//! server depends on another. What is found is leased, so that they do not all do the same.

use std::convert::Infallible;
use std::future::pending;

use naru_ledger::Server;
use naru_ledger::answer::Open;
use naru_ledger::op::Sweep;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::error::BusError;
use crate::limits::{SWEEP_AT_ONCE, SWEEP_EVERY, SWEEP_LEASE, SWEEP_MAX, SWEEP_OLDER_THAN};
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
    let start = getrandom::u32().unwrap_or(0) as usize % usize::from(Partition::COUNT);
    let everywhere = Partition::all().cycle().skip(start).take(usize::from(Partition::COUNT));
    let open = line.sweep(&sweep, everywhere).await?;
    for some in open.chunks(SWEEP_AT_ONCE) {
        let mut finishing = JoinSet::new();
        for open in some.iter().cloned() {
            finishing.spawn(finish(line.clone(), open));
        }
        while finishing.join_next().await.is_some() {}
    }
    Ok(())
}

/// One that cannot be finished must not keep the others waiting.
async fn finish(line: Line, open: Open) {
    let conversation = open.conversation.as_str();
    match line.finish(&open).await {
        Ok(()) => tracing::info!(conversation, "what another server had left half-done is finished"),
        Err(error) if error.is_temporary() => tracing::debug!(conversation, %error, "to be finished later"),
        Err(error) => tracing::warn!(conversation, %error, "what was left half-done cannot be finished"),
    }
}
