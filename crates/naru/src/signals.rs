use std::{convert::Infallible, future::pending, io};

use naru_broker::{Broker, Failed};
use tokio::signal::unix::{SignalKind, signal};

/// Waits until the process is asked to end (SIGTERM, or Ctrl-C), or its broker, if it has one, has failed.
pub(crate) async fn asked_to_end_or_failed(broker: Option<&mut Broker>) -> io::Result<Option<Failed>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let failed = async {
        match broker {
            Some(broker) => broker.failed().await,
            None => pending().await,
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        failed = failed => return Ok(Some(failed)),
    }
    tracing::info!("asked to end: clients get what they are owed");
    Ok(None)
}

/// Calls `act` at every SIGHUP, which then no longer ends the process.
pub(crate) async fn at_each_hangup(act: impl Fn()) -> io::Result<Infallible> {
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        match hangup.recv().await {
            Some(()) => act(),
            None => return pending().await,
        }
    }
}
