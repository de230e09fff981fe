//! `naru broker`

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use naru_broker::{Broker, Password, Storage};
use naru_fanout::{Listener, TlsTerms};

use crate::{
    cores, listen, signals,
    tls::{self, TlsPort},
};

/// Exit status after the log could not be written any more.
pub(crate) const EXIT_LOG_FAILED: u8 = 70;

#[derive(Args)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    bind: IpAddr,
    /// Port for Redis clients; 0 takes a free one, or none if there is another way in (--tls-port, --unixsocket).
    #[arg(short, long, default_value_t = 6379)]
    port: u16,
    /// A Unix socket to listen on as well.
    #[arg(long, value_name = "PATH")]
    unixsocket: Option<PathBuf>,
    /// The socket file's permissions, in octal, such as 700 [default: what the umask leaves].
    #[arg(long, value_name = "MODE", value_parser = listen::parse_mode, requires = "unixsocket")]
    unixsocketperm: Option<u32>,
    #[command(flatten)]
    tls: tls::Options,
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
    let tls = options.tls.port()?;
    let terms = tls.as_ref().map(|tls| tls.files.load()).transpose()?.map(TlsTerms::new);
    let listeners = listeners(options, tls.as_ref(), terms.as_ref())?;
    let unix_listener = match &options.unixsocket {
        Some(path) => Some(listen::bind_unix(path, options.unixsocketperm)?),
        None => None,
    };
    let ways = Ways::of(&listeners, options.unixsocket.as_deref());
    let storage = if options.memory { Storage::Memory } else { Storage::Folder(options.data.clone()) };
    let cores = options.cores.map_or_else(cores::default_count, usize::from);
    let password = options.requirepass.as_deref().map(Password::new).transpose().context("--requirepass")?;
    let is_open = password.is_some();
    let mut broker =
        Broker::start(naru_broker::Options { listeners, unix_listener, storage, password, cores })?;
    ways.log(cores, is_open);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = signals::asked_to_end_or_failed(Some(&mut broker)) => ended,
            never = renew_at_hangups(tls.as_ref().zip(terms.as_ref())) => match never? {},
        }
    })?;
    if let Some(failed) = ended {
        tracing::error!("{failed}");
        return Ok(ExitCode::from(EXIT_LOG_FAILED));
    }
    broker.stop();
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// The TCP ports: the plain one first.
fn listeners(
    options: &Options,
    tls: Option<&TlsPort>,
    terms: Option<&TlsTerms>,
) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    // With another way in, port 0 means what it means to Redis: none.
    if options.port != 0 || (tls.is_none() && options.unixsocket.is_none()) {
        listeners.push(listen::bind(options.bind, options.port, "--port")?);
    }
    if let (Some(tls), Some(terms)) = (tls, terms) {
        listeners.push(listen::bind(options.bind, tls.port, "--tls-port")?.with_tls(terms.clone()));
    }
    Ok(listeners)
}

/// Reads certificate and key again at every SIGHUP, for connections from then on. Without TLS it waits for ever, and
/// SIGHUP does what it does to any process.
async fn renew_at_hangups(tls: Option<(&TlsPort, &TlsTerms)>) -> io::Result<Infallible> {
    let Some((tls, terms)) = tls else { return pending().await };
    signals::at_each_hangup(|| match tls.files.load() {
        Ok(config) => {
            terms.replace(config);
            tracing::info!("SIGHUP: certificate and key were read again");
        }
        Err(error) => tracing::error!("SIGHUP: certificate and key stay as they were: {error:#}"),
    })
    .await
}

/// How clients reach the broker, to be said when it is ready.
struct Ways {
    address: Option<SocketAddr>,
    tls_address: Option<SocketAddr>,
    unixsocket: Option<String>,
}

impl Ways {
    fn of(listeners: &[Listener], unixsocket: Option<&Path>) -> Self {
        let first = |tls| listeners.iter().find(|listener| listener.is_tls() == tls).map(Listener::address);
        Ways {
            address: first(false),
            tls_address: first(true),
            unixsocket: unixsocket.map(|path| path.display().to_string()),
        }
    }

    fn log(self, cores: usize, has_password: bool) {
        let Ways { address, tls_address, unixsocket } = self;
        tracing::info!(
            address = address.map(tracing::field::display),
            tls_address = tls_address.map(tracing::field::display),
            unixsocket,
            cores,
            "the broker is ready"
        );
        let from_elsewhere = [address, tls_address].into_iter().flatten().find(|it| !it.ip().is_loopback());
        if let Some(address) = from_elsewhere.filter(|_| !has_password) {
            tracing::warn!(
                %address,
                "without --requirepass, connections from other machines are refused (protected mode)"
            );
        }
    }
}
