//! The log as its owner sees it; `open` says how it is kept and begins it, `checkpoints` has what is made of it beside its
//! frames.

mod checkpoints;
mod open;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::address::Address;
use crate::batch::Batch;
use crate::checkpointing::Queue;
use crate::desk::{Flight, Frame};
use crate::error::{AppendError, Damage, ReadError, WriteError};
use crate::frame::{HEADER_BYTES, Kind, RECORD_EXTRA_BYTES, TRAILER_BYTES};
use crate::level::Level;
use crate::lsn::Lsn;
use crate::segments::{Hold, Live, Sealed, Segments};
use crate::vfs::Vfs;
use crate::writer::{Shared, Writer};

pub use open::Options;
#[cfg(test)]
pub(crate) use open::open_tail;

/// Told from the writer's thread: a record's number when it and all before it count as durable, and again when they are synced
/// because that was asked for; or once that the log has stopped; not what [`Log::submit_and_wait`] did and says itself. Nothing is
/// written while it runs, so it does little: wakes the log's owner, or submits what has gathered.
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
    /// Bytes of the open batch that are live.
    open_live: Live,
    /// The frame handed to the writer last; it stays readable until the next one.
    flight: Option<InFlight>,
    /// The last record handed to the writer: above `durable` while a frame is in flight.
    submitted: Lsn,
    /// Whether the last record submitted was a mark.
    marked: bool,
    frame_bytes_max: usize,
    batch_bytes: usize,
    segments: Segments,
    /// The checkpoints that a start can use, newest last; at most two.
    checkpoints: Vec<Lsn>,
    /// What became of the last one, until the owner asks.
    checkpointed: Option<Result<Lsn, WriteError>>,
    checkpointing: Arc<Queue>,
    /// The owner has counted all that is live.
    is_counted: bool,
    /// Held also by backups, for which every segment is kept.
    kept: Arc<()>,
    fs: Arc<dyn Vfs>,
    shard: PathBuf,
    ends_with_process: bool,
    shared: Arc<Shared>,
    writer: Arc<Mutex<Writer>>,
    /// The writer's thread, and the one that writes checkpoints.
    threads: Vec<JoinHandle<()>>,
}

/// A frame whose segment is not known yet.
struct InFlight {
    frame: Flight,
    base: Address,
    live: Live,
}

impl Log {
    /// Adds a record to the open batch and answers its number, and the address of its first byte. It is not on disk
    /// yet, but can be read. An error changes nothing, so append before the state is changed, or treat an error as
    /// fatal.
    pub fn append(&mut self, record: &[u8]) -> Result<(Lsn, Address), AppendError> {
        if let Some(error) = self.shared.failed() {
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

    /// The address that the next record's first byte will have.
    pub fn next_address(&self) -> Address {
        self.open.next_address()
    }

    /// The longest record that can be appended, in bytes: what a segment, or 64 MiB, can hold.
    pub fn record_bytes_max(&self) -> usize {
        self.frame_bytes_max - HEADER_BYTES - TRAILER_BYTES - RECORD_EXTRA_BYTES
    }

    /// Fills the buffer with the bytes of a record that stand there, wherever they are: in the open batch, in the
    /// frame in flight, or in a file. They are not checked: whoever needs to know keeps a checksum in the record.
    pub fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), ReadError> {
        let absent = ReadError::Absent { address, bytes: buffer.len() };
        if address >= self.open.base() {
            buffer.copy_from_slice(self.open.get(address, buffer.len()).ok_or(absent)?);
            return Ok(());
        }
        match &self.flight {
            Some(flight) if address >= flight.base => {
                let frame = flight.frame.read();
                buffer.copy_from_slice(frame.get(address, buffer.len()).ok_or(absent)?);
                Ok(())
            }
            _ => self.segments.read(address, buffer),
        }
    }

    /// Notes that the owner needs these bytes, and for how long. A segment with such bytes is kept until they are all counted
    /// as dead.
    ///
    /// An error is for those who count again what they knew before a restart: the bytes are gone, and going on would
    /// pass that over.
    pub fn count_live(&mut self, address: Address, bytes: u64, hold: Hold) -> Result<(), Damage> {
        match self.count_in_memory(address) {
            Some(live) => *live.of(hold) += bytes,
            None => self.segments.count_live(address, bytes, hold)?,
        }
        Ok(())
    }

    /// Notes that the owner does not need these bytes any more, which it has counted as live and held so. To be
    /// called after the record that makes them dead was appended: until that is on disk, they are kept.
    pub fn count_dead(&mut self, address: Address, bytes: u64, hold: Hold) {
        let now = self.last();
        match self.count_in_memory(address) {
            Some(live) => {
                let live = live.of(hold);
                *live = live.saturating_sub(bytes);
            }
            None => self.segments.count_dead(address, bytes, hold, now),
        }
    }

    /// As [`Self::count_dead`] for everything that is held loosely. To be called before the record that makes it dead is
    /// appended.
    pub fn count_loose_dead(&mut self) {
        let now = self.open.next();
        self.open_live.loose = 0;
        if let Some(flight) = &mut self.flight {
            flight.live.loose = 0;
        }
        self.segments.count_loose_dead(now);
    }

    fn count_in_memory(&mut self, address: Address) -> Option<&mut Live> {
        if address >= self.open.base() {
            return Some(&mut self.open_live);
        }
        self.flight.as_mut().filter(|flight| address >= flight.base).map(|flight| &mut flight.live)
    }

    /// All that is live is counted: from now on [`Log::submit`] has segments unlinked that are sealed, hold nothing
    /// live, and are not needed to open the log again. The thread of the checkpoints does it, and the space returns at
    /// once.
    pub fn reclaim(&mut self) {
        self.is_counted = true;
    }

    /// The sealed segments, oldest first: those with little that is live are worth emptying.
    pub fn sealed(&self) -> impl Iterator<Item = Sealed> + '_ {
        self.segments.sealed()
    }

    /// Bytes that the segment files take, apart from what is ready for later.
    pub fn file_bytes(&self) -> u64 {
        self.segments.file_bytes()
    }

    /// As [`Log::submit`], for an owner that has little else to do: what is soon written is written and, at
    /// [`Level::Always`], synced before this returns, so that it counts without `on_durable`.
    pub fn submit_and_wait(&mut self) -> Result<(), WriteError> {
        let Some(frame) = self.next_frame()? else { return Ok(()) };
        match self.writer.try_lock() {
            Some(mut writer) if writer.is_little(&frame) => writer.write_here(frame),
            _ => {
                self.shared.desk.write(frame);
                Ok(())
            }
        }
    }

    /// Hands the open batch to the writer if it is idle, and returns at once; otherwise does nothing, and is to be
    /// called again on `on_durable`. With nothing to hand over on a full disk, it has the writer look for space.
    pub fn submit(&mut self) -> Result<(), WriteError> {
        if let Some(frame) = self.next_frame()? {
            self.shared.desk.write(frame);
        }
        Ok(())
    }

    /// What is to be written now, if anything is; and what else can be done about the files is.
    fn next_frame(&mut self) -> Result<Option<Frame>, WriteError> {
        if let Some(error) = self.shared.failed() {
            return Err(error.clone());
        }
        self.note_checkpoint();
        if self.is_counted && Arc::strong_count(&self.kept) == 1 {
            let synced = if self.ends_with_process { self.durable() } else { self.synced() };
            let dead = self.segments.take_dead(self.replayed_from(), synced);
            if !dead.is_empty() {
                self.checkpointing.remove(dead);
            }
        }
        if self.open.is_empty() {
            if self.is_full() {
                self.shared.desk.look();
            }
            return Ok(None);
        }
        let is_writing = self.submitted > self.durable();
        Ok((!is_writing).then(|| self.take_off()))
    }

    /// Makes the open batch the frame in flight. None is in flight now.
    fn take_off(&mut self) -> Frame {
        let spent = self.settle();
        let (end, next) = (self.open.end(), self.open.next());
        let mut empty = spent.unwrap_or_else(|| Batch::new(end, next));
        empty.restart(end, next);
        let base = self.open.base();
        let frame = Arc::new(RwLock::new(std::mem::replace(&mut self.open, empty)));
        self.submitted = next.before();
        let live = std::mem::take(&mut self.open_live);
        self.flight = Some(InFlight { frame: frame.clone(), base, live });
        let is_mark = self.marked;
        Frame { batch: frame, is_mark }
    }

    /// Takes note of where the last frame went, now that it is written, and answers its buffer.
    fn settle(&mut self) -> Option<Batch> {
        let InFlight { frame, live, .. } = self.flight.take()?;
        let now = self.last();
        self.segments.written(self.shared.tail(), self.open.base(), live, now);
        Arc::into_inner(frame).map(RwLock::into_inner)
    }

    /// The last record that may be acknowledged, as all before it may: at [`Level::Always`] what is on disk, at the
    /// others what the operating system has, and would write if this process died now. Never goes back, so what
    /// counted at a weaker level still does at a stricter one, while [`Log::synced`] comes after.
    pub fn durable(&self) -> Lsn {
        self.shared.durable()
    }

    /// The last record that is on disk, and all before it are, whatever the level.
    pub fn synced(&self) -> Lsn {
        self.shared.synced()
    }

    /// How often was synced since the log was opened, and how long all of that took; not at the ends of segments.
    pub fn syncs(&self) -> (u64, Duration) {
        self.shared.syncs()
    }

    /// Has what counts already synced, whatever the level; `on_durable` is told when it is, though no more counts than before.
    pub fn sync(&self) {
        self.shared.desk.sync();
    }

    /// When a record counts as durable.
    pub fn level(&self) -> Level {
        self.shared.level()
    }

    /// Changes when a record counts, from the next frame on. What was written before is synced at once.
    pub fn set_level(&mut self, level: Level) {
        self.shared.set_level(level);
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

    /// The disk had no space for the next segment. What is appended now still fits the one in use and the reserve
    /// behind it; refuse what makes the log grow, so that what shrinks it can be recorded. [`Log::submit`] looks for
    /// space again, and this goes back to `false` by itself. If the reserve fills up too, the log stops with
    /// [`WriteError::Full`].
    pub fn is_full(&self) -> bool {
        self.shared.is_full()
    }

    /// When idle, writes a mark that everything before is on disk, so that damage to the last frame is told from a
    /// torn one. Does nothing when there is something to write, or a mark is there already, or at [`Level::No`]. Takes
    /// a number.
    pub fn mark(&mut self) -> Result<(), WriteError> {
        if !self.marked
            && self.level() != Level::No
            && self.open.is_empty()
            && self.submitted == self.durable()
            && self.submitted > Lsn::ZERO
        {
            self.open.push(Kind::Mark, &[]);
            self.marked = true;
        }
        self.submit()
    }

    /// As [`Log::mark`], also where the last record is a mark: so that there can be another checkpoint, though nothing was
    /// appended since the last.
    pub fn mark_again(&mut self) -> Result<(), WriteError> {
        self.marked = false;
        self.mark()
    }

    /// The last record appended.
    pub fn last(&self) -> Lsn {
        self.open.next().before()
    }

    /// Writes what is left and a mark that the log was closed, and waits for it.
    pub fn close(mut self) -> Result<(), WriteError> {
        let (end, next) = (self.open.end(), self.open.next());
        if !self.open.is_empty() {
            let rest = std::mem::replace(&mut self.open, Batch::new(end, next));
            self.shared.desk.write(Frame { batch: Arc::new(RwLock::new(rest)), is_mark: false });
        }
        if !self.marked && next > Lsn::new(1) {
            let mut mark = Batch::new(self.open.base(), next);
            mark.push(Kind::Mark, &[]);
            self.shared.desk.write(Frame { batch: Arc::new(RwLock::new(mark)), is_mark: true });
        }
        self.join();
        match self.shared.failed() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn join(&mut self) {
        self.shared.desk.close();
        self.checkpointing.close();
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join()
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.join();
    }
}
