use std::collections::HashMap;

use ahash::RandomState;
use bytes::Bytes;
use naru_ledger::{Effect, Ledger, Misfit};
use naru_store::{AppendError, Log, Lsn};

use super::change::Change;
use crate::streams::Stream;

/// The longest record: what an operation changes must fit. The log's frames hold twice as much, so it always does.
const RECORD_BYTES_MAX: usize = 32 << 20;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The client's fault.
    #[error("ERR what this command stores has {bytes} bytes; at most {RECORD_BYTES_MAX} fit into one record")]
    TooLarge { bytes: usize },
    /// Nobody's fault: nothing that grows the log is taken until there is space again.
    #[error("DISKFULL no space is left for the data folder: free some, or trim streams; reads go on")]
    DiskFull,
    /// The log has stopped, and the broker with it.
    #[error("IOERR the log cannot be written: {0}")]
    Broken(#[from] AppendError),
}

/// What is stored, and the log that makes it last (none with `--memory`). Every change is recorded before it is
/// applied; replaying the records gives the same state again.
pub(super) struct Store {
    streams: HashMap<Bytes, Stream, RandomState>,
    pub(super) ledger: Ledger,
    log: Option<Log>,
    /// The last record appended.
    last: Lsn,
}

impl Store {
    pub(super) fn new(ledger: Ledger) -> Self {
        Store { streams: HashMap::default(), ledger, log: None, last: Lsn::ZERO }
    }

    /// Takes one record of the log back in.
    pub(super) fn replay(&mut self, record: &[u8]) -> Result<(), ReplayError> {
        let changes: Vec<Change> = postcard::from_bytes(record)?;
        for change in changes {
            match change {
                Change::Ledger(effect) => self.ledger.apply(&effect)?,
                other => self.apply(other),
            }
        }
        Ok(())
    }

    /// From here on changes are recorded in `log`.
    pub(super) fn record_in(&mut self, log: Log) {
        self.last = log.durable();
        self.log = Some(log);
    }

    pub(super) fn log(&mut self) -> Option<&mut Log> {
        self.log.as_mut()
    }

    pub(super) fn into_log(self) -> Option<Log> {
        self.log
    }

    /// What must be durable before anything read now may be shown.
    pub(super) fn last(&self) -> Lsn {
        self.last
    }

    /// What is durable.
    pub(super) fn durable(&self) -> Lsn {
        self.log.as_ref().map_or(self.last, Log::durable)
    }

    pub(super) fn stream(&self, key: &Bytes) -> Option<&Stream> {
        self.streams.get(key)
    }

    pub(super) fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Refuses what makes the log grow while the disk is full.
    pub(super) fn check_space(&self) -> Result<(), StoreError> {
        match &self.log {
            Some(log) if log.is_full() => Err(StoreError::DiskFull),
            _ => Ok(()),
        }
    }

    /// Records and makes the changes of one operation on streams and keys.
    pub(super) fn change(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.record(&changes)?;
        changes.into_iter().for_each(|change| self.apply(change));
        Ok(())
    }

    /// Records what an operation of the ledger has changed already; an error is the end of the broker, so it does not
    /// matter that the ledger is ahead of its log then.
    pub(super) fn changed_ledger(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        if effects.is_empty() {
            return Ok(());
        }
        self.record(&effects.into_iter().map(Change::Ledger).collect())
    }

    fn record(&mut self, changes: &Vec<Change>) -> Result<(), StoreError> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let record = postcard::to_stdvec(changes).expect("changes hold nothing that postcard cannot write");
        if record.len() > RECORD_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes: record.len() });
        }
        self.last = log.append(&record)?;
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::EntryAdded { key, id, fields } => self.streams.entry(key).or_default().add(id, fields),
            Change::EntriesDeleted { key, ids } => {
                if let Some(stream) = self.streams.get_mut(&key) {
                    ids.into_iter().for_each(|id| stream.remove(id));
                }
            }
            Change::Trimmed { key, below } => {
                if let Some(stream) = self.streams.get_mut(&key) {
                    stream.remove_below(below);
                }
            }
            Change::KeyDeleted { key } => drop(self.streams.remove(&key)),
            Change::Ledger(_) => unreachable!("the ledger applies its own effects"),
        }
    }
}

/// A record that is whole, and yet makes no sense here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] postcard::Error),
    #[error("it does not follow from those before: {0}")]
    Misfit(#[from] Misfit),
}
