use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use naru_ledger::{Limits, Millis, Op};
use naru_store::{AppendError, Level, Lsn, ReadError, WriteError};

use super::{
    apply::apply,
    change::Change,
    clock::Steady,
    expiry::dispose,
    journal::{Journal, RECORD_BYTES_MAX},
    streams::StreamError,
    watches::Watches,
};
use crate::{
    channels::{Channels, Present},
    config::Config,
    keyspace::{Family, Keyspace, Place, WrongType},
    ledger::{Bodies, Decided, Ledger, LedgerChange, Undecided},
    streams::Stream,
};

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The client's fault.
    #[error(transparent)]
    WrongType(#[from] WrongType),
    /// The client's fault.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The client's fault.
    #[error(
        "ERR what is to be stored at once has {bytes} bytes; at most {RECORD_BYTES_MAX} fit into one record"
    )]
    TooLarge { bytes: usize },
    /// Nobody's fault: nothing that grows the log is taken until there is space again.
    #[error("DISKFULL no space is left for the data folder: free some, or trim streams; reads go on")]
    DiskFull,
    /// The log has stopped, and the broker with it.
    #[error("IOERR the log cannot be written: {0}")]
    Broken(#[from] AppendError),
    /// The disk's fault.
    #[error("IOERR what is stored cannot be read: {0}")]
    Unreadable(#[from] ReadError),
    /// The disk's fault.
    #[error("IOERR what is stored at {address} is damaged: run naru doctor verify on the data folder")]
    Damaged { address: u64 },
    /// The store's fault: what stands there is something else.
    #[error("IOERR what is stored at {address} is not what was looked for")]
    NoBody { address: u64 },
    /// The store's fault: nothing that was ever given goes before it.
    #[error("IOERR a number here is higher than any can be: run naru doctor verify on the data folder")]
    Exhausted,
}

impl StoreError {
    /// What the client is told.
    pub(super) fn answer(&self) -> Vec<u8> {
        match self {
            StoreError::Stream(error) => error.answer(),
            other => other.to_string().into_bytes(),
        }
    }
}

/// What is stored, and the log that makes it last. Every change is recorded before it is applied; replaying the records
/// gives the same state again.
pub(super) struct Store {
    pub(super) keyspace: Keyspace,
    pub(super) ledger: Ledger,
    pub(super) channels: Channels,
    /// Who is present in them: nowhere else than in memory.
    pub(super) present: Present,
    pub(super) journal: Journal,
    pub(super) watches: Watches,
    pub(super) config: Arc<Config>,
    /// What the ledger is bounded by.
    pub(super) limits: Limits,
    /// Whether what is stored is there after this process.
    pub(super) outlives_process: bool,
    /// What is to be on disk before anything counts that is not.
    pub(super) noted: Lsn,
    /// The time, in Unix milliseconds, of the operation or transaction under way.
    pub(super) now: u64,
    /// How far the ledger believes that.
    pub(super) clock: Steady,
    /// How many keys have gone away by themselves.
    pub(super) expired: u64,
    /// Of the log's files, when they were looked at last.
    pub(super) log_bytes: u64,
    /// Keys that have changed so that whoever waits for them is to be tried again.
    pub(super) ready: VecDeque<Bytes>,
}

impl Store {
    /// What was taken back in, and the journal that goes on from there.
    pub(super) fn new(
        keyspace: Keyspace,
        ledger: Ledger,
        channels: Channels,
        journal: Journal,
        config: Arc<Config>,
    ) -> Self {
        Store {
            keyspace,
            ledger,
            channels,
            present: Present::default(),
            journal,
            watches: Watches::default(),
            limits: Limits::default(),
            outlives_process: config.is_durable(),
            noted: Lsn::ZERO,
            config,
            now: 0,
            clock: Steady::default(),
            expired: 0,
            log_bytes: 0,
            ready: VecDeque::new(),
        }
    }

    /// One in memory that holds nothing yet.
    #[cfg(test)]
    pub(super) fn empty() -> Store {
        use super::load::Loading;

        let mut loading = Loading::to_look();
        let (fs, options) = (Arc::new(naru_store::MemoryFs::new()), naru_store::Options::in_memory());
        let opened = naru_store::Log::open(fs, "data".as_ref(), options, Box::new(|_| {}), &mut loading);
        let (log, _) = opened.expect("memory can be written to");
        let config = Arc::new(Config::by_default());
        Store::new(loading.keyspace, loading.ledger, loading.channels, Journal::new(log), config)
    }

    /// The stream under a key, if there is one.
    pub(super) fn stream(&self, key: &[u8]) -> Result<Option<&Stream>, WrongType> {
        self.value(key)
    }

    /// The value under a key, if there is one, and if it is of the kind wanted: this is where `WRONGTYPE` comes from.
    pub(super) fn value<F: Family>(&self, key: &[u8]) -> Result<Option<&F>, WrongType> {
        self.key(key).map(|key| F::of(&key.value).ok_or(WrongType)).transpose()
    }

    /// Refuses what makes the log grow while the disk is full.
    pub(super) fn check_space(&self) -> Result<(), StoreError> {
        if self.journal.is_full() { Err(StoreError::DiskFull) } else { Ok(()) }
    }

    /// Hands what has been recorded to the disk, at the level that is asked for now. May wait for its being written if there is
    /// little else to do; never for a sync, in which others could use what is here.
    pub(super) fn submit(&mut self, may_wait: bool) -> Result<(), WriteError> {
        // If nothing can be noted any more, nothing can be handed over.
        let _ = self.follow_level();
        let may_wait = may_wait && self.syncs_later();
        let log = self.journal.log();
        if may_wait { log.submit_and_wait() } else { log.submit() }
    }

    /// Whether what is recorded counts before it is on disk.
    pub(super) fn syncs_later(&mut self) -> bool {
        self.journal.log().level() != Level::Always
    }

    /// Begins a transaction: until [`Self::commit`], changes are made at once, and recorded together.
    pub(super) fn begin(&mut self) {
        self.journal.begin();
    }

    /// Records what the transaction has changed. An error is the end of the broker.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.journal.commit()?)
    }

    /// Records and makes the changes of one operation on keys and what is under them.
    pub(super) fn change(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes = self.after_expiry(changes);
        self.make(changes)
    }

    /// The same, where no key's time is over.
    pub(super) fn make(&mut self, mut changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let record = self.journal.add(&mut changes, RECORD_BYTES_MAX)?;
        for change in changes {
            if let Some(target) = change.target() {
                self.watches.touch(target);
                self.ready.push_back(target.clone());
            }
            if let Some((key, notice)) = change.key() {
                // What makes a key changes it.
                if notice.watchers || self.keyspace.get(key).is_none() {
                    self.watches.touch(key);
                }
                if notice.waiters {
                    self.ready.push_back(key.clone());
                }
            }
            self.apply(change, record)?;
        }
        Ok(self.journal.settle()?)
    }

    /// Records and makes changes that nobody is to know of, since they leave everything as it was.
    pub(super) fn change_quietly(&mut self, mut changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let record = self.journal.add(&mut changes, RECORD_BYTES_MAX)?;
        for change in changes {
            self.apply(change, record)?;
        }
        Ok(self.journal.settle()?)
    }

    fn apply(&mut self, change: Change, record: u64) -> Result<(), WrongType> {
        if let Change::Flushed = change {
            let gone = self.journal.free_all();
            dispose(std::mem::take(&mut self.keyspace), gone);
            return Ok(());
        }
        let Store { keyspace, ledger, channels, journal, config, .. } = self;
        if let Change::Channel(name, change) = change {
            channels.apply(&name, change, record, &mut |place| journal.free_of_ledger(place));
            return Ok(());
        }
        if let Change::Ledger(change) = change {
            let made = ledger.apply(change, record, &mut |place| journal.free_of_ledger(place));
            made.expect("what was decided on this ledger fits it");
            return Ok(());
        }
        let node_entries_max = config.stream_node_entries_max();
        apply(keyspace, change, record, node_entries_max, &mut |gone| journal.free(gone))
    }

    /// What an operation of the ledger comes to.
    pub(super) fn decide(&mut self, op: &Op) -> Result<Decided, Undecided<StoreError>> {
        let now = self.ledger_now();
        let Store { ledger, journal, limits, .. } = self;
        ledger.decide(op, now, limits, &mut InLog(journal))
    }

    /// The time that the ledger goes by.
    pub(super) fn ledger_now(&self) -> Millis {
        self.clock.believed(Millis(self.now))
    }

    /// Takes the bounds of the ledger as they are set now.
    pub(super) fn follow_limits(&mut self) {
        self.limits = self.config.ledger_limits();
    }

    /// Records and makes changes of the ledger, all or none.
    pub(super) fn change_ledger(&mut self, changes: Vec<LedgerChange>) -> Result<(), StoreError> {
        self.change_quietly(changes.into_iter().map(Change::Ledger).collect())
    }
}

/// What entries say is in the log.
struct InLog<'a>(&'a Journal);

impl Bodies for InLog<'_> {
    type Error = StoreError;

    fn read(&mut self, place: Place) -> Result<Bytes, StoreError> {
        self.0.read(place)
    }
}
