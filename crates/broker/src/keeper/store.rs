use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use naru_ledger::{Effect, Ledger};
use naru_store::{AppendError, Level, ReadError, WriteError};

use super::{
    apply::apply,
    change::Change,
    expiry::dispose,
    journal::{Journal, RECORD_BYTES_MAX},
    streams::StreamError,
    watches::Watches,
};
use crate::{
    config::Config,
    keyspace::{Family, Keyspace, WrongType},
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
}

/// What is stored, and the log that makes it last. Every change is recorded before it is applied; replaying the records
/// gives the same state again.
pub(super) struct Store {
    pub(super) keyspace: Keyspace,
    pub(super) ledger: Ledger,
    /// Answers the ledger's commands so far, in memory alone.
    pub(super) model: naru_ledger::Model,
    pub(super) generation: naru_ledger::Generation,
    pub(super) journal: Journal,
    pub(super) watches: Watches,
    config: Arc<Config>,
    /// The time, in Unix milliseconds, of the operation or transaction under way.
    pub(super) now: u64,
    /// How many keys have gone away by themselves.
    pub(super) expired: u64,
    /// Keys that have changed so that whoever waits for them is to be tried again.
    pub(super) ready: VecDeque<Bytes>,
}

impl Store {
    /// What was taken back in, and the journal that goes on from there.
    pub(super) fn new(keyspace: Keyspace, ledger: Ledger, journal: Journal, config: Arc<Config>) -> Self {
        let model = naru_ledger::Model::new(ledger.epoch().clone(), naru_ledger::Limits::default());
        Store {
            keyspace,
            model,
            generation: naru_ledger::Generation::FIRST,
            ledger,
            journal,
            watches: Watches::default(),
            config,
            now: 0,
            expired: 0,
            ready: VecDeque::new(),
        }
    }

    /// One in memory that holds nothing yet.
    #[cfg(test)]
    pub(super) fn empty() -> Store {
        use super::load::Loading;

        let (config, epoch) = (Arc::new(Config::by_default()), naru_ledger::Epoch::parse("e"));
        let ledger = Ledger::new(epoch.expect("a letter is an epoch"));
        let mut loading = Loading::new(ledger, config.clone());
        let (fs, options) = (Arc::new(naru_store::MemoryFs::new()), naru_store::Options::in_memory());
        let opened = naru_store::Log::open(fs, "data".as_ref(), options, Box::new(|_| {}), &mut loading);
        let (log, _) = opened.expect("memory can be written to");
        Store::new(loading.keyspace, loading.ledger, Journal::new(log), config)
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

    /// Hands what has been recorded to the disk, at the level that is asked for now. May wait for it if there is little
    /// else to do.
    pub(super) fn submit(&mut self, may_wait: bool) -> Result<(), WriteError> {
        let (log, level) = (self.journal.log(), self.config.sync_level());
        if log.level() != level {
            log.set_level(level);
        }
        if may_wait { log.submit_and_wait() } else { log.submit() }
    }

    /// Whether what is recorded counts before it is on disk.
    pub(super) fn syncs_later(&self) -> bool {
        self.config.sync_level() != Level::Always
    }

    /// Begins a transaction: until [`Self::commit`], changes are made at once, and recorded together.
    pub(super) fn begin(&mut self) {
        self.journal.begin();
    }

    /// Refuses an operation in a transaction whose record is full: the ledger's, which cannot be refused later.
    pub(super) fn check_room(&self) -> Result<(), StoreError> {
        let bytes = self.journal.open_bytes();
        if bytes >= RECORD_BYTES_MAX { Err(StoreError::TooLarge { bytes }) } else { Ok(()) }
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
        let Store { keyspace, journal, config, .. } = self;
        let node_entries_max = config.stream_node_entries_max();
        apply(keyspace, change, record, node_entries_max, &mut |gone| journal.free(gone))
    }

    /// Records what an operation of the ledger has changed already; an error is the end of the broker, so it does not
    /// matter that the ledger is ahead of its log then.
    pub(super) fn changed_ledger(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        if effects.is_empty() {
            return Ok(());
        }
        let mut changes: Vec<Change> = effects.into_iter().map(Change::Ledger).collect();
        self.journal.add(&mut changes, usize::MAX)?;
        Ok(self.journal.settle()?)
    }
}
