use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::ensure;
use clap::Args;

use super::{
    body::NUMBER_BYTES,
    folder::{Disk, Folder},
    meter::Meter,
};
use crate::{
    bench::{
        connect::Connector, dialog::Dialog, options::seconds, process::Process, protocol::Protocol, target,
    },
    files, host,
};

/// The server to load, and how to report.
#[derive(Args, Clone, Debug)]
pub(super) struct Server {
    /// Server to load.
    #[arg(long, default_value = "127.0.0.1", value_parser = host::alone)]
    host: String,
    /// Its port for clients.
    #[arg(long, default_value_t = Protocol::Resp.default_port(), value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Process id of the server, if it runs here: report its CPU time and its memory.
    #[arg(long)]
    pid: Option<u32>,
    /// The server's data folder, if it is on this machine: report what is written to its disk meanwhile, by this server or
    /// anybody else, and the space that it takes.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

impl Server {
    /// As reports call it.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// # Errors
    ///
    /// The process is not there.
    pub(super) fn meter(&self) -> anyhow::Result<Meter> {
        Meter::new(self.pid.map(Process))
    }

    /// # Errors
    ///
    /// There is no such folder.
    pub(super) fn disk(&self) -> anyhow::Result<Disk<'_>> {
        let folder = self.folder();
        folder.map(Folder::space).transpose()?;
        Ok(Disk::new(folder))
    }

    pub(super) fn folder(&self) -> Option<Folder<'_>> {
        self.folder.as_deref().map(Folder)
    }

    pub(super) fn connector(&self) -> anyhow::Result<Connector> {
        Ok(Connector { server: self.address()?, protocol: Protocol::Resp })
    }

    /// A connection for one question after the other.
    pub(super) fn dialog(&self) -> anyhow::Result<Dialog> {
        Dialog::open(self.address()?)
    }

    fn address(&self) -> anyhow::Result<SocketAddr> {
        target::resolve(&self.host, self.port)
    }
}

/// Where entries go, and what they are.
#[derive(Args, Clone, Debug)]
pub(super) struct Entries {
    /// Streams that entries are spread over.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) streams: u32,
    /// Bytes of an entry's only value.
    #[arg(long, default_value_t = 200, value_name = "BYTES")]
    pub(super) body: usize,
}

impl Entries {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        check_body(self.body)
    }
}

pub(super) fn check_body(body: usize) -> anyhow::Result<()> {
    ensure!(body >= NUMBER_BYTES, "--body must be at least {NUMBER_BYTES}: an entry carries its number");
    Ok(())
}

/// Connections that append, and for how long that is measured.
#[derive(Args, Clone, Debug)]
pub(super) struct Adding {
    #[command(flatten)]
    pub(super) entries: Entries,
    /// Connections that append. Streams are dealt out to them, or shared if there are fewer.
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) connections: u32,
    /// Entries that each connection sends ahead of the server's answers.
    #[arg(long, default_value_t = 16, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) in_flight: u32,
    /// Trim a stream to so many entries with each that is added [default: keep all].
    #[arg(long, value_name = "COUNT")]
    pub(super) maxlen: Option<u64>,
    /// How long to measure; longer, by 10 s at most, while nothing at all comes.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub(super) seconds: Duration,
    /// How long to append before that.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    pub(super) warm_up: Duration,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: u16,
}

impl Adding {
    /// What the single options' bounds do not say.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.entries.check()?;
        ensure!(!self.seconds.is_zero(), "--seconds must be more than 0");
        files::allow(u64::from(self.connections) + 4 * u64::from(self.threads))
    }
}
