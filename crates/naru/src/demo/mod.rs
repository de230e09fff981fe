//! `naru demo`: the whole scene in one process, with a broker and two chat servers that reach it by TCP, and what
//! crosses shown in the terminal.

mod screen;
mod sign_in;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use naru_broker::{Broker, Failed, Storage};
use naru_bus::Target;
use naru_fanout::Listener;
use naru_gateway::{Gateway, RoomRules, TokenKey, Tokens, namespaces::Namespaces};
use naru_ledger::Server;
use tracing_subscriber::Layer;

use crate::{
    broker::EXIT_LOG_FAILED,
    cores, listen, logging,
    pages::{self, About, Peer},
    secret,
    serve::GRACE,
    signals::Ends,
};

const BROKER_PORT: u16 = 6379;
const SERVERS: [(&str, u16); 2] = [("server-1", 8001), ("server-2", 8002)];
/// Where free ports are looked for if a server's default one is taken.
const NEXT_SERVER_PORT: u16 = 8003;

#[derive(Args)]
pub(crate) struct Options {
    /// Folder for the broker's queues, kept afterwards [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A chat server's place before it is started.
struct Seat {
    name: &'static str,
    listener: Listener,
}

impl Seat {
    fn url(&self) -> String {
        format!("http://{}/", self.listener.address())
    }
}

pub(crate) fn run(options: &Options, logging: &logging::Options) -> anyhow::Result<ExitCode> {
    logging.start_beside("warn", screen::Crossings.with_filter(screen::OnlyCrossings))?;
    // Anyone who reaches the demo may sign in under any name, so only this machine does.
    let ip = IpAddr::from([127, 0, 0, 1]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before there is anything to be taken away.
    let ends = runtime.block_on(async { Ends::new() })?;
    let temporary = tempfile::Builder::new().prefix("naru-demo-").tempdir()?;
    let folder = options.data.clone().unwrap_or_else(|| temporary.path().join("data"));

    let listener = listen::bind_from(ip, BROKER_PORT, "--port")?;
    let broker_address = listener.address();
    screen::say_if_moved("the broker", BROKER_PORT, broker_address.port())?;
    let cores = cores::default_count();
    let storage = Storage::Folder(folder);
    let mut broker = Broker::start(naru_broker::Options::new(vec![listener], storage, cores))?;
    let shown = runtime.block_on(show(&mut broker, (ip, broker_address), cores, ends));
    // Whoever waits is told what became of it, also of a failure; and then nobody writes into the folder any more.
    broker.stop();
    if let Some(failed) = shown? {
        tracing::error!("{failed}");
        return Ok(ExitCode::from(EXIT_LOG_FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs two chat servers at the broker until the demo is asked to end, or the broker has failed.
async fn show(
    broker: &mut Broker,
    (ip, broker_address): (IpAddr, SocketAddr),
    cores: usize,
    mut ends: Ends,
) -> anyhow::Result<Option<Failed>> {
    let seats = SERVERS
        .into_iter()
        .map(|(name, port)| {
            let listener = listen::bind_or_from(ip, port, NEXT_SERVER_PORT, "--port")?;
            screen::say_if_moved(name, port, listener.address().port())?;
            Ok(Seat { name, listener })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let peers: Vec<Peer> =
        seats.iter().map(|seat| Peer { server: seat.name.into(), url: seat.url() }).collect();
    screen::welcome(&peers, broker_address)?;

    let secret = secret::random()?;
    let gateways = seats
        .into_iter()
        .map(|seat| start(seat, &peers, &secret, &format!("redis://{broker_address}"), cores))
        .collect::<anyhow::Result<Vec<_>>>()?;

    let failed = tokio::select! {
        () = ends.come() => None,
        failed = broker.failed() => Some(failed),
    };
    gateways.into_iter().for_each(Gateway::stop);
    Ok(failed)
}

fn start(seat: Seat, peers: &[Peer], secret: &str, broker: &str, cores: usize) -> anyhow::Result<Gateway> {
    let about = About { server: seat.name.into(), demo: true, peers: peers.to_vec() };
    let key = TokenKey::secret(secret)?;
    let tokens = Tokens::new((&key).into(), None)?;
    let sign_in = sign_in::router(Arc::new(key));
    let options = naru_gateway::Options {
        listener: seat.listener,
        server: Server::parse(seat.name)?,
        cluster: naru_gateway::Cluster::default(),
        api: naru_gateway::api::Options::default(),
        tokens,
        proxies: naru_gateway::proxy::Proxies::default(),
        outbound_tls: None,
        embedded: None,
        pages: pages::router(about).merge(sign_in),
        namespaces: Namespaces::default(),
        inboxes: true,
        rooms: RoomRules::default(),
        origins: Vec::new(),
        cores,
        limits: naru_gateway::limits::Limits::default(),
        metrics: naru_gateway::metrics::Options::default(),
        drain: std::time::Duration::ZERO,
        grace: GRACE,
    };
    Ok(Gateway::start(options, Target::Url(broker.into()))?)
}
