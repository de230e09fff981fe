use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use naru_fanout::{Asleep, Directory};
use naru_ledger::Epoch;
use naru_store::{Log, Lsn, MemoryFs, Options, RealFs, Recovery, Vfs, WriteError};
use tokio::sync::{mpsc, oneshot};

use super::{
    Job,
    blocked::Blocked,
    checkpoint::{self, Checkpoints},
    counts::KeyCounts,
    held::Held,
    journal::Journal,
    keeping::Keeping,
    ledger::servers::Servers,
    load::Loading,
    reclaim::{self, Reclaim},
    store::Store,
    turn::Turns,
    upkeep::Upkeep,
};
use crate::{
    StartError,
    config::Config,
    ledger::{Head, IdKey, Ledger, LedgerChange},
    limits::JOBS_MAX,
    wire::Resp,
};

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
    upkeep: Upkeep,
    counts: Arc<KeyCounts>,
    keeping: Arc<Keeping>,
    jobs: (mpsc::Sender<Job>, mpsc::Receiver<Job>),
}

impl Keeper {
    /// Opens what is stored, or begins anew. This reads the newest checkpoint and the log behind it.
    pub(crate) fn open(storage: &Storage, config: Arc<Config>) -> Result<Opened, StartError> {
        let keeping: Arc<Keeping> = Arc::default();
        let (mut store, upkeep) = open_store(storage, config, keeping.clone())?;
        store.log_bytes = store.journal.log().file_bytes();
        let counts = Arc::new(KeyCounts::default());
        counts.note(&store);
        Ok(Opened { store, upkeep, counts, keeping, jobs: mpsc::channel(JOBS_MAX) })
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

    /// The work itself, for who has little to do.
    pub(crate) fn keeping(&self) -> Arc<Keeping> {
        self.keeping.clone()
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
            upkeep: self.upkeep,
            comes_again: Some(Instant::now()),
            rests_until: None,
            asked: Instant::now(),
            is_marked: true,
            failed: None,
            counts: self.counts,
            jobs: self.jobs.1,
            outgoing: (0..directory.cores()).map(|_| Vec::new()).collect(),
            asleep: Asleep::default(),
            directory,
            queue: VecDeque::new(),
            blocked: Blocked::default(),
            servers: Servers::default(),
            held: Held::default(),
        };
        let keeping = self.keeping;
        keeping.begin(turns);
        let begun = keeping.clone();
        let thread = thread::Builder::new().name("naru-keeper".into()).spawn(move || {
            // Nobody may be waiting for the end.
            let _ = stopped.send(runtime.block_on(begun.run()));
        });
        let thread = thread.inspect_err(|_| keeping.give_up())?;
        Ok((Keeper { thread }, ended))
    }
}

/// Opens a log, takes back in what is in it, and has it tell `keeping` what counts.
fn open_store(
    storage: &Storage,
    config: Arc<Config>,
    keeping: Arc<Keeping>,
) -> Result<(Store, Upkeep), StartError> {
    let (fs, folder, options): (Arc<dyn Vfs>, _, _) = match storage {
        Storage::Folder(folder) => (Arc::new(RealFs), folder.clone(), Options::default()),
        Storage::Memory => (Arc::new(MemoryFs::new()), PathBuf::from("memory"), Options::in_memory()),
    };
    let pace = match storage {
        Storage::Folder(_) => checkpoint::Pace::default(),
        Storage::Memory => checkpoint::Pace::never(),
    };
    let mut loading = Loading::new(Ledger::new(new_head()?), config.clone());
    let on_durable = Box::new(move |_| keeping.counted());
    let (log, recovery) = Log::open(fs, &folder, options, on_durable, &mut loading)?;
    if let Some((record, error)) = loading.failed {
        return Err(StartError::Misfit { folder, record: record.number(), reason: error.to_string() });
    }
    if let Storage::Folder(_) = storage {
        say(&folder, &recovery, &loading);
    }
    if let Err(misfit) = loading.ledger.check() {
        let record = recovery.last.number();
        return Err(StartError::Misfit { folder, record, reason: misfit.to_string() });
    }
    let mut journal = Journal::new(log);
    let counted = journal.count(&loading.keyspace, &loading.ledger, &loading.channels);
    counted.map_err(|damage| StartError::Open(damage.into()))?;
    let begun_at = loading.replayed_from.unwrap_or(journal.log().next_address());
    let checkpoints = Checkpoints::new(pace, begun_at.position(), loading.checkpoint_bytes);
    let mut store = Store::new(loading.keyspace, loading.ledger, loading.channels, journal, config);
    if recovery.last == Lsn::ZERO {
        let Head { epoch, key, .. } = store.ledger.head().clone();
        let begun = store.change_ledger(vec![LedgerChange::Begun { epoch, key }]);
        begun.map_err(|error| StartError::FirstRecord(error.to_string()))?;
    }
    store.tick();
    store.begin_life().map_err(|error| StartError::FirstRecord(error.to_string()))?;
    Ok((store, Upkeep::new(checkpoints, Reclaim::new(reclaim::Pace::default()))))
}

fn say(folder: &Path, recovery: &Recovery, loading: &Loading) {
    if let Some(torn) = &recovery.torn {
        tracing::warn!(
            segment = %torn.path.display(), offset = torn.offset, bytes = torn.bytes, copy = %torn.copy.display(),
            "the end of the log was incomplete and has been cut off: what was under way when the machine or the broker went \
             down, and with appendfsync everysec or no perhaps what was answered in the last moments before"
        );
    }
    for damage in &recovery.damaged_checkpoints {
        tracing::warn!(%damage, "a checkpoint could not be read; the one before and more of the log were taken instead");
    }
    tracing::info!(
        folder = %folder.display(), checkpoint = recovery.checkpoint.map(Lsn::number), records = recovery.records,
        keys = loading.keyspace.len(), conversations = loading.ledger.conversations().numbers(),
        people = loading.ledger.people().numbers(), channels = loading.channels.totals().channels, "data folder opened"
    );
}

/// What a ledger begins with: an epoch of sixteen random hexadecimal digits, which tells its life from every other, and a
/// secret.
pub(super) fn new_head() -> Result<Head, StartError> {
    let epoch = format!("{:016x}", u64::from_le_bytes(random()?));
    let epoch = Epoch::parse(&epoch).expect("sixteen digits are an epoch");
    Ok(Head::new(epoch, IdKey::new(random()?)))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], StartError> {
    let mut random = [0; BYTES];
    getrandom::fill(&mut random).map_err(|error| StartError::Random(error.to_string()))?;
    Ok(random)
}
