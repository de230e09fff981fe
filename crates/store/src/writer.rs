//! What writes frames, and the thread that does it.

use std::any::Any;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::desk::{Desk, Flight, Frame, Job, Next};
use crate::error::WriteError;
use crate::level::Level;
use crate::log::OnDurable;
use crate::lsn::Lsn;
use crate::priority;
use crate::segment::SegmentHead;
use crate::tail::{SHORT_FRAME_BYTES_MAX, Tail};

/// What the writer lets others know.
pub(crate) struct Shared {
    /// The last record that counts, at the level of its time.
    durable: AtomicU64,
    synced: AtomicU64,
    /// How often was synced, and how long all of that took, in nanoseconds.
    syncs: AtomicU64,
    sync_nanos: AtomicU64,
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
            syncs: AtomicU64::new(0),
            sync_nanos: AtomicU64::new(0),
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

    /// How often was synced, and how long all of that took.
    pub(crate) fn syncs(&self) -> (u64, Duration) {
        let nanos = self.sync_nanos.load(Ordering::Relaxed);
        (self.syncs.load(Ordering::Relaxed), Duration::from_nanos(nanos))
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

    /// Nothing is written from here on.
    fn fail(&self, error: &WriteError) {
        let first = self.failed.set(error.clone()).is_ok();
        assert!(first, "what has failed is not used again");
    }

    pub(crate) fn tail(&self) -> SegmentHead {
        *self.tail.lock()
    }
}

/// What writes frames: the thread of its own, or, where that would only be waited for, whoever submits.
pub(crate) struct Writer {
    tail: Tail,
    shared: Arc<Shared>,
    /// When the first of what is not synced was written.
    unsynced_since: Option<Instant>,
    unsynced_bytes: usize,
}

/// How long what is written waits for its sync at [`Level::EverySecond`].
const SECOND: Duration = Duration::from_secs(1);

/// How much that may be at the most, below [`Level::Always`]: the disk takes this much in some milliseconds, in which nothing
/// else is written, and as much as a segment holds takes it many times as long.
const UNSYNCED_BYTES_MAX: usize = 4 << 20;

/// The writer's thread.
pub(crate) struct WriterThread {
    pub(crate) writer: Arc<Mutex<Writer>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) on_durable: OnDurable,
}

impl WriterThread {
    pub(crate) fn run(self) {
        priority::raise();
        if let Err(error) = self.serve() {
            (self.on_durable)(Err(error));
        }
        self.shared.ring(true);
    }

    /// Has the next segment ready, unless who submitted was faster, and failed.
    fn prepare(&self) -> Result<(), WriteError> {
        let mut writer = self.writer.lock();
        if self.shared.failed().is_some() { Ok(()) } else { writer.or_fail(Writer::prepare_next) }
    }

    fn serve(&self) -> Result<(), WriteError> {
        self.prepare()?;
        loop {
            let deadline = self.writer.lock().deadline();
            let next = self.shared.desk.next(deadline);
            let mut writer = self.writer.lock();
            // It failed for whoever submitted, who knows; after that nothing is written, or synced.
            if self.shared.failed().is_some() {
                return Ok(());
            }
            let tell = |durable| (self.on_durable)(Ok(durable));
            let is_last = matches!(next, Next::Closed);
            writer.or_fail(|writer| match next {
                Next::Job(Job::Frame(frame)) => writer.write(frame, &tell),
                Next::Job(Job::Sync) => {
                    writer.sync(&|_| {})?;
                    // Whoever asked may wait for no more than that.
                    tell(writer.shared.durable());
                    Ok(())
                }
                Next::Due | Next::Closed => writer.sync(&tell),
                Next::Job(Job::Look) => Ok(()),
            })?;
            if is_last {
                return Ok(());
            }
            writer.or_fail(Writer::prepare_next)?;
        }
    }
}

impl Writer {
    pub(crate) fn new(tail: Tail, shared: Arc<Shared>) -> Self {
        Self { tail, shared, unsynced_since: None, unsynced_bytes: 0 }
    }

    /// Whether to write a frame is so little that handing it to another thread, and hearing of it again, would take
    /// about as long.
    pub(crate) fn is_little(&self, frame: &Frame) -> bool {
        let bytes = frame.batch.read().frame_bytes();
        // With no space left, the thread looks for some after each frame.
        !frame.is_mark
            && !self.shared.is_full()
            && bytes <= SHORT_FRAME_BYTES_MAX
            && self.tail.has_room(bytes)
    }

    /// Writes a frame on the thread of who submits it, and syncs it if it does not count before. An error ends the writer.
    pub(crate) fn write_here(&mut self, frame: Frame) -> Result<(), WriteError> {
        // The thread may have failed since this was decided.
        if let Some(error) = self.shared.failed() {
            return Err(error.clone());
        }
        let was_synced = self.unsynced_since.is_none();
        self.or_fail(|writer| {
            writer.put(&frame.batch)?;
            match writer.shared.level() {
                Level::Always => writer.sync(&|_| {})?,
                Level::EverySecond | Level::No => writer.count(&|_| {}),
            }
            Ok(())
        })?;
        if self.unsynced_bytes >= UNSYNCED_BYTES_MAX {
            self.shared.desk.sync();
        } else if was_synced && self.unsynced_since.is_some() {
            // The thread syncs it when the time comes, of which it is to take note.
            self.shared.desk.look();
        }
        Ok(())
    }

    /// Does something, and if it fails, nobody writes any more: that is known before anybody else has the writer.
    fn or_fail(&mut self, work: impl FnOnce(&mut Self) -> Result<(), WriteError>) -> Result<(), WriteError> {
        work(self).inspect_err(|error| {
            self.shared.fail(error);
            self.shared.desk.close();
        })
    }

    /// When what is written is to be synced.
    fn deadline(&self) -> Option<Instant> {
        match self.shared.level() {
            Level::Always | Level::EverySecond => self.unsynced_since.map(|since| since + SECOND),
            Level::No => None,
        }
    }

    fn write(&mut self, Frame { batch, is_mark }: Frame, tell: &dyn Fn(Lsn)) -> Result<(), WriteError> {
        if is_mark {
            self.sync(tell)?;
        }
        self.put(&batch)?;
        // The owner takes the buffer back once it sees that it is durable.
        drop(batch);
        if self.shared.level() == Level::Always {
            return self.sync(tell);
        }
        self.count(tell);
        let is_due = self.deadline().is_some_and(|deadline| deadline <= Instant::now());
        if is_mark || is_due || self.unsynced_bytes >= UNSYNCED_BYTES_MAX {
            self.sync(tell)?;
        }
        Ok(())
    }

    /// Writes a frame, which is not synced yet.
    fn put(&mut self, batch: &Flight) -> Result<(), WriteError> {
        self.tail.write(batch)?;
        if self.shared.level() == Level::Always && batch.read().frame_bytes() <= SHORT_FRAME_BYTES_MAX {
            self.tail.pave()?;
        }
        *self.shared.tail.lock() = self.tail.head();
        self.unsynced_since.get_or_insert_with(Instant::now);
        self.unsynced_bytes += batch.read().frame_bytes();
        // Going over to the next segment syncs the one before.
        self.shared.synced.store(self.tail.synced().number(), Ordering::Release);
        Ok(())
    }

    fn sync(&mut self, tell: &dyn Fn(Lsn)) -> Result<(), WriteError> {
        let (begun, before) = (Instant::now(), self.tail.synced());
        self.tail.sync()?;
        if self.tail.synced() > before {
            self.shared.syncs.fetch_add(1, Ordering::Relaxed);
            self.shared.sync_nanos.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
        self.unsynced_since = None;
        self.unsynced_bytes = 0;
        self.shared.synced.store(self.tail.synced().number(), Ordering::Release);
        self.count(tell);
        Ok(())
    }

    /// What is written or synced now counts.
    fn count(&self, tell: &dyn Fn(Lsn)) {
        let durable = self.tail.written();
        let before = self.shared.durable.swap(durable.number(), Ordering::AcqRel);
        self.shared.ring(false);
        if durable.number() > before {
            tell(durable);
        }
    }

    fn prepare_next(&mut self) -> Result<(), WriteError> {
        let ready = self.tail.prepare_next()?;
        self.shared.is_full.store(!ready, Ordering::Relaxed);
        Ok(())
    }
}
