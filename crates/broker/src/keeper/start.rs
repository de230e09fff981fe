use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use naru_fanout::Directory;
use naru_ledger::{Epoch, Ledger};
use naru_store::{Log, Lsn, Options, RealFs, WriteError};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Job,
    blocked::Blocked,
    counts::KeyCounts,
    held::Held,
    ledger::Servers,
    store::{ReplayError, Store},
    turn::Turns,
};
use crate::{StartError, config::Config, limits::JOBS_MAX, wire::Resp};

/// Where what is stored is kept.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In a folder, on disk before it is acknowledged.
    Folder(PathBuf),
    /// In memory only: gone with the process, and so is every promise.
    Memory,
}

/// How the keeper ended: as it was asked to, or because the log failed.
pub(crate) type Stopped = oneshot::Receiver<Result<(), WriteError>>;

/// The running keeper.
pub(crate) struct Keeper {
    thread: JoinHandle<()>,
}

/// What was opened and is not at work yet.
pub(crate) struct Opened {
    store: Store,
    counts: Arc<KeyCounts>,
    durable: watch::Receiver<Result<Lsn, WriteError>>,
    jobs: (mpsc::Sender<Job>, mpsc::Receiver<Job>),
}

impl Keeper {
    /// Opens what is stored, or begins anew. This reads the whole log.
    pub(crate) fn open(storage: &Storage, config: Arc<Config>) -> Result<Opened, StartError> {
        let (ring, durable) = watch::channel(Ok(Lsn::ZERO));
        let store = match storage {
            Storage::Folder(folder) => open_folder(folder, config, ring)?,
            Storage::Memory => Store::new(Ledger::new(new_epoch()?), config),
        };
        let counts = Arc::new(KeyCounts::default());
        counts.note(&store);
        Ok(Opened { store, counts, durable, jobs: mpsc::channel(JOBS_MAX) })
    }

    /// Waits for its end; jobs that were sent are done first. It ends when no sender is left.
    pub(crate) fn join(self) {
        // A keeper that panicked has taken the process down or said so on its own thread.
        let _ = self.thread.join();
    }
}

impl Opened {
    /// Where jobs go.
    pub(crate) fn jobs(&self) -> mpsc::Sender<Job> {
        self.jobs.0.clone()
    }

    /// How many keys there are, for who asks; kept up to date by the keeper.
    pub(crate) fn key_counts(&self) -> Arc<KeyCounts> {
        self.counts.clone()
    }

    /// Starts the keeper's thread.
    pub(crate) fn start(self, directory: Arc<Directory<Resp>>) -> Result<(Keeper, Stopped), StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (stopped, ended) = oneshot::channel();
        let turns = Turns {
            store: self.store,
            counts: self.counts,
            jobs: self.jobs.1,
            durable: self.durable,
            outgoing: (0..directory.cores()).map(|_| Vec::new()).collect(),
            directory,
            queue: VecDeque::new(),
            blocked: Blocked::default(),
            servers: Servers::default(),
            held: Held::default(),
        };
        let thread = thread::Builder::new().name("naru-keeper".into()).spawn(move || {
            // Nobody may be waiting for the end.
            let _ = stopped.send(runtime.block_on(turns.run()));
        })?;
        Ok((Keeper { thread }, ended))
    }
}

fn open_folder(
    folder: &Path,
    config: Arc<Config>,
    ring: watch::Sender<Result<Lsn, WriteError>>,
) -> Result<Store, StartError> {
    let mut store = Store::new(Ledger::new(new_epoch()?), config);
    let mut misfit: Option<(Lsn, ReplayError)> = None;
    let on_durable = Box::new(move |durable| drop(ring.send_replace(durable)));
    let (log, recovery) =
        Log::open(Arc::new(RealFs), folder, Options::default(), on_durable, |lsn, record| {
            if misfit.is_none()
                && let Err(error) = store.replay(record)
            {
                misfit = Some((lsn, error));
            }
        })?;
    if let Some((lsn, error)) = misfit {
        return Err(StartError::Misfit {
            folder: folder.to_owned(),
            record: lsn.number(),
            reason: error.to_string(),
        });
    }
    if let Some(torn) = &recovery.torn {
        tracing::warn!(
            segment = %torn.path.display(), offset = torn.offset, bytes = torn.bytes, copy = %torn.copy.display(),
            "the last write before the crash was incomplete and has been cut off; nobody was told of what was in it"
        );
    }
    tracing::info!(folder = %folder.display(), records = recovery.records, keys = store.keyspace.len(), "data folder opened");
    store.record_in(log);
    if recovery.records == 0 {
        let birth = store.ledger.birth();
        store.changed_ledger(vec![birth]).map_err(|error| StartError::FirstRecord(error.to_string()))?;
    }
    Ok(store)
}

/// Sixteen random hexadecimal digits: tells one life of a ledger from every other.
fn new_epoch() -> Result<Epoch, StartError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| StartError::Random(error.to_string()))?;
    let text = format!("{:016x}", u64::from_le_bytes(random));
    Ok(Epoch::parse(&text).expect("sixteen digits are an epoch"))
}
