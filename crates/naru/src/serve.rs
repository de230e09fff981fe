//! `naru serve`

use std::{net::IpAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use naru_broker::{Broker, Parameters, Storage};
use naru_bus::{Keeping, Target, Terms};
use naru_gateway::{Gateway, RoomRules, Secret, Tokens, auth::Settings, namespaces::Namespaces};
use naru_ledger::Server;

use crate::{
    broker::{EXIT_LOG_FAILED, parse_set},
    cores, listen, pages, remote, secret, signals,
};

/// How long clients get to finish when the server stops; with the broker's own it stays within five seconds.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The port of an embedded broker, or the next free one above it.
const RESP_PORT: u16 = 6379;

#[derive(Args)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    bind: IpAddr,
    /// Port for WebSocket clients and the web page; 0 takes a free one.
    #[arg(short, long, default_value_t = 8000)]
    port: u16,
    /// The broker to join, a Naru, Redis or Valkey, as redis://host:port, or rediss://host:port with TLS [default: an
    /// embedded one].
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Authorities of which one must have signed the broker's certificate, in PEM form [default: those that this
    /// machine knows].
    #[arg(long, value_name = "FILE", requires = "broker")]
    broker_tls_ca_cert_file: Option<PathBuf>,
    /// The certificate to show to a broker that wants one, in PEM form.
    #[arg(long, value_name = "FILE", requires = "broker", requires = "broker_tls_key_file")]
    broker_tls_cert_file: Option<PathBuf>,
    /// That certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE", requires = "broker_tls_cert_file")]
    broker_tls_key_file: Option<PathBuf>,
    /// The embedded broker's folder.
    #[arg(long, default_value = "naru-data", value_name = "DIR", conflicts_with = "broker")]
    data: PathBuf,
    /// The embedded broker's port for Redis clients, on loopback; 0 takes a free one [default: 6379 or the next free].
    #[arg(long, value_name = "PORT", conflicts_with = "broker")]
    resp_port: Option<u16>,
    /// A parameter of the embedded broker, as CONFIG SET takes it, such as ledger-members-max=200; to be given several times.
    /// With a Redis or Valkey as broker, bounds of the ledger alone, the same for all its servers.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_set)]
    set: Vec<(String, String)>,
    /// What connection tokens are signed with (HMAC) [default: one made for this run].
    #[arg(long, env = "NARU_TOKEN_SECRET", hide_env_values = true, value_name = "SECRET")]
    token_secret: Option<String>,
    /// This server's name, unlike that of any other at the same broker [default: made from the port].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A web site whose pages may connect, beside the server's own, such as https://app.example.com; * for all.
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Rooms that every signed-in user may make, who then owns them and lets others in: a pattern of their names, as
    /// KEYS takes it, such as 'team-*'; to be given several times [default: none].
    #[arg(long, value_name = "PATTERN")]
    new_rooms: Vec<String>,
    /// Rooms that every signed-in user may make and join, as --new-rooms [default: none].
    #[arg(long, value_name = "PATTERN")]
    open_rooms: Vec<String>,
    /// Threads that serve connections [default: half the processors].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    cores: Option<u16>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let listener = listen::bind(options.bind, options.port, "--port")?;
    let address = listener.address();
    let name = match &options.name {
        Some(name) => name.clone(),
        None => format!("server-{}-{}", address.port(), secret::suffix()?),
    };
    let server = Server::parse(&name).context("--name")?;
    let (token, made) = match &options.token_secret {
        Some(secret) => (Settings::secret(Secret::new(secret.as_str())), None),
        None => {
            let secret = secret::random()?;
            (Settings::secret(Secret::new(secret.as_str())), Some(secret))
        }
    };
    let tokens = Tokens::new(token, None).context("--token-secret")?;
    let cores = options.cores.map_or_else(cores::default_count, usize::from);
    let mut broker = match &options.broker {
        None => Some(embedded_broker(options, cores)?),
        Some(_) => None,
    };
    let target = match (&options.broker, &broker) {
        (Some(url), _) => remote_broker(options, url)?,
        (None, Some(broker)) => Target::Embedded(Arc::new(broker.connector())),
        (None, None) => unreachable!("without a broker's address there is an embedded one"),
    };
    let about = pages::About { server: name.clone(), demo: false, peers: Vec::new() };
    let gateway = Gateway::start_on(
        terms(options)?,
        naru_gateway::Options {
            listener,
            server,
            tokens,
            outbound_tls: None,
            pages: pages::router(about),
            namespaces: Namespaces::default(),
            rooms: RoomRules { made: options.new_rooms.clone(), open: options.open_rooms.clone() },
            origins: options.origins.clone(),
            cores,
            grace: GRACE,
        },
        target,
    )
    .with_context(|| options.broker.as_ref().map_or_else(String::new, |url| format!("--broker {url}")))?;
    tracing::info!(%address, server = name, cores, "the chat server is ready");
    if made.is_some() && options.broker.is_some() {
        tracing::warn!(
            "without --token-secret no other server at this broker takes this one's tokens: give all the same"
        );
    }
    if let Some(secret) = made {
        // Not logged: a log is kept longer and read by more people than a terminal.
        eprintln!(
            "No --token-secret was given, so this run accepts tokens signed with a secret of its own. Sign in with:\n  \
             naru token --secret {secret} --user alice"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(signals::asked_to_end_or_failed(broker.as_mut()))?;
    gateway.stop();
    if let Some(failed) = ended {
        tracing::error!("{failed}");
        return Ok(ExitCode::from(EXIT_LOG_FAILED));
    }
    if let Some(broker) = broker {
        broker.stop();
    }
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

fn remote_broker(options: &Options, url: &str) -> anyhow::Result<Target> {
    let authorities = options.broker_tls_ca_cert_file.as_deref();
    let shown = options.broker_tls_cert_file.as_deref().zip(options.broker_tls_key_file.as_deref());
    remote::target(url, authorities, shown)
}

/// What a Redis or Valkey has to be told of the ledger that it is to keep. Naru's broker has that from who started it.
fn terms(options: &Options) -> anyhow::Result<Terms> {
    if options.broker.is_none() {
        return Ok(Terms::default());
    }
    if let Some((name, _)) = options.set.iter().find(|(name, _)| !name.starts_with("ledger-")) {
        bail!(
            "--set {name} is for a broker inside, which there is none with --broker: only ledger-… may be set"
        );
    }
    let limits = parameters(options)?.ledger_limits();
    Ok(Terms { keeping: Keeping { limits, ..Keeping::default() }, ..Terms::default() })
}

fn parameters(options: &Options) -> anyhow::Result<Parameters> {
    let mut parameters = Parameters::default();
    for (name, value) in &options.set {
        parameters.set(name, value).with_context(|| format!("--set {name}"))?;
    }
    Ok(parameters)
}

fn embedded_broker(options: &Options, cores: usize) -> anyhow::Result<Broker> {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let listener = match options.resp_port {
        Some(port) => listen::bind(loopback, port, "--resp-port")?,
        None => listen::bind_from(loopback, RESP_PORT, "--resp-port")?,
    };
    let address = listener.address();
    let storage = Storage::Folder(options.data.clone());
    let broker = Broker::start(naru_broker::Options {
        parameters: parameters(options)?,
        ..naru_broker::Options::new(vec![listener], storage, cores)
    })?;
    tracing::info!(%address, "the embedded broker is ready for Redis clients");
    Ok(broker)
}
