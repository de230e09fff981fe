use std::{
    io,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::{
    connect::Connector,
    frame::shown,
    live::Live,
    nats,
    options::seconds,
    process::Process,
    protocol::Protocol,
    table::{self, Table},
    target::Target,
};
use crate::files;

/// How often progress is shown, in connections.
const SHOWN_EVERY: u32 = 500;

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    target: Target,
    /// Connections; each has said one PING and had its answer.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// How long they are left alone before the memory is read: servers give buffers back after a while.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    seconds: Duration,
    /// Process id of the server, which must run here.
    #[arg(long)]
    pid: u32,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: String,
    protocol: &'static str,
    connections: u32,
    seconds: f64,
    connects_per_second: f64,
    /// Of the server, before the first connection.
    start_resident_bytes: u64,
    /// Of the server, with all of them.
    resident_bytes: u64,
    resident_bytes_per_connection: f64,
    /// CPU seconds a second of the server, while they did nothing.
    idle_cores: f64,
}

/// Opens the connections, leaves them alone, reads the server's memory.
///
/// # Errors
///
/// There may not be so many, or one of them was lost.
pub(super) fn measure(options: &Options) -> anyhow::Result<Report> {
    files::allow(options.connections.into())?;
    let connector = Connector { server: options.target.resolve()?, protocol: options.target.protocol };
    let server = Process(options.pid);
    let live = Live::new("connections");

    let start_resident_bytes = server.resident_bytes()?;
    let began = Instant::now();
    let mut connections = Vec::with_capacity(options.connections as usize);
    for number in 0..options.connections {
        if number.is_multiple_of(SHOWN_EVERY) {
            live.write(&format!("{number} of {} connections are open", options.connections));
        }
        connections.push(connector.idle()?);
    }
    let connecting = began.elapsed();

    live.write(&format!("{} connections are idle", options.connections));
    let cpu_before = server.cpu_time()?;
    thread::sleep(options.seconds);
    let cpu = server.cpu_time()?.since(cpu_before);
    let resident_bytes = server.resident_bytes()?;
    for connection in &connections {
        check(connection, connector.protocol)?;
    }
    let grown = resident_bytes.saturating_sub(start_resident_bytes);
    Ok(Report {
        server: format!("{}:{}", options.target.host, options.target.port()),
        protocol: connector.protocol.name(),
        connections: options.connections,
        seconds: options.seconds.as_secs_f64(),
        connects_per_second: f64::from(options.connections) / connecting.as_secs_f64(),
        start_resident_bytes,
        resident_bytes,
        resident_bytes_per_connection: grown as f64 / f64::from(options.connections),
        idle_cores: (cpu.user + cpu.system).as_secs_f64() / options.seconds.as_secs_f64().max(0.001),
    })
}

/// It must still be open, and have been left alone.
fn check(connection: &TcpStream, protocol: Protocol) -> anyhow::Result<()> {
    let mut waiting = [0; 64];
    match connection.peek(&mut waiting) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Ok(0) => bail!("the server closed an idle connection"),
        Ok(count) if protocol == Protocol::Nats && nats::PING.repeat(2).starts_with(&waiting[..count]) => {
            Ok(())
        }
        Ok(count) => bail!("the server sent an idle connection: {}", shown(&waiting[..count])),
        Err(error) => bail!("an idle connection was lost: {error}"),
    }
}

impl table::Report for Report {
    fn table(&self) -> Table {
        let Report { server, connections, seconds, .. } = self;
        let mut table = Table::new(format!("{server}: {connections} connections, idle for {seconds:.1} s"));
        table.row("connects", format!("{:.0} /s", self.connects_per_second));
        let resident = [self.start_resident_bytes, self.resident_bytes];
        table.held(resident, self.resident_bytes_per_connection, self.idle_cores);
        table
    }
}

#[cfg(test)]
pub(super) fn parsed(arguments: &[&str]) -> Options {
    use clap::FromArgMatches as _;
    let command = Options::augment_args(clap::Command::new("idle").no_binary_name(true));
    Options::from_arg_matches(&command.get_matches_from(arguments)).unwrap()
}
