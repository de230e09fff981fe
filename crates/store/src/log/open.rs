//! How a log is kept, and how it is opened.

use std::any::Any;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Log, OnDurable};
use crate::address::Address;
use crate::batch::Batch;
use crate::checkpointing::{Checkpointer, Queue};
use crate::error::OpenError;
use crate::folder;
use crate::frame::FRAME_BYTES_MAX;
use crate::level::Level;
use crate::lsn::Lsn;
use crate::recovery::{Load, Recovered, Recovery, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, recover};
use crate::segment::{FOOT_BYTES, HEAD_BYTES};
use crate::segments::{Live, Segments};
use crate::tail::SegmentPlan;
use crate::vfs::Vfs;
use crate::writer::{Shared, Writer, WriterThread};

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of a new segment file; taken as 8 KiB to 1 GiB. Segments that exist keep theirs.
    pub segment_bytes: u64,
    /// Bytes of the file that keeps space for what must be recorded on a full disk; taken as 8 KiB to `segment_bytes`.
    pub reserve_bytes: u64,
    /// Bytes in the open batch from which [`Log::is_batch_full`] asks the caller to take no more commands.
    pub batch_bytes: usize,
    /// When a record counts as durable; [`Log::set_level`] changes it.
    pub level: Level,
    /// The log is never opened again, so segments go as soon as nothing in them is live, without checkpoints.
    pub ends_with_process: bool,
    /// Where the random number in each segment's head comes from, which tells its frames from all others.
    pub salt: fn() -> u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            reserve_bytes: 16 * 1024 * 1024,
            batch_bytes: 1024 * 1024,
            level: Level::Always,
            ends_with_process: false,
            salt: random_salt,
        }
    }
}

impl Options {
    /// For a log over [`crate::MemoryFs`].
    pub fn in_memory() -> Self {
        Self { level: Level::No, ends_with_process: true, ..Self::default() }
    }

    pub(crate) fn plan(&self) -> SegmentPlan {
        let bytes = clamp_segment(self.segment_bytes);
        let reserve_bytes = self.reserve_bytes.clamp(SEGMENT_BYTES_MIN, bytes);
        SegmentPlan { bytes, reserve_bytes, salt: self.salt }
    }
}

impl Log {
    /// Opens the log in a data folder, or makes one, and takes the folder for this process. Hands the newest
    /// checkpoint that is whole and every record behind it to `load` before it returns; after an error, what was
    /// loaded is to be thrown away.
    ///
    /// Worth a warning in the caller's log: [`Recovery::torn`] and [`Recovery::damaged_checkpoints`].
    pub fn open(
        fs: Arc<dyn Vfs>,
        data: &Path,
        options: Options,
        on_durable: OnDurable,
        load: &mut dyn Load,
    ) -> Result<(Self, Recovery), OpenError> {
        let (recovered, lock) = open_tail(&fs, data, options, load)?;
        Self::go_on(fs, data, options, on_durable, recovered, lock)
    }

    /// A log in a new folder that does not open before [`folder::finish`].
    pub(crate) fn open_to_fill(
        fs: Arc<dyn Vfs>,
        data: &Path,
        options: Options,
        on_durable: OnDurable,
    ) -> Result<Self, OpenError> {
        let folder = folder::open_to_fill(&*fs, data, &options.plan().first_head())?;
        let recovered = recover(&fs, &folder.shard, options.plan(), &mut Nothing)?;
        Ok(Self::go_on(fs, data, options, on_durable, recovered, folder.lock)?.0)
    }

    /// Goes on with what was recovered.
    fn go_on(
        fs: Arc<dyn Vfs>,
        data: &Path,
        options: Options,
        on_durable: OnDurable,
        recovered: Recovered,
        lock: Box<dyn Any + Send>,
    ) -> Result<(Self, Recovery), OpenError> {
        let Recovered { tail, recovery, segments, checkpoints } = recovered;
        let shared = Arc::new(Shared::new(&tail, options.level, lock));
        let end = tail.end();
        let shard = tail.shard().to_owned();
        let checkpointing = Arc::new(Queue::default());
        let writer = Arc::new(Mutex::new(Writer::new(tail, shared.clone())));
        let mut log = Self {
            open: Batch::new(end, recovery.last.plus(1)),
            open_live: Live::default(),
            flight: None,
            submitted: recovery.last,
            marked: recovery.clean,
            frame_bytes_max: usize::try_from(
                clamp_segment(options.segment_bytes) - (HEAD_BYTES + FOOT_BYTES) as u64,
            )
            .unwrap_or(FRAME_BYTES_MAX)
            .min(FRAME_BYTES_MAX),
            batch_bytes: options.batch_bytes,
            segments: Segments::new(fs.clone(), shard.clone(), segments),
            checkpoints,
            checkpointed: None,
            checkpointing: checkpointing.clone(),
            is_counted: false,
            kept: Arc::default(),
            fs: fs.clone(),
            shard: shard.clone(),
            ends_with_process: options.ends_with_process,
            shared: shared.clone(),
            writer: writer.clone(),
            threads: Vec::new(),
        };
        let writer = WriterThread { writer, shared: shared.clone(), on_durable };
        let checkpointer = Checkpointer { fs, shard, salt: options.salt, queue: checkpointing, shared };
        log.start("naru-log", data, move || writer.run())?;
        log.start("naru-checkpoint", data, move || checkpointer.run())?;
        Ok((log, recovery))
    }

    fn start(
        &mut self,
        name: &str,
        data: &Path,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), OpenError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(OpenError::io("start a thread that writes", data))?;
        self.threads.push(thread);
        Ok(())
    }
}

/// Everything about opening but the threads.
pub(crate) fn open_tail(
    fs: &Arc<dyn Vfs>,
    data: &Path,
    options: Options,
    load: &mut dyn Load,
) -> Result<(Recovered, Box<dyn Any + Send>), OpenError> {
    let plan = options.plan();
    let folder = folder::open(&**fs, data, &plan.first_head())?;
    let recovered = recover(fs, &folder.shard, plan, load)?;
    Ok((recovered, folder.lock))
}

/// What is in a log that has just been made.
struct Nothing;

impl Load for Nothing {
    fn piece(&mut self, _: &[u8]) {}

    fn record(&mut self, _: Lsn, _: Address, _: &[u8]) {}
}

fn clamp_segment(bytes: u64) -> u64 {
    bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
}

/// The standard library seeds its hash maps from the operating system; the hash of nothing under such a seed is as
/// random as a salt has to be.
fn random_salt() -> u64 {
    RandomState::new().build_hasher().finish()
}
