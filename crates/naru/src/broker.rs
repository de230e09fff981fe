//! `naru broker`

use std::{net::IpAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use naru_broker::{Broker, Password, Storage};
use naru_fanout::Listener;

use crate::{cores, listen, signals};

/// Exit status after the log could not be written any more.
pub(crate) const EXIT_LOG_FAILED: u8 = 70;

#[derive(Args)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    bind: IpAddr,
    /// Port for Redis clients; 0 takes a free one, or none if there is another way in (--unixsocket).
    #[arg(short, long, default_value_t = 6379)]
    port: u16,
    /// A Unix socket to listen on as well.
    #[arg(long, value_name = "PATH")]
    unixsocket: Option<PathBuf>,
    /// The socket file's permissions, in octal, such as 700 [default: what the umask leaves].
    #[arg(long, value_name = "MODE", value_parser = listen::parse_mode, requires = "unixsocket")]
    unixsocketperm: Option<u32>,
    /// Folder for what must last.
    #[arg(long, default_value = "naru-data", value_name = "DIR", conflicts_with = "memory")]
    data: PathBuf,
    /// Keep everything in memory: fast, and gone with the process.
    #[arg(long)]
    memory: bool,
    /// Password that clients sign in with; without one, only this machine is let in.
    #[arg(long, env = "NARU_REQUIREPASS", hide_env_values = true, value_name = "PASSWORD")]
    requirepass: Option<String>,
    /// Threads that serve connections [default: one a processor].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    cores: Option<u16>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // With another way in, port 0 means what it means to Redis.
    let has_port = options.port != 0 || options.unixsocket.is_none();
    let listener = has_port.then(|| listen::bind(options.bind, options.port, "--port")).transpose()?;
    let address = listener.as_ref().map(Listener::address);
    let unix_listener = match &options.unixsocket {
        Some(path) => Some(listen::bind_unix(path, options.unixsocketperm)?),
        None => None,
    };
    let unixsocket = options.unixsocket.as_ref().map(|path| path.display().to_string());
    let storage = if options.memory { Storage::Memory } else { Storage::Folder(options.data.clone()) };
    let cores = options.cores.map_or_else(cores::default_count, usize::from);
    let password = options.requirepass.as_deref().map(Password::new).transpose().context("--requirepass")?;
    let is_open = password.is_some();
    let mut broker = Broker::start(naru_broker::Options {
        listeners: listener.into_iter().collect(),
        unix_listener,
        storage,
        password,
        cores,
    })?;
    tracing::info!(address = address.map(tracing::field::display), unixsocket, cores, "the broker is ready");
    if let Some(address) = address.filter(|address| !address.ip().is_loopback() && !is_open) {
        tracing::warn!(
            %address,
            "without --requirepass, connections from other machines are refused (protected mode)"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(failed) = runtime.block_on(signals::asked_to_end_or_failed(Some(&mut broker)))? {
        tracing::error!("{failed}");
        return Ok(ExitCode::from(EXIT_LOG_FAILED));
    }
    broker.stop();
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}
