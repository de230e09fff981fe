use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    io,
    task::Poll,
};

use naru_broker::{Broker, Failed};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, Ctrl-C, and SIGHUP for what has nothing to read again then. From when this is made on, in a runtime, none of them ends the
/// process before it has taken away what it leaves to nobody.
pub(crate) struct Ends([Signal; 3]);

impl Ends {
    pub(crate) fn new() -> io::Result<Ends> {
        let [terminate, interrupt, hangup] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok(Ends([terminate?, interrupt?, hangup?]))
    }

    /// Waits until the process is asked to end, or has been.
    pub(crate) async fn come(&mut self) {
        poll_fn(|context| {
            let is_any = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if is_any { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Waits until a server is asked to end (SIGTERM, or Ctrl-C), or its broker, if it has one, has failed.
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
