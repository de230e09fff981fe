use std::{
    convert::Infallible,
    fs,
    future::{pending, poll_fn},
    io,
    task::Poll,
};

use naru_broker::{Broker, Failed};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks a process to end. From when this is made on, in a runtime, none of it ends the process before it has taken away what it
/// leaves to nobody; what comes before anybody waits for it is not missed.
pub(crate) struct Ends(Vec<Signal>);

impl Ends {
    /// SIGTERM, Ctrl-C, and SIGHUP for what has nothing to read again then; unless that is ignored, as `nohup` has it.
    pub(crate) fn new() -> io::Result<Ends> {
        let Ends(mut ends) = Ends::of_servers()?;
        // Whoever listens is called, ignored or not.
        if !is_ignored(SignalKind::hangup()) {
            ends.push(signal(SignalKind::hangup())?);
        }
        Ok(Ends(ends))
    }

    /// SIGTERM and Ctrl-C, also where a shell has that ignored by what is in the background: who sends it by name means it.
    pub(crate) fn of_servers() -> io::Result<Ends> {
        Ok(Ends(vec![signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]))
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

/// Whether a signal is ignored since before; not where the system does not say so in a file, as Linux does.
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (kind.as_raw_value() - 1) & 1 == 1
}

/// Waits until a server is asked to end (SIGTERM, or Ctrl-C), or its broker, if it has one, has failed.
pub(crate) async fn asked_to_end_or_failed(mut ends: Ends, broker: Option<&mut Broker>) -> Option<Failed> {
    let failed = async {
        match broker {
            Some(broker) => broker.failed().await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = ends.come() => {}
        failed = failed => return Some(failed),
    }
    tracing::info!("asked to end: clients get what they are owed");
    None
}

/// SIGHUP, which no longer ends the process from when this is made on, in a runtime.
pub(crate) struct Hangups(Signal);

impl Hangups {
    pub(crate) fn new() -> io::Result<Hangups> {
        Ok(Hangups(signal(SignalKind::hangup())?))
    }

    /// Calls `act` at each.
    pub(crate) async fn act(&mut self, act: impl Fn()) -> Infallible {
        while self.0.recv().await.is_some() {
            act();
        }
        pending().await
    }
}
