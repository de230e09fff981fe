//! A running chat server.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{Json, Router, routing::get};
use naru_bus::{Bus, BusError, Target, Terms};
use naru_fanout::{Cores, Directory, Listener};
use naru_ledger::Server;
use rustls::ClientConfig;
use tokio::sync::{Semaphore, watch};

use crate::{
    api::{self, Api},
    auth::{Auth, Tokens},
    channels::RoomRules,
    events,
    heads::Heads,
    interests::Interests,
    limits::{CALLS_MAX, REPLAYS_MAX},
    namespaces::{self, Namespaces},
    nodes::{Cluster, Nodes},
    outbound::Outbound,
    proxy::{Backend, BadSettings, Proxies},
    tops::Tops,
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
    /// Which rooms users may make or join by themselves.
    pub rooms: RoomRules,
    /// What applications' own servers may do, by HTTP.
    pub api: api::Options,
    /// Web pages that may connect beside those of the same host, as `https://app.example.com`; `*` for all.
    pub origins: Vec<String>,
    /// Threads that serve clients; at least one.
    pub cores: usize,
    /// How long clients have to go when the server stops. Closing takes up to 2 s.
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
    stop: watch::Sender<bool>,
    door: JoinHandle<()>,
    /// Where the server API is, if not on the clients' port.
    api: Option<api::Door>,
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
            rooms,
            api,
            origins,
            cores,
            grace,
        } = options;
        let address = listener.address();
        let ears = events::Ears::default();
        let named: Arc<OnceLock<Arc<Nodes>>> = Arc::default();
        let events = events::handler(server.clone(), ears.clone(), named.clone());
        let outbound = Outbound::start(outbound_tls)?;
        let auth = Arc::new(Auth::new(tokens, &outbound));
        let backend = Arc::new(Backend::new(proxies, outbound));
        let bus = Bus::start_on(terms, target, server.clone(), events)?;
        let interests = Interests::new(bus.clone());
        let heads = Heads::new(bus.clone(), interests.clone());
        let nodes = named.get_or_init(|| Nodes::new(cluster, server.clone(), bus.clone())).clone();
        let namespaces = Arc::new(ArcSwap::from_pointee(namespaces));
        let health = Router::new().route("/health", get(async || Json(serde_json::json!({}))));
        let served = api::router(&Api::new(&api, bus.clone(), nodes.clone(), namespaces.clone()));
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
        let shared = Shared {
            server,
            bus: bus.clone(),
            nodes: nodes.clone(),
            interests: interests.clone(),
            heads: heads.clone(),
            tops: Tops::new(),
            auth: auth.clone(),
            backend: backend.clone(),
            namespaces: namespaces.clone(),
            rooms,
            origins,
            router,
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            replays: Semaphore::new(REPLAYS_MAX),
        };
        let cores = Cores::start_with(cores, "naru-gateway", grace, |made| {
            ears.get_or_init(|| (made.clone(), heads));
            Arc::new(shared)
        })
        .inspect_err(|_| bus.stop())?;
        nodes.begin(cores.directory().clone());
        let (stop, stopped) = watch::channel(false);
        let door = start_door(listener, cores.directory().clone(), interests, (nodes, auth), stopped)
            .inspect_err(|_| bus.stop())?;
        Ok(Gateway { address, bus, cores, namespaces, backend, stop, door, api })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the server API is.
    pub fn api_address(&self) -> SocketAddr {
        self.api.as_ref().map_or(self.address, api::Door::address)
    }

    /// Has other namespaces from now on. Whoever is subscribed stays so, as they were. They name none but the proxies that there
    /// were at the start.
    pub fn replace_namespaces(&self, channel: namespaces::Settings) -> Result<(), BadSettings> {
        self.backend.covers(&channel)?;
        self.namespaces.store(Arc::new(channel.into()));
        Ok(())
    }

    /// Stops: no new connections, then every session finishes the commands it has in hand and is closed with a code
    /// that sends its client to another server. Takes as long as the grace at most.
    pub fn stop(self) {
        self.stop.send_replace(true);
        if let Some(api) = &self.api {
            api.close();
        }
        // The door ends at once; one that panicked has said so on its own thread.
        let _ = self.door.join();
        self.cores.stop();
        if let Some(api) = self.api {
            api.join();
        }
        self.bus.stop();
        self.bus.join();
    }
}

/// A thread that accepts connections, withdraws what no session needs any more, hears the other servers, and keeps the keys
/// of tokens fresh.
fn start_door(
    listener: Listener,
    directory: Arc<Directory<Gate>>,
    interests: Arc<Interests>,
    (nodes, auth): (Arc<Nodes>, Arc<Auth>),
    stopped: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("naru-door".into()).spawn(move || {
        let accepted = runtime.block_on(async {
            tokio::select! {
                accepted = listener.run(directory, stopped) => accepted,
                () = interests.settle() => Ok(()),
                () = nodes.run(&interests) => Ok(()),
                () = auth.keep_keys() => Ok(()),
            }
        });
        if let Err(error) = accepted {
            tracing::error!(%error, "no connection can be accepted any more");
        }
    })
}
