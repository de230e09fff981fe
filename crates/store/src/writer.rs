//! The thread that writes.

use std::any::Any;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::desk::{Desk, Frame, Job, Next};
use crate::error::WriteError;
use crate::level::Level;
use crate::log::OnDurable;
use crate::lsn::Lsn;
use crate::segment::SegmentHead;
use crate::tail::Tail;
use crate::vfs::Vfs;

/// What the writer lets others know.
pub(crate) struct Shared {
    /// The last record that counts, at the level of its time.
    durable: AtomicU64,
    synced: AtomicU64,
    level: AtomicU8,
    /// There is no space for the next segment.
    is_full: AtomicBool,
    failed: OnceLock<WriteError>,
    /// The segment of the last frame that is durable.
    tail: Mutex<SegmentHead>,
    /// Whether the writer has ended; the bell rings with every sync, and then.
    has_ended: Mutex<bool>,
    progress: Condvar,
    pub(crate) desk: Desk,
    /// The folder is ours until nothing is written any more.
    _lock: Mutex<Box<dyn Any + Send>>,
}

impl Shared {
    pub(crate) fn new(tail: &Tail, level: Level, lock: Box<dyn Any + Send>) -> Self {
        Self {
            durable: AtomicU64::new(tail.written().number()),
            synced: AtomicU64::new(tail.synced().number()),
            level: AtomicU8::new(level as u8),
            is_full: AtomicBool::new(false),
            failed: OnceLock::new(),
            tail: Mutex::new(tail.head()),
            has_ended: Mutex::new(false),
            progress: Condvar::new(),
            desk: Desk::default(),
            _lock: Mutex::new(lock),
        }
    }

    /// Waits until this record is on disk. An error: it never will be; `None`: the log was closed before.
    pub(crate) fn wait_until_synced(&self, lsn: Lsn) -> Option<Result<(), WriteError>> {
        let mut has_ended = self.has_ended.lock();
        loop {
            if self.synced() >= lsn {
                return Some(Ok(()));
            }
            if let Some(error) = self.failed() {
                return Some(Err(error.clone()));
            }
            if *has_ended {
                return None;
            }
            if self.durable() >= lsn {
                self.desk.sync();
            }
            self.progress.wait(&mut has_ended);
        }
    }

    /// To be called after what others may wait for has changed.
    fn ring(&self, has_ended: bool) {
        *self.has_ended.lock() |= has_ended;
        self.progress.notify_all();
    }

    pub(crate) fn durable(&self) -> Lsn {
        Lsn::new(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn synced(&self) -> Lsn {
        Lsn::new(self.synced.load(Ordering::Acquire))
    }

    pub(crate) fn level(&self) -> Level {
        Level::from_number(self.level.load(Ordering::Relaxed))
    }

    pub(crate) fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
        // What was written at a weaker level does not wait for a frame to come along.
        self.desk.sync();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Why nothing is written any more, if that is so.
    pub(crate) fn failed(&self) -> Option<&WriteError> {
        self.failed.get()
    }

    pub(crate) fn tail(&self) -> SegmentHead {
        *self.tail.lock()
    }
}

pub(crate) struct Writer {
    pub(crate) fs: Arc<dyn Vfs>,
    pub(crate) tail: Tail,
    pub(crate) shared: Arc<Shared>,
    pub(crate) on_durable: OnDurable,
    /// When the first of what is not synced was written.
    pub(crate) unsynced_since: Option<Instant>,
}

/// How long what is written waits for its sync at [`Level::EverySecond`].
const SECOND: Duration = Duration::from_secs(1);

impl Writer {
    pub(crate) fn run(mut self) {
        let outcome = self.serve();
        if let Err(error) = outcome {
            let first = self.shared.failed.set(error.clone()).is_ok();
            assert!(first, "only the writer fails, and then it ends");
            (self.on_durable)(Err(error));
        }
        self.shared.ring(true);
    }

    fn serve(&mut self) -> Result<(), WriteError> {
        self.prepare_next()?;
        loop {
            match self.shared.desk.next(self.deadline()) {
                Next::Job(Job::Frame(frame)) => self.write(frame)?,
                Next::Job(Job::Sync) | Next::Due => self.sync()?,
                Next::Job(Job::Remove(removal)) => removal.carry_out(&*self.fs),
                Next::Job(Job::FindSpace) => {}
                Next::Closed => return self.sync(),
            }
            self.prepare_next()?;
        }
    }

    /// When what is written is to be synced.
    fn deadline(&self) -> Option<Instant> {
        match self.shared.level() {
            Level::Always | Level::EverySecond => self.unsynced_since.map(|since| since + SECOND),
            Level::No => None,
        }
    }

    fn write(&mut self, Frame { batch, is_mark }: Frame) -> Result<(), WriteError> {
        if is_mark {
            self.sync()?;
        }
        self.tail.write(&batch)?;
        // The owner takes the buffer back once it sees that it is durable.
        drop(batch);
        *self.shared.tail.lock() = self.tail.head();
        self.unsynced_since.get_or_insert_with(Instant::now);
        // Going over to the next segment syncs the one before.
        self.shared.synced.store(self.tail.synced().number(), Ordering::Release);
        if self.shared.level() == Level::Always {
            return self.sync();
        }
        self.tell();
        if is_mark || self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        self.tail.sync()?;
        self.unsynced_since = None;
        self.shared.synced.store(self.tail.synced().number(), Ordering::Release);
        self.tell();
        Ok(())
    }

    /// What is written or synced now counts.
    fn tell(&self) {
        let durable = self.tail.written();
        let before = self.shared.durable.swap(durable.number(), Ordering::AcqRel);
        self.shared.ring(false);
        if durable.number() > before {
            (self.on_durable)(Ok(durable));
        }
    }

    fn prepare_next(&mut self) -> Result<(), WriteError> {
        let ready = self.tail.prepare_next()?;
        self.shared.is_full.store(!ready, Ordering::Relaxed);
        Ok(())
    }
}
