use std::{
    io,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Weak},
    thread::{self, JoinHandle},
    time::Instant,
};

use naru_fanout::{Cores, Directory, Incoming, Listener, UnixListener};
use naru_store::{OpenError, WriteError};
use tokio::{
    sync::{oneshot, watch},
    task::{JoinSet, LocalSet},
};

use crate::{
    acl::{Acl, AclError, AclOptions},
    addresses::Addresses,
    config::{Config, Facts},
    counters::Counters,
    eviction::ClientMemory,
    figures::Figures,
    keeper::{Keeper, Storage},
    latencies::Latencies,
    limits::STOP_GRACE,
    monitors::Monitors,
    parameters::Parameters,
    password::Password,
    pause::Pause,
    profile::Profiles,
    slow_log::SlowLog,
    strangers::Strangers,
    wire::{Resp, Shared},
};

/// What a broker is started with.
pub struct Options {
    /// Where it listens for Redis clients; none for a broker that is reached inside the process only.
    pub listeners: Vec<Listener>,
    /// Where it listens beside that for clients on this machine.
    pub unix_listener: Option<UnixListener>,
    /// Where what is stored is kept.
    pub storage: Storage,
    /// What clients sign in with as the default user, unless `acl` says otherwise of it; none lets everyone in who is
    /// on this machine, and nobody else.
    pub password: Option<Password>,
    /// Users beside the default one, and what concerns them all.
    pub acl: AclOptions,
    /// What `CONFIG SET` could change later.
    pub parameters: Parameters,
    /// The file that all of this was read from, if it was: what `CONFIG REWRITE` writes.
    pub config_file: Option<PathBuf>,
    /// Threads that serve connections, at least 1.
    pub cores: usize,
    /// Whether a core looks for more while the disk is at work, instead of sleeping: sooner answers, where the machine has
    /// processors to spare.
    pub stays_awake: bool,
}

impl Options {
    /// For whoever is on this machine, with nothing but what there must be.
    pub fn new(listeners: Vec<Listener>, storage: Storage, cores: usize) -> Options {
        Options {
            listeners,
            unix_listener: None,
            storage,
            password: None,
            acl: AclOptions::default(),
            parameters: Parameters::default(),
            config_file: None,
            cores,
            stays_awake: false,
        }
    }
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used; the text says why and what to do.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log is whole, but a record does not follow from those before.
    #[error(
        "the data folder {} holds record {record} which cannot be taken in: {reason}. It was not written by this \
         version of Naru, or by a faulty one: restore a backup, keep what can be taken in with naru doctor salvage, or start \
         with another --data",
        folder.display()
    )]
    Misfit {
        /// The data folder.
        folder: PathBuf,
        /// The record's number in the log.
        record: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The first record of a new data folder cannot be written.
    #[error("the new data folder cannot be written: {0}")]
    FirstRecord(String),
    /// The operating system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// A user is not as users are.
    #[error(transparent)]
    Acl(#[from] AclError),
    /// A thread or its runtime cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// The end of a broker that nobody asked for.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log cannot be written any more, so nothing further can be promised and the broker stops: {0}. What was \
     acknowledged is on disk; make sure there is space and the disk is well, then start again"
)]
pub struct Failed(WriteError);

/// A running broker.
pub struct Broker {
    cores: Cores<Resp>,
    /// The cores' own: the keeper runs for as long as there is one.
    shared: Weak<Shared>,
    keeper: Keeper,
    acceptor: (watch::Sender<bool>, JoinHandle<()>),
    stopped: Option<oneshot::Receiver<Result<(), WriteError>>>,
    needed_no_password: bool,
}

impl Broker {
    /// Opens the storage and starts serving. With a folder this reads the whole log first.
    pub fn start(options: Options) -> Result<Broker, StartError> {
        // First, since a mistake in there is soon found and the log may be long.
        let acl = Arc::new(Acl::new(&options.acl, options.password)?);
        let needed_no_password = acl.default_user().needs_no_password();
        let port = |tls| {
            let listener = options.listeners.iter().find(|listener| listener.is_tls() == tls);
            listener.map(|listener| listener.address().port())
        };
        let bind = options.listeners.iter().map(|listener| listener.address().ip().to_string());
        let facts = Facts {
            port: port(false),
            tls_port: port(true),
            bind: bind.collect::<Vec<_>>().join(" "),
            durable: matches!(options.storage, Storage::Folder(_)),
            acl_file: acl.file().map(|file| file.display().to_string()),
            config_file: options.config_file,
        };
        let config = Config::new(facts, acl.clone(), options.acl.log_len_max);
        options.parameters.apply(&config);
        let config = Arc::new(config);
        let opened = Keeper::open(&options.storage, config.clone())?;
        let shared = Arc::new(Shared {
            profiles: Profiles::default(),
            acl,
            keeper: opened.jobs(),
            keeping: opened.keeping(),
            counters: Counters::new(options.cores),
            key_counts: opened.key_counts(),
            started: Instant::now(),
            run_id: run_id()?,
            config,
            pause: Pause::default(),
            monitors: Monitors::new(options.cores),
            slow_log: SlowLog::default(),
            latencies: Latencies::default(),
            addresses: Addresses::new(),
            strangers: Strangers::default(),
            client_memory: ClientMemory::new(options.cores),
            stays_awake: options.stays_awake,
        });
        let weak = Arc::downgrade(&shared);
        let cores = Cores::start(options.cores, "naru-broker", shared, STOP_GRACE)?;
        let (keeper, stopped) = opened.start(cores.directory().clone())?;
        let acceptor = accept(options.listeners, options.unix_listener, cores.directory().clone())?;
        Ok(Broker { cores, shared: weak, keeper, acceptor, stopped: Some(stopped), needed_no_password })
    }

    /// A connection from inside the process.
    pub fn connect(&self) -> io::Result<UnixStream> {
        self.connector()()
    }

    /// Makes connections from inside the process, for as long as the broker runs.
    pub fn connector(&self) -> impl Fn() -> io::Result<UnixStream> + Send + Sync + Clone + 'static {
        // Weak, so that who can connect does not keep a stopped broker's memory.
        let directory = Arc::downgrade(self.cores.directory());
        move || {
            let directory = directory.upgrade().ok_or(io::ErrorKind::ConnectionRefused)?;
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            theirs.set_nonblocking(true)?;
            directory.adopt(Incoming::Unix(ours));
            Ok(theirs)
        }
    }

    /// Reads what is counted, for as long as the broker runs.
    pub fn figures(&self) -> impl Fn() -> Option<Figures> + Send + Sync + Clone + 'static {
        // Weak, as for a connector.
        let (directory, shared) = (Arc::downgrade(self.cores.directory()), self.shared.clone());
        move || {
            let (directory, shared) = (directory.upgrade()?, shared.upgrade()?);
            Some(Figures::of(&directory, &shared))
        }
    }

    /// Whether the default user needed no password when the broker started. Then connections from other machines are
    /// refused.
    pub fn needed_no_password(&self) -> bool {
        self.needed_no_password
    }

    /// Waits until the broker fails by itself; for ever if it does not. To be awaited once.
    pub async fn failed(&mut self) -> Failed {
        let Some(stopped) = self.stopped.take() else { return std::future::pending().await };
        match stopped.await {
            Ok(Err(error)) => Failed(error),
            // Stopped as asked to; a keeper that panicked has taken the process with it.
            Ok(Ok(())) | Err(_) => std::future::pending().await,
        }
    }

    /// Stops accepting, gives clients what they are owed, closes the log. Takes at most a few seconds.
    pub fn stop(self) {
        let (stop, thread) = self.acceptor;
        drop(stop);
        // Whatever became of it, it accepts no more.
        let _ = thread.join();
        self.cores.stop();
        self.keeper.join();
    }
}

/// One thread accepts on all listeners.
fn accept(
    listeners: Vec<Listener>,
    unix_listener: Option<UnixListener>,
    directory: Arc<Directory<Resp>>,
) -> io::Result<(watch::Sender<bool>, JoinHandle<()>)> {
    let (stop, stopped) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name("naru-accept".into()).spawn(move || {
        let (mut accepting, local) = (JoinSet::new(), LocalSet::new());
        for listener in listeners {
            accepting.spawn_local_on(listener.run(directory.clone(), stopped.clone()), &local);
        }
        if let Some(listener) = unix_listener {
            accepting.spawn_local_on(listener.run(directory.clone(), stopped.clone()), &local);
        }
        while let Some(ended) = local.block_on(&runtime, accepting.join_next()) {
            if let Ok(Err(error)) = ended {
                tracing::error!(%error, "no more connections can be accepted on one of the listeners");
            }
        }
    })?;
    Ok((stop, thread))
}

/// Forty random hexadecimal digits, Redis's `run_id`.
fn run_id() -> Result<String, StartError> {
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(|error| StartError::Random(error.to_string()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
