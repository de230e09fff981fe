//! `naru serve`

mod config;
mod figures;
mod settings;

use std::{
    convert::Infallible,
    future::pending,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use naru_broker::{Broker, Parameters, Storage};
use naru_bus::{Keeping, Target, Terms};
use naru_gateway::{
    Cluster, Gateway, Secret, StartError, Tokens, api, auth, limits, metrics, proxy::Proxies,
};
use naru_ledger::Server;

use crate::{
    broker::{EXIT_LOG_FAILED, parse_set},
    files, listen, logging, pages,
    printed::say,
    remote, secret,
    signals::{self, Ends, Hangups},
    tls_client::{self, Trust},
};
use settings::{At, Settings};

/// How long clients get to finish when the server stops; with the broker's own it stays within five seconds.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The port of an embedded broker, or the next free one above it.
const RESP_PORT: u16 = 6379;

#[derive(Args)]
pub(crate) struct Options {
    /// A configuration file in TOML; --print-config shows one. The command line wins over the environment (NARU__SECTION__KEY),
    /// and that over the file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say whether the configuration is good, and end.
    #[arg(long)]
    check_config: bool,
    /// Print a configuration file with everything in it, explained, and end.
    #[arg(long)]
    print_config: bool,
    /// Address to listen on [default: 127.0.0.1].
    #[arg(long, value_name = "IP")]
    bind: Option<IpAddr>,
    /// Port for WebSocket clients and the web page; 0 takes a free one [default: 8000].
    #[arg(short, long)]
    port: Option<u16>,
    /// The broker to join, a Naru, Redis or Valkey, as redis://host:port, or rediss://host:port with TLS [default: an
    /// embedded one].
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Authorities of which one must have signed the broker's certificate, in PEM form [default: those that this
    /// machine knows].
    #[arg(long, value_name = "FILE")]
    broker_tls_ca_cert_file: Option<PathBuf>,
    /// The certificate to show to a broker that wants one, in PEM form.
    #[arg(long, value_name = "FILE", requires = "broker_tls_key_file")]
    broker_tls_cert_file: Option<PathBuf>,
    /// That certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE", requires = "broker_tls_cert_file")]
    broker_tls_key_file: Option<PathBuf>,
    /// The embedded broker's folder [default: naru-data].
    #[arg(long, value_name = "DIR", conflicts_with = "broker")]
    data: Option<PathBuf>,
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
    /// The name of the servers that work together at a broker; servers of another one do not steer each other's clients
    /// [default: naru].
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// What applications' servers have to show to use the server API, POST /api/... [default: nobody may].
    #[arg(long, env = "NARU_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<String>,
    /// Address of its own for the server API, which is not on the clients' port then; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT")]
    api_address: Option<SocketAddr>,
    /// A web site whose pages may connect, beside the server's own, such as https://app.example.com; * for all.
    #[arg(long = "origin", value_name = "ORIGIN", value_parser = origin)]
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
    /// Time over which clients are sent to other servers, one after the other, when this one is asked to end, such as 30s [default: 0s,
    /// all at once].
    #[arg(long, value_name = "TIME", value_parser = drain_time)]
    drain: Option<Duration>,
}

/// Bytes of a secret for HMAC that nobody finds out by trying, as the standard for HS256 wants it.
const SECRET_BYTES_WANTED: usize = 32;

/// The most time for clients to be sent away in.
const DRAIN_MAX: Duration = Duration::from_secs(60 * 60);

fn drain_time(text: &str) -> Result<Duration, &'static str> {
    let time = humantime::parse_duration(text)
        .map_err(|_| "it is no time: write it as \"5s\", \"1h30m\" or \"250ms\"")?;
    if time <= DRAIN_MAX { Ok(time) } else { Err("it is an hour at most") }
}

/// One that no browser would ever say lets nobody in, and nobody would see why.
fn origin(text: &str) -> Result<String, &'static str> {
    let is_one = text.split_once("://").is_some_and(|(scheme, host)| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let ends_or_is_odd = |byte: u8| b"/?#*@\\".contains(&byte) || !byte.is_ascii_graphic();
        !scheme.is_empty() && scheme.bytes().all(is_name) && !host.bytes().any(ends_or_is_odd)
    });
    if is_one || text == "*" || text == "null" {
        return Ok(text.to_owned());
    }
    Err(
        "it takes origins as browsers say them, such as \"https://app.example.com\", without a path or a pattern, or \"*\" \
         for all",
    )
}

pub(crate) fn run(options: &Options, logging: &logging::Options) -> anyhow::Result<ExitCode> {
    if options.print_config {
        say!("{}", config::EXAMPLE.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    // Before the limits are read, which go by it.
    files::raise();
    let settings = Settings::of(options, config::load(options.config.as_deref())?)?;
    let checked = Checked::of(&settings)?;
    if options.check_config {
        say!("The configuration is good.")?;
        return Ok(ExitCode::SUCCESS);
    }
    logging.start()?;
    serve(options, settings, checked)
}

/// What is read further before anything is started.
struct Checked {
    name: Option<Server>,
    cluster: Cluster,
    tokens: Tokens,
    proxies: Proxies,
    api: api::Options,
    limits: limits::Limits,
    metrics: metrics::Options,
    /// The secret that tokens are signed with, if nobody has given a key.
    made: Option<String>,
    terms: Terms,
    parameters: Parameters,
    /// What keys and hooks are asked with, if any of them is reached by TLS.
    outbound_tls: Option<Arc<rustls::ClientConfig>>,
    /// The broker, if it is elsewhere.
    target: Option<Target>,
}

impl Checked {
    fn of(settings: &Settings) -> anyhow::Result<Checked> {
        let name =
            settings.name.as_deref().map(Server::parse).transpose().context("--name, or server.name")?;
        let cluster = settings.cluster.as_deref().map(Cluster::parse).transpose();
        let (token, made) = match &settings.token {
            token if token.has_keys() || token.allow_anonymous_connect_without_token => (token.clone(), None),
            token => {
                let secret = secret::random()?;
                let key = Some(Secret::new(secret.as_str()));
                (auth::Settings { hmac_secret_key: key, ..token.clone() }, Some(secret))
            }
        };
        let tokens = Tokens::new(token, settings.subscription_token.clone());
        let proxies = Proxies::new(&settings.client, &settings.rpc, &settings.proxies, &settings.channel)?;
        let tokens = tokens.context("--token-secret, or [token] and [subscription_token]")?;
        let outbound_tls = if tokens.want_tls() || proxies.want_tls() {
            let authorities = settings.outbound_authorities.as_deref();
            let trust = authorities.map_or(Trust::System, Trust::SystemAnd);
            Some(Arc::new(tls_client::terms(&trust, None).context("[outbound]")?))
        } else {
            None
        };
        // Nobody needs it to be let in.
        let made = made.filter(|_| !proxies.admit());
        Ok(Checked {
            name,
            cluster: cluster.context("--cluster, or server.cluster")?.unwrap_or_default(),
            tokens,
            proxies,
            api: settings.api.clone().try_into().context("[http_api]")?,
            limits: settings.limits.clone().try_into().context("[limits]")?,
            metrics: settings.metrics.clone().try_into().context("[metrics]")?,
            made,
            terms: terms(settings)?,
            parameters: parameters(settings)?,
            outbound_tls,
            target: remote_broker(&settings.broker)?,
        })
    }
}

/// Why a chat server has not started, and what to do about it.
fn not_started(error: StartError) -> anyhow::Error {
    match error {
        StartError::Api(address, error) => {
            listen::explain_other("the server API", address, "--api-address, or http_api.address", &error)
        }
        StartError::Metrics(address, error) => {
            listen::explain_other("metrics", address, "metrics.address", &error)
        }
        error => error.into(),
    }
}

fn serve(options: &Options, settings: Settings, checked: Checked) -> anyhow::Result<ExitCode> {
    let secret = settings.token.hmac_secret_key.as_ref();
    if secret.is_some_and(|secret| secret.expose().len() < SECRET_BYTES_WANTED) {
        tracing::warn!(
            "the secret of tokens has fewer than {SECRET_BYTES_WANTED} bytes: who finds it out by trying signs in as \
             anybody; give that many random characters, or more"
        );
    }
    if let Some(bytes) = checked.limits.waiting_bytes_max() {
        tracing::info!(
            bytes,
            "what waits for clients that do not read is bounded (limits.waiting_size_limit)"
        );
    }
    let listener = listen::bind(settings.bind, settings.port, "--port")?;
    let address = listener.address();
    let server = match checked.name {
        Some(name) => name,
        None => Server::parse(&format!("server-{}-{}", address.port(), secret::suffix()?))?,
    };
    let Checked { cluster, tokens, proxies, made, api, limits, metrics, outbound_tls, .. } = checked;
    let cores = settings.cores;
    let (embedded, target) = match (&settings.broker, checked.target) {
        (At::Inside { data, resp_port }, _) => {
            let (broker, address) = embedded_broker(data, *resp_port, checked.parameters, cores)?;
            let target = Target::Embedded(Arc::new(broker.connector()));
            (Some((broker, address)), target)
        }
        (At::Url { .. }, target) => (None, target.expect("one elsewhere was understood before")),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Whoever reads that one of the two is ready may ask them to end in the same moment.
    let (ends, hangups) = {
        let _in_runtime = runtime.enter();
        (Ends::of_servers()?, options.config.as_ref().map(|_| Hangups::new()).transpose()?)
    };
    let mut broker = embedded.map(|(broker, address)| {
        tracing::info!(%address, "the embedded broker is ready for Redis clients");
        broker
    });
    let about = pages::About { server: server.as_str().into(), demo: false, peers: Vec::new() };
    let gateway = Gateway::start_on(
        checked.terms,
        naru_gateway::Options {
            listener,
            server: server.clone(),
            cluster,
            tokens,
            proxies,
            outbound_tls,
            pages: pages::router(about),
            namespaces: settings.channel.into(),
            inboxes: settings.inboxes,
            rooms: settings.rooms,
            api,
            origins: settings.origins,
            cores,
            limits,
            metrics,
            embedded: broker.as_ref().map(figures::of),
            drain: settings.drain,
            grace: GRACE,
        },
        target,
    )
    .map_err(not_started)?;
    let api = gateway.api_address();
    if let Some(address) = gateway.metrics_address() {
        tracing::info!(%address, "metrics are served");
    }
    tracing::info!(%address, server = server.as_str(), cores, %api, "the chat server is ready");
    if made.is_some() && broker.is_none() {
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
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = signals::asked_to_end_or_failed(ends, broker.as_mut()) => ended,
            never = renew_at(hangups.zip(options.config.as_deref()), &gateway) => match never {},
        }
    });
    if let Some(failed) = &ended {
        tracing::error!("{failed}");
    }
    gateway.stop();
    // Whoever waits is told what became of it, also of a failure.
    if let Some(broker) = broker {
        broker.stop();
    }
    if ended.is_some() {
        return Ok(ExitCode::from(EXIT_LOG_FAILED));
    }
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration's channels again at every SIGHUP, for what is asked from then on; the rest of it counts at a
/// start. Without a file SIGHUP does what it does to any process.
async fn renew_at(hangups: Option<(Hangups, &Path)>, gateway: &Gateway) -> Infallible {
    let Some((mut hangups, file)) = hangups else { return pending().await };
    let renew = || gateway.replace_namespaces(config::load(Some(file))?.channel).map_err(anyhow::Error::from);
    let act = || match renew() {
        Ok(()) => tracing::info!("SIGHUP: the channels' configuration was read again"),
        Err(error) => tracing::error!("SIGHUP: the configuration stays as it was: {error:#}"),
    };
    hangups.act(act).await
}

/// The broker, if it is elsewhere, as far as it can be known without going there.
fn remote_broker(at: &At) -> anyhow::Result<Option<Target>> {
    let At::Url { url, authorities, shown } = at else { return Ok(None) };
    let shown = shown.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    let target = remote::target(url, authorities.as_deref(), shown)?;
    // It is not repeated: it may hold a password.
    target.check().context("--broker, or broker.url")?;
    Ok(Some(target))
}

/// What a Redis or Valkey has to be told of the ledger that it is to keep. Naru's broker has that from who started it.
fn terms(settings: &Settings) -> anyhow::Result<Terms> {
    if matches!(settings.broker, At::Inside { .. }) {
        return Ok(Terms::default());
    }
    if let Some((name, _)) = settings.set.iter().find(|(name, _)| !name.starts_with("ledger-")) {
        bail!(
            "--set {name} is for a broker inside, which there is none with --broker: only ledger-… may be set"
        );
    }
    let limits = parameters(settings)?.ledger_limits();
    Ok(Terms { keeping: Keeping { limits, ..Keeping::default() }, ..Terms::default() })
}

fn parameters(settings: &Settings) -> anyhow::Result<Parameters> {
    let mut parameters = Parameters::default();
    for (name, value) in &settings.set {
        parameters.set(name, value).with_context(|| format!("--set {name}"))?;
    }
    Ok(parameters)
}

fn embedded_broker(
    data: &Path,
    resp_port: Option<u16>,
    parameters: Parameters,
    cores: usize,
) -> anyhow::Result<(Broker, SocketAddr)> {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let listener = match resp_port {
        Some(port) => listen::bind(loopback, port, "--resp-port")?,
        None => listen::bind_from(loopback, RESP_PORT, "--resp-port")?,
    };
    let address = listener.address();
    let storage = Storage::Folder(data.to_owned());
    let broker = Broker::start(naru_broker::Options {
        parameters,
        ..naru_broker::Options::new(vec![listener], storage, cores)
    })?;
    Ok((broker, address))
}
