use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use naru_ledger::{Effect, Ledger, Misfit};
use naru_store::{AppendError, Log, Lsn};

use super::{bodies::Bodies, change::Change, expiry::dispose, lists, strings, watches::Watches};
use crate::{
    config::Config,
    keyspace::{Family, KeyChange, Keyspace, WrongType},
    streams::{Stream, StreamChange},
};

/// The longest record: what an operation changes must fit. The log's frames hold twice as much, so it always does.
const RECORD_BYTES_MAX: usize = 32 << 20;

/// Why writing a change cannot fail.
const WRITABLE: &str =
    "changes hold nothing that postcard cannot write, and a vector takes all that is written";

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The client's fault.
    #[error(transparent)]
    WrongType(#[from] WrongType),
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
    /// The store's fault: something refers to what is not there.
    #[error("IOERR what is stored cannot be read at {address}")]
    NoBody { address: u64 },
}

/// What is stored, and the log that makes it last (none with `--memory`). Every change is recorded before it is
/// applied; replaying the records gives the same state again.
pub(super) struct Store {
    pub(super) keyspace: Keyspace,
    pub(super) bodies: Bodies,
    pub(super) ledger: Ledger,
    pub(super) watches: Watches,
    config: Arc<Config>,
    /// The time, in Unix milliseconds, of the operation or transaction under way.
    pub(super) now: u64,
    /// How many keys have gone away by themselves.
    pub(super) expired: u64,
    /// Keys that have changed so that whoever waits for them is to be tried again.
    pub(super) ready: VecDeque<Bytes>,
    log: Option<Log>,
    /// The last record appended.
    last: Lsn,
    /// What a transaction has changed so far, while one is under way.
    gathered: Option<Gathered>,
}

/// Changes that are made already and recorded together, as the log has them.
#[derive(Default)]
struct Gathered {
    count: usize,
    changes: Vec<u8>,
}

impl Store {
    pub(super) fn new(ledger: Ledger, config: Arc<Config>) -> Self {
        Store {
            keyspace: Keyspace::default(),
            bodies: Bodies::default(),
            ledger,
            watches: Watches::default(),
            config,
            now: 0,
            expired: 0,
            ready: VecDeque::new(),
            log: None,
            last: Lsn::ZERO,
            gathered: None,
        }
    }

    /// Takes one record of the log back in.
    pub(super) fn replay(&mut self, record: &[u8]) -> Result<(), ReplayError> {
        let changes: Vec<Change> = postcard::from_bytes(record)?;
        for change in changes {
            match change {
                Change::Ledger(effect) => self.ledger.apply(&effect)?,
                other => self.apply(other)?,
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
        match &self.log {
            Some(log) if log.is_full() => Err(StoreError::DiskFull),
            _ => Ok(()),
        }
    }

    /// Begins a transaction: until [`Self::commit`], changes are made at once, and recorded together.
    pub(super) fn begin(&mut self) {
        self.gathered = Some(Gathered::default());
    }

    /// Refuses an operation in a transaction whose record is full: the ledger's, which cannot be refused later.
    pub(super) fn check_room(&self) -> Result<(), StoreError> {
        match &self.gathered {
            Some(Gathered { changes, .. }) if changes.len() >= RECORD_BYTES_MAX => {
                Err(StoreError::TooLarge { bytes: changes.len() })
            }
            _ => Ok(()),
        }
    }

    /// Records what the transaction has changed. An error is the end of the broker: the record is not too large, since
    /// it was checked as it grew, and the log's frames hold twice as much.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        let gathered = self.gathered.take().filter(|gathered| gathered.count > 0);
        if let (Some(gathered), Some(log)) = (gathered, &mut self.log) {
            self.last = log.append(&gathered.into_record())?;
        }
        Ok(())
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
    pub(super) fn make(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.record(&changes, RECORD_BYTES_MAX)?;
        for change in changes {
            if let Some(target) = change.target() {
                self.watches.touch(target);
                self.ready.push_back(target.clone());
            }
            if let Some((key, notice)) = change.key() {
                if notice.watchers {
                    self.watches.touch(key);
                }
                if notice.waiters {
                    self.ready.push_back(key.clone());
                }
            }
            self.apply(change)?;
        }
        Ok(())
    }

    /// Records what an operation of the ledger has changed already; an error is the end of the broker, so it does not
    /// matter that the ledger is ahead of its log then.
    pub(super) fn changed_ledger(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        if effects.is_empty() {
            return Ok(());
        }
        self.record(&effects.into_iter().map(Change::Ledger).collect(), usize::MAX)
    }

    fn record(&mut self, changes: &Vec<Change>, bytes_max: usize) -> Result<(), StoreError> {
        let Some(log) = &mut self.log else { return Ok(()) };
        if let Some(gathered) = &mut self.gathered {
            return gathered.add(changes, bytes_max);
        }
        let record = postcard::to_stdvec(changes).expect(WRITABLE);
        if record.len() > bytes_max {
            return Err(StoreError::TooLarge { bytes: record.len() });
        }
        self.last = log.append(&record)?;
        Ok(())
    }

    /// Makes a change. That it fits its key was seen when it was decided on.
    fn apply(&mut self, change: Change) -> Result<(), WrongType> {
        match change {
            Change::Key(key, KeyChange::Deleted) => {
                if let Some(gone) = self.keyspace.remove(&key) {
                    gone.value.places(&mut |place| self.bodies.free(place));
                }
            }
            Change::Key(key, KeyChange::Expires(at)) => self.keyspace.set_expiry(&key, at),
            Change::Key(from, KeyChange::Renamed { to }) => {
                if let Some(gone) = self.keyspace.rename(&from, &to) {
                    gone.value.places(&mut |place| self.bodies.free(place));
                }
            }
            Change::Flushed => {
                self.bodies.free_all();
                dispose(std::mem::take(&mut self.keyspace));
            }
            Change::Text(key, change) => strings::apply(&mut self.keyspace, &mut self.bodies, &key, change)?,
            Change::Stream(key, change) => self.apply_to_stream(&key, change)?,
            Change::List(key, change) => lists::apply(&mut self.keyspace, &mut self.bodies, &key, change)?,
            Change::Ledger(_) => unreachable!("the ledger applies its own effects"),
        }
        Ok(())
    }

    fn apply_to_stream(&mut self, key: &[u8], change: StreamChange) -> Result<(), WrongType> {
        let bodies = &mut self.bodies;
        if let StreamChange::Added { id, body } = change {
            let stream = self.keyspace.value_or_new::<Stream>(key)?;
            stream.add(id, bodies.write(body), self.config.stream_node_entries_max());
            return Ok(());
        }
        if let Some(stream) = self.keyspace.value_mut::<Stream>(key)? {
            stream.apply(change, |place| bodies.free(place));
        }
        Ok(())
    }
}

impl Gathered {
    /// Adds all of `changes`, or none.
    fn add(&mut self, changes: &[Change], bytes_max: usize) -> Result<(), StoreError> {
        let before = self.changes.len();
        for change in changes {
            self.changes = postcard::to_extend(change, std::mem::take(&mut self.changes)).expect(WRITABLE);
        }
        let bytes = self.changes.len();
        if bytes > bytes_max {
            self.changes.truncate(before);
            return Err(StoreError::TooLarge { bytes });
        }
        self.count += changes.len();
        Ok(())
    }

    /// A list of changes as postcard writes it: how many, then one after the other.
    fn into_record(self) -> Vec<u8> {
        let count = postcard::to_stdvec(&self.count).expect(WRITABLE);
        [count, self.changes].concat()
    }
}

/// A record that is whole, and yet makes no sense here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] postcard::Error),
    #[error("it does not follow from those before: {0}")]
    Misfit(#[from] Misfit),
    #[error("it changes a key that holds something of another kind")]
    WrongType(#[from] WrongType),
}

#[cfg(test)]
mod tests {
    use naru_ledger::Epoch;

    use super::*;
    use crate::streams::StreamId;

    fn added(key: &'static str, millis: u64, value: &'static [u8]) -> Change {
        let id = StreamId { millis, sequence: 0 };
        Change::Stream(key.into(), StreamChange::Added { id, body: value.into() })
    }

    #[test]
    fn a_record_of_several_operations_is_taken_back_in_like_one() {
        let mut gathered = Gathered::default();
        // More than one byte for the count.
        for millis in 1..=200 {
            gathered.add(&[added("s", millis, b"v")], RECORD_BYTES_MAX).unwrap();
        }
        gathered.add(&[added("gone", 1, b"v")], RECORD_BYTES_MAX).unwrap();
        gathered.add(&[Change::Key("gone".into(), KeyChange::Deleted)], RECORD_BYTES_MAX).unwrap();
        let mut store = Store::new(Ledger::new(Epoch::parse("e").unwrap()), Config::for_test().into());
        store.replay(&gathered.into_record()).unwrap();
        assert_eq!(store.stream(b"s").unwrap().map(Stream::len), Some(200));
        assert_eq!(store.keyspace.len(), 1);
    }

    #[test]
    fn what_does_not_fit_into_the_record_is_left_out_whole() {
        let mut gathered = Gathered::default();
        gathered.add(&[added("s", 1, b"v")], 40).unwrap();
        let two = [added("s", 2, b"v"), added("s", 3, &[0; 40])];
        assert!(matches!(gathered.add(&two, 40), Err(StoreError::TooLarge { .. })));
        gathered.add(&[added("s", 4, b"v")], 40).unwrap();
        let changes: Vec<Change> = postcard::from_bytes(&gathered.into_record()).unwrap();
        assert_eq!(changes.len(), 2);
    }
}
