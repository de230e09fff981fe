//! Connections that do nothing but answer pings.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde::Serialize;
use tokio::{
    sync::mpsc,
    task::{JoinSet, LocalSet},
};

use super::{
    frame::{self, Frames, Sent},
    meter::Meter,
    opening::{AT_ONCE, open_all},
    options::NAMESPACE,
    place::{Place, To},
    server::{Opened, Servers},
    tongue::{Heard, Tongue},
};
use crate::{
    bench::{
        live::Live,
        options::seconds,
        table::{self, Table},
    },
    files,
};

/// How often progress is shown, in connections.
const SHOWN_EVERY: u32 = 500;

/// Connections that have been opened and are not held yet.
const OPENED_MAX: usize = 64;

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) servers: Servers,
    /// Connections; each has signed in.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Each has subscribed to a channel of its own, too.
    #[arg(long)]
    subscribe: bool,
    /// What stands before the `:` in the name of a channel; empty for none.
    #[arg(long, default_value = NAMESPACE, value_name = "NAME")]
    namespace: String,
    /// How long they are left alone before the memory is read: servers give buffers back after a while.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    seconds: Duration,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: String,
    protocol: &'static str,
    connections: u32,
    /// How many were being opened at the same time.
    at_once: u32,
    seconds: f64,
    connects_per_second: f64,
    /// Of the servers, before the first connection.
    start_resident_bytes: u64,
    /// Of the servers, with all of them.
    resident_bytes: u64,
    resident_bytes_per_connection: f64,
    /// CPU seconds a second of the servers, while they did nothing.
    idle_cores: f64,
}

/// Opens the connections, leaves them alone, reads the servers' memory.
///
/// # Errors
///
/// There may not be so many, or one of them was lost or sent something.
pub(super) fn measure(options: &Options) -> anyhow::Result<Report> {
    files::allow(options.connections.into())?;
    let meter = Meter::new(options.servers.processes())?;
    ensure!(!meter.is_blind(), "--pid is missing: without it there is nothing to measure");
    let doors = options.servers.doors()?;
    let live = Live::new("connections");
    let (hold, held) = mpsc::channel(OPENED_MAX);
    let (failed, failure) = sync_channel(1);
    let tongue = doors.tongue;
    thread::Builder::new().name("bench".to_owned()).spawn(move || {
        if let Err(error) = hold_all(tongue, held) {
            // Nobody listens any longer when the run is over.
            let _ = failed.send(error);
        }
    })?;

    let began = Instant::now();
    let run = std::process::id();
    let mut count = 0_u32;
    let open = |number| {
        let place = Place::new(To::Channels, &options.namespace, number, "");
        let entries = if options.subscribe { place.entries(tongue) } else { Vec::new() };
        doors.subscriber(number, &format!("bench-{run}-{number}"), &entries)
    };
    open_all(options.connections, open, |_, opened| {
        if count.is_multiple_of(SHOWN_EVERY) {
            live.write(&format!("{count} of {} connections are open", options.connections));
            all_well(&failure)?;
        }
        count += 1;
        if hold.blocking_send(opened).is_err() {
            return Err(failure.recv().context("the thread that holds the connections has gone")?);
        }
        Ok(())
    })?;
    let connecting = began.elapsed();

    live.write(&format!("{} connections are idle", options.connections));
    let before = meter.read()?;
    thread::sleep(options.seconds);
    let between = meter.between(&before, &meter.read()?);
    let resident_bytes = meter.resident_bytes()?;
    all_well(&failure)?;
    let start_resident_bytes = meter.start_resident_bytes();
    let grown = resident_bytes.saturating_sub(start_resident_bytes);
    Ok(Report {
        server: options.servers.names(),
        protocol: tongue.name(),
        connections: options.connections,
        at_once: AT_ONCE,
        seconds: options.seconds.as_secs_f64(),
        connects_per_second: f64::from(options.connections) / connecting.as_secs_f64(),
        start_resident_bytes,
        resident_bytes,
        resident_bytes_per_connection: grown as f64 / f64::from(options.connections),
        idle_cores: between.server_cores().unwrap_or_default(),
    })
}

fn all_well(failure: &Receiver<anyhow::Error>) -> anyhow::Result<()> {
    failure.try_recv().map_or(Ok(()), Err)
}

/// Holds the connections it is given until no more can come, or one of them fails.
fn hold_all(tongue: Tongue, mut held: mpsc::Receiver<Opened>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                opened = held.recv() => match opened {
                    Some(opened) => drop(tasks.spawn_local(hold(tongue, opened))),
                    None => return Ok(()),
                },
                Some(ended) = tasks.join_next() => ended??,
            }
        }
    })
}

/// Answers pings; an error when the connection ends, or anything else comes.
async fn hold(tongue: Tongue, opened: Opened) -> anyhow::Result<()> {
    let Opened { stream, mut frames, .. } = opened;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    loop {
        stream.readable().await?;
        let mut buffer = [0; 512];
        match stream.try_read(&mut buffer) {
            Ok(0) => bail!("the server closed an idle connection"),
            Ok(count) => {
                let answers = answers(tongue, &mut frames, &buffer[..count])?;
                // A few bytes, which find room. If they do not, the server will say so.
                let _ = stream.try_write(&answers);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("an idle connection was lost"),
        }
    }
}

fn answers(tongue: Tongue, frames: &mut Frames, input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut answers = Vec::new();
    frames.read(input, |sent| {
        let message = match sent {
            Sent::Message(message) => message,
            Sent::Ping(body) => {
                frame::pong(body, &mut answers);
                return Ok(());
            }
        };
        tongue.split(message, |part| {
            match tongue.read(part)? {
                Heard::Ping => frame::write(tongue.opcode(), tongue.pong(), &mut answers),
                Heard::Nothing => {}
                other => bail!("the server sent an idle connection: {other:?}"),
            }
            Ok(())
        })
    })?;
    Ok(answers)
}

impl table::Report for Report {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{} ({}): {} connections, idle for {:.1} s",
            self.server, self.protocol, self.connections, self.seconds
        ));
        table.row("connects", format!("{:.0} /s, {} at once", self.connects_per_second, self.at_once));
        let resident = [self.start_resident_bytes, self.resident_bytes];
        table.held(resident, self.resident_bytes_per_connection, self.idle_cores);
        table
    }
}
