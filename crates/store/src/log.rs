//! The log as its owner sees it, and the thread that writes it.

use std::any::Any;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::batch::Batch;
use crate::error::{AppendError, OpenError, WriteError};
use crate::folder;
use crate::frame::{FRAME_BYTES_MAX, HEADER_BYTES, Kind, RECORD_EXTRA_BYTES, TRAILER_BYTES};
use crate::lsn::Lsn;
use crate::recovery::{Recovery, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, recover};
use crate::segment::{FOOT_BYTES, HEAD_BYTES};
use crate::tail::{SegmentPlan, Tail};
use crate::vfs::Vfs;

/// One frame in flight, and one request to look for space.
const JOBS_MAX: usize = 2;

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of a new segment file; taken as 8 KiB to 1 GiB. Segments that exist keep theirs.
    pub segment_bytes: u64,
    /// Bytes in the open batch from which [`Log::is_batch_full`] asks the caller to take no more commands.
    pub batch_bytes: usize,
    /// Where the random number in each segment's head comes from, which tells its frames from all others.
    pub salt: fn() -> u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 * 1024 * 1024, batch_bytes: 1024 * 1024, salt: random_salt }
    }
}

/// Told from the writer's thread: a record's number when it and all before it are on disk, or once that the log has
/// stopped. It should only wake the log's owner.
pub type OnDurable = Box<dyn Fn(Result<Lsn, WriteError>) + Send>;

/// A durable log. Its owner appends to the open batch and submits it; a writer of its own writes and syncs.
///
/// ```text
/// loop: take queued commands until is_batch_full → append → submit → answer what is durable
/// on_durable: wake the loop, which submits what gathered meanwhile
/// ```
///
/// Dropped without [`Log::close`], it forgets the open batch and waits for the frame in flight.
pub struct Log {
    open: Batch,
    /// The last record handed to the writer: above `durable` while a frame is in flight.
    submitted: Lsn,
    /// Whether the last record submitted was a mark.
    marked: bool,
    frame_bytes_max: usize,
    batch_bytes: usize,
    shared: Arc<Shared>,
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

enum Job {
    Frame(Batch),
    /// Try again to have the next segment.
    FindSpace,
}

struct Shared {
    durable: AtomicU64,
    /// There is no space for the next segment.
    full: AtomicBool,
    /// A `FindSpace` is on its way.
    finding_space: AtomicBool,
    failed: OnceLock<WriteError>,
    /// The buffer of the last frame, for the next batch.
    spent: Mutex<Option<Batch>>,
}

impl Log {
    /// Opens the log in a data folder, or makes one, and takes the folder for this process. Hands every stored
    /// record to `replay`, in order, before it returns; after an error, what was replayed is to be thrown away.
    ///
    /// Worth a warning in the caller's log: [`Recovery::torn`].
    pub fn open(
        fs: Arc<dyn Vfs>,
        data: &Path,
        options: Options,
        on_durable: OnDurable,
        mut replay: impl FnMut(Lsn, &[u8]),
    ) -> Result<(Self, Recovery), OpenError> {
        let (tail, recovery, lock) = open_tail(&fs, data, options, &mut replay)?;
        let shared = Arc::new(Shared {
            durable: AtomicU64::new(recovery.last.number()),
            full: AtomicBool::new(false),
            finding_space: AtomicBool::new(false),
            failed: OnceLock::new(),
            spent: Mutex::new(Some(Batch::new(Lsn::ZERO))),
        });
        let (jobs, queue) = sync_channel(JOBS_MAX);
        let writer = Writer { tail, queue, shared: shared.clone(), on_durable, _lock: lock };
        let writer = std::thread::Builder::new()
            .name("naru-log".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::io("start the thread that writes", data))?;
        let segment_bytes = clamp_segment(options.segment_bytes);
        let log = Self {
            open: Batch::new(recovery.last.plus(1)),
            submitted: recovery.last,
            marked: recovery.clean,
            frame_bytes_max: usize::try_from(segment_bytes - (HEAD_BYTES + FOOT_BYTES) as u64)
                .unwrap_or(FRAME_BYTES_MAX)
                .min(FRAME_BYTES_MAX),
            batch_bytes: options.batch_bytes,
            shared,
            jobs: Some(jobs),
            writer: Some(writer),
        };
        Ok((log, recovery))
    }

    /// Adds a record to the open batch and answers its number. It is not on disk yet. An error changes nothing, so
    /// append before the state is changed, or treat an error as fatal.
    pub fn append(&mut self, record: &[u8]) -> Result<Lsn, AppendError> {
        if let Some(error) = self.shared.failed.get() {
            return Err(error.clone().into());
        }
        let bytes_max = self.record_bytes_max();
        if record.len() > bytes_max {
            return Err(AppendError::TooLarge { bytes: record.len(), bytes_max });
        }
        if self.open.frame_bytes() + RECORD_EXTRA_BYTES + record.len() > self.frame_bytes_max {
            return Err(AppendError::BatchFull);
        }
        self.marked = false;
        Ok(self.open.push(Kind::Data, record))
    }

    /// The longest record that can be appended, in bytes: what a segment, or 64 MiB, can hold.
    pub fn record_bytes_max(&self) -> usize {
        self.frame_bytes_max - HEADER_BYTES - TRAILER_BYTES - RECORD_EXTRA_BYTES
    }

    /// Hands the open batch to the writer if it is idle, and returns at once; otherwise does nothing, and is to be
    /// called again on `on_durable`. With nothing to hand over on a full disk, it has the writer look for space.
    pub fn submit(&mut self) -> Result<(), WriteError> {
        if let Some(error) = self.shared.failed.get() {
            return Err(error.clone());
        }
        if self.open.is_empty() {
            if self.is_full() && !self.shared.finding_space.swap(true, Ordering::Relaxed) {
                self.send(Job::FindSpace)?;
            }
            return Ok(());
        }
        if self.submitted > self.durable() {
            return Ok(());
        }
        let next = self.open.next();
        let mut empty = self.shared.spent.lock().take().unwrap_or_else(|| Batch::new(next));
        empty.restart(next);
        let batch = std::mem::replace(&mut self.open, empty);
        self.submitted = next.before();
        self.send(Job::Frame(batch))
    }

    /// The last record that is on disk, and all before it are.
    pub fn durable(&self) -> Lsn {
        Lsn::new(self.shared.durable.load(Ordering::Acquire))
    }

    /// Bytes that the open batch would take on disk; at most 64 MiB and what a segment holds.
    pub fn batch_bytes(&self) -> usize {
        self.open.frame_bytes()
    }

    /// Back-pressure: take no more commands until the writer has taken the open batch. Appending still works, so
    /// that a command in hand can be finished, until the batch is as long as a frame can be.
    pub fn is_batch_full(&self) -> bool {
        self.open.frame_bytes() >= self.batch_bytes
    }

    /// The disk had no space for the next segment. What is appended now still fits the one in use; refuse what makes
    /// the log grow, so that what shrinks it can be recorded. [`Log::submit`] looks for space again, and this goes
    /// back to `false` by itself. If the segment in use fills up too, the log stops with [`WriteError::Full`].
    pub fn is_full(&self) -> bool {
        self.shared.full.load(Ordering::Relaxed)
    }

    /// When idle, writes a mark that everything before is on disk, so that damage to the last frame is told from a
    /// torn one. Does nothing when there is something to write, or a mark is there already. Takes a number.
    pub fn mark(&mut self) -> Result<(), WriteError> {
        if !self.marked
            && self.open.is_empty()
            && self.submitted == self.durable()
            && self.submitted > Lsn::ZERO
        {
            self.open.push(Kind::Mark, &[]);
            self.marked = true;
        }
        self.submit()
    }

    /// Writes what is left and a mark that the log was closed, and waits for it.
    pub fn close(mut self) -> Result<(), WriteError> {
        let outcome = self.write_the_rest();
        self.join();
        match self.shared.failed.get() {
            Some(error) => Err(error.clone()),
            None => outcome,
        }
    }

    fn write_the_rest(&mut self) -> Result<(), WriteError> {
        let next = self.open.next();
        if !self.open.is_empty() {
            let batch = std::mem::replace(&mut self.open, Batch::new(next));
            self.send(Job::Frame(batch))?;
        }
        if !self.marked && next > Lsn::new(1) {
            let mut mark = Batch::new(next);
            mark.push(Kind::Mark, &[]);
            self.send(Job::Frame(mark))?;
        }
        Ok(())
    }

    /// Waits only in `close`: at most one frame is in flight and at most one request for space, so there is room.
    fn send(&self, job: Job) -> Result<(), WriteError> {
        let jobs = self.jobs.as_ref().expect("only `join` takes it, at the end");
        jobs.send(job).map_err(|_| {
            self.shared.failed.get().cloned().expect("the writer ends early only after it has said why")
        })
    }

    fn join(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && let Err(panic) = writer.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.join();
    }
}

struct Writer {
    tail: Tail,
    queue: Receiver<Job>,
    shared: Arc<Shared>,
    on_durable: OnDurable,
    /// The folder is ours until nothing is written any more.
    _lock: Box<dyn Any + Send>,
}

impl Writer {
    fn run(mut self) {
        let outcome = self.serve();
        if let Err(error) = outcome {
            let first = self.shared.failed.set(error.clone()).is_ok();
            assert!(first, "only the writer fails, and then it ends");
            (self.on_durable)(Err(error));
        }
    }

    fn serve(&mut self) -> Result<(), WriteError> {
        self.prepare_next()?;
        while let Ok(job) = self.queue.recv() {
            match job {
                Job::Frame(mut batch) => {
                    let durable = self.tail.commit(&mut batch)?;
                    *self.shared.spent.lock() = Some(batch);
                    self.shared.durable.store(durable.number(), Ordering::Release);
                    (self.on_durable)(Ok(durable));
                }
                Job::FindSpace => self.shared.finding_space.store(false, Ordering::Relaxed),
            }
            self.prepare_next()?;
        }
        Ok(())
    }

    fn prepare_next(&mut self) -> Result<(), WriteError> {
        let ready = self.tail.prepare_next()?;
        self.shared.full.store(!ready, Ordering::Relaxed);
        Ok(())
    }
}

/// Everything about opening but the thread.
pub(crate) fn open_tail(
    fs: &Arc<dyn Vfs>,
    data: &Path,
    options: Options,
    replay: &mut dyn FnMut(Lsn, &[u8]),
) -> Result<(Tail, Recovery, Box<dyn Any + Send>), OpenError> {
    let plan = SegmentPlan { bytes: clamp_segment(options.segment_bytes), salt: options.salt };
    let folder = folder::open(&**fs, data, &plan.head(1, Lsn::new(1), 0))?;
    let (tail, recovery) = recover(fs, &folder.shard, plan, replay)?;
    Ok((tail, recovery, folder.lock))
}

fn clamp_segment(bytes: u64) -> u64 {
    bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
}

/// The standard library seeds its hash maps from the operating system; the hash of nothing under such a seed is as
/// random as a salt has to be.
fn random_salt() -> u64 {
    RandomState::new().build_hasher().finish()
}
