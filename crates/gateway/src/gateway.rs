//! A running chat server.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock, atomic::AtomicBool, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::Router;
use naru_bus::{Bus, BusError, Target, Terms};
use naru_fanout::{Cores, Directory, Listener};
use naru_ledger::Server;
use rustls::ClientConfig;
use tokio::sync::{Semaphore, watch};

use crate::{
    admission::Admission,
    api::{self, Api},
    arrivals::Arrivals,
    auth::{Auth, Tokens},
    channels::RoomRules,
    draining::Draining,
    epoch::SharedEpoch,
    events,
    heads::Heads,
    health,
    interests::Interests,
    limits::{CALLS_MAX, EMULATIONS_MAX, Limits, REPLAYS_MAX},
    metrics::{self, Metrics},
    namespaces::{self, Namespaces},
    nodes::{Cluster, Nodes},
    outbound::Outbound,
    proxy::{Backend, BadSettings, Proxies},
    tops::Tops,
    waiting::Waiting,
    wire::{Gate, Shared},
};

/// What a chat server is started with.
pub struct Options {
    /// Where clients connect.
    pub listener: Listener,
    /// This server's name: shown to clients, and what the broker knows it by. No two at one broker are the same.
    pub server: Server,
    /// Which servers at the broker this one works together with.
    pub cluster: Cluster,
    /// Which tokens are accepted.
    pub tokens: Tokens,
    /// Where the application is asked what.
    pub proxies: Proxies,
    /// Whom to believe of the servers that this one asks by TLS, for keys of tokens and as the application; nobody, if there is
    /// none.
    pub outbound_tls: Option<Arc<ClientConfig>>,
    /// Routes beside `/connection/websocket` and `/health`, as the web client.
    pub pages: Router,
    /// What channels there are, and who may do what in them.
    pub namespaces: Namespaces,
    /// Whether everybody who has signed in has an inbox, and with it people and rooms to write to.
    pub inboxes: bool,
    /// Which rooms users may make or join by themselves.
    pub rooms: RoomRules,
    /// What applications' own servers may do, by HTTP.
    pub api: api::Options,
    /// Web pages that may connect beside those of the same host, as `https://app.example.com`; `*` for all.
    pub origins: Vec<String>,
    /// Threads that serve clients; at least one.
    pub cores: usize,
    /// What clients may take.
    pub limits: Limits,
    /// Where what is counted can be read.
    pub metrics: metrics::Options,
    /// What a broker in the same process counts, if there is one.
    pub embedded: Option<metrics::Embedded>,
    /// The time over which clients are sent away when the server stops, so that others are not asked by all at once.
    pub drain: Duration,
    /// How long clients have to go then. Closing takes up to 2 s.
    pub grace: Duration,
}

/// Why a chat server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator's fault: the broker's address.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The operator's fault: the server API's own address.
    #[error("the server API cannot listen on {0}: {1}")]
    Api(SocketAddr, io::Error),
    /// The operator's fault: the metrics' address.
    #[error("metrics cannot be served on {0}: {1}")]
    Metrics(SocketAddr, io::Error),
    /// The system gave no thread or event loop.
    #[error("no thread for the chat server")]
    Threads(#[from] io::Error),
}

/// A running chat server. It runs until it is stopped.
pub struct Gateway {
    address: SocketAddr,
    bus: Bus,
    cores: Cores<Gate>,
    namespaces: Arc<ArcSwap<Namespaces>>,
    backend: Arc<Backend>,
    door: Door,
    /// Where the server API is, if not on the clients' port.
    api: Option<api::Door>,
    /// Where metrics are, likewise.
    metrics: Option<api::Door>,
    draining: Arc<Draining>,
}

impl Gateway {
    /// Starts serving. The broker need not be there yet: clients are told to come again until it is.
    pub fn start(options: Options, target: Target) -> Result<Gateway, StartError> {
        Gateway::start_on(Terms::default(), options, target)
    }

    /// The same, on other terms with the broker.
    pub fn start_on(terms: Terms, options: Options, target: Target) -> Result<Gateway, StartError> {
        let Options {
            listener,
            server,
            cluster,
            tokens,
            proxies,
            outbound_tls,
            pages,
            namespaces,
            inboxes,
            rooms,
            api,
            origins,
            cores,
            limits,
            metrics,
            embedded,
            drain,
            grace,
        } = options;
        let address = listener.address();
        let listener = match limits.sockets_max {
            Some(most) => listener.with_at_most(most),
            None => listener,
        };
        if limits
            .sockets_max
            .zip(limits.connections_max)
            .is_some_and(|(sockets, sessions)| sessions >= sockets)
        {
            tracing::warn!(
                "this process may not have as many files open as limits.connection_limit takes, and who comes then waits unanswered: \
                 raise the hard limit (ulimit -Hn, LimitNOFILE)"
            );
        }
        let ears = events::Ears::default();
        let named: Arc<OnceLock<Arc<Nodes>>> = Arc::default();
        let events = events::Handler {
            server: server.clone(),
            ears: ears.clone(),
            nodes: named.clone(),
            is_down: AtomicBool::new(false),
        };
        let outbound = Outbound::start(outbound_tls)?;
        let auth = Arc::new(Auth::new(tokens, &outbound));
        let backend = Arc::new(Backend::new(proxies, outbound));
        let (bus, life) = Bus::new(terms, target, server.clone(), events)?;
        let interests = Interests::new(bus.clone());
        let heads = Heads::new(bus.clone(), interests.clone());
        let nodes = named
            .get_or_init(|| Nodes::new(cluster, server.clone(), bus.clone(), auth.revoked().clone()))
            .clone();
        let namespaces = Arc::new(ArcSwap::from_pointee(namespaces));
        let draining = Arc::new(Draining::over(drain));
        let health = health::router(bus.clone(), draining.clone());
        let calls = Arc::new(Semaphore::new(CALLS_MAX));
        let parts = (namespaces.clone(), backend.clone());
        let counted = Metrics::new(cores, bus.clone(), interests.clone(), calls.clone(), parts, embedded);
        let mut served = api::router(&Api::new(&api, bus.clone(), nodes.clone(), namespaces.clone()));
        let read = metrics::router(&metrics, &counted);
        let apart = metrics.address.filter(|address| Some(*address) != api.address());
        if metrics.address.is_some() && apart.is_none() {
            served = served.merge(read.clone());
        }
        let metrics_door = match apart {
            None => None,
            Some(address) => Some(
                api::Door::open(address, health.clone().merge(read.clone()), grace)
                    .map_err(|error| StartError::Metrics(address, error))
                    .inspect_err(|_| bus.stop())?,
            ),
        };
        let pages = if metrics.on_clients_port { pages.merge(read) } else { pages };
        let (door, router) = match api.address() {
            None => (None, health.merge(served).merge(pages)),
            Some(address) => {
                let door = api::Door::open(address, health.clone().merge(served), grace)
                    .map_err(|error| StartError::Api(address, error))
                    .inspect_err(|_| bus.stop())?;
                (Some(door), health.merge(pages))
            }
        };
        let api = door;
        let limits = Arc::new(limits);
        let shared = Shared {
            server,
            bus: bus.clone(),
            nodes: nodes.clone(),
            interests: interests.clone(),
            heads: heads.clone(),
            tops: Tops::new(),
            epoch: SharedEpoch::default(),
            auth: auth.clone(),
            backend: backend.clone(),
            namespaces: namespaces.clone(),
            inboxes,
            rooms,
            origins,
            router,
            admission: Admission::new(limits.clone()),
            waiting: Waiting::new(limits.waiting_bytes_max, cores),
            arrivals: Arrivals::new(),
            limits,
            draining: draining.clone(),
            metrics: counted.clone(),
            calls,
            emulations: Semaphore::new(EMULATIONS_MAX),
            replays: Semaphore::new(REPLAYS_MAX),
        };
        let cores = Cores::start_with(cores, "naru-gateway", drain + grace, |made| {
            counted.found(made.clone());
            ears.get_or_init(|| (made.clone(), heads, namespaces.clone()));
            Arc::new(shared)
        })
        .inspect_err(|_| bus.stop())?;
        match cores.only() {
            // What it reads, and what is asked of it, then need wake no other thread.
            Some(core) => drop(core.spawn(life.run())),
            None => life.on_its_own_thread(),
        }
        nodes.begin(cores.directory().clone());
        let door = Door::open(listener, cores.directory().clone(), interests, (nodes, auth))
            .inspect_err(|_| bus.stop())?;
        Ok(Gateway { address, bus, cores, namespaces, backend, door, api, metrics: metrics_door, draining })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the server API is.
    pub fn api_address(&self) -> SocketAddr {
        self.api.as_ref().map_or(self.address, api::Door::address)
    }

    /// Where metrics are, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(api::Door::address)
    }

    /// Has other namespaces from now on. Whoever is subscribed stays so, as they were. They name none but the proxies that there
    /// were at the start.
    pub fn replace_namespaces(&self, channel: namespaces::Settings) -> Result<(), BadSettings> {
        self.backend.covers(&channel)?;
        let namespaces = Namespaces::from(channel);
        namespaces.count_on(&self.namespaces.load());
        self.namespaces.store(Arc::new(namespaces));
        Ok(())
    }

    /// Stops: no new connections, then every session finishes the commands it has in hand and is closed with a code
    /// that sends its client to another server, one after the other if there is a time to drain. Takes as long as that and
    /// the grace at most. Ports of their own are served until all have gone: `/ready` says there that it is not.
    pub fn stop(mut self) {
        self.draining.begin();
        self.door.close();
        self.cores.finish();
        self.door.join();
        let doors = [self.api, self.metrics];
        doors.iter().flatten().for_each(api::Door::close);
        doors.into_iter().flatten().for_each(api::Door::join);
        self.bus.stop();
        self.bus.join();
        self.cores.stop();
    }
}

/// A thread that accepts connections, withdraws what no session needs any more, hears the other servers, and keeps the keys
/// of tokens fresh.
struct Door {
    accept_no_more: watch::Sender<bool>,
    /// Ends when nothing is accepted any more.
    accepts: mpsc::Receiver<()>,
    end: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Door {
    fn open(
        listener: Listener,
        directory: Arc<Directory<Gate>>,
        interests: Arc<Interests>,
        (nodes, auth): (Arc<Nodes>, Arc<Auth>),
    ) -> io::Result<Door> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (accept_no_more, closed) = watch::channel(false);
        let (accepting, accepts) = mpsc::sync_channel::<()>(1);
        let (end, mut ended) = watch::channel(false);
        let thread = thread::Builder::new().name("naru-door".into()).spawn(move || {
            let accept = async move {
                if let Err(error) = listener.run(directory, closed).await {
                    tracing::error!(%error, "no connection can be accepted any more");
                }
                drop(accepting);
                // The rest goes on for those who are still there.
                pending().await
            };
            runtime.block_on(async {
                tokio::select! {
                    _ = ended.changed() => {}
                    () = accept => {}
                    () = interests.settle() => {}
                    () = nodes.run(&interests) => {}
                    () = auth.keep_keys() => {}
                }
            });
        })?;
        Ok(Door { accept_no_more, accepts, end, thread })
    }

    /// Accepts nothing more.
    fn close(&self) {
        self.accept_no_more.send_replace(true);
        // Nothing is ever said: it ends.
        let _ = self.accepts.recv();
    }

    fn join(self) {
        self.end.send_replace(true);
        // One that panicked has said so on its own thread.
        let _ = self.thread.join();
    }
}
