//! The thread that writes.

use std::any::Any;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::desk::{Desk, Flight, Job};
use crate::error::WriteError;
use crate::log::OnDurable;
use crate::lsn::Lsn;
use crate::segment::SegmentHead;
use crate::tail::Tail;
use crate::vfs::Vfs;

/// What the writer lets others know.
pub(crate) struct Shared {
    durable: AtomicU64,
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
    pub(crate) fn new(tail: &Tail, lock: Box<dyn Any + Send>) -> Self {
        Self {
            durable: AtomicU64::new(tail.durable().number()),
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
            if self.durable() >= lsn {
                return Some(Ok(()));
            }
            if let Some(error) = self.failed() {
                return Some(Err(error.clone()));
            }
            if *has_ended {
                return None;
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
}

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
        while let Some(job) = self.shared.desk.next() {
            match job {
                Job::Frame(frame) => self.write(frame)?,
                Job::Remove(removal) => removal.carry_out(&*self.fs),
                Job::FindSpace => {}
            }
            self.prepare_next()?;
        }
        Ok(())
    }

    fn write(&mut self, frame: Flight) -> Result<(), WriteError> {
        let durable = self.tail.commit(&frame)?;
        // The owner takes the buffer back once it sees that it is durable.
        drop(frame);
        *self.shared.tail.lock() = self.tail.head();
        self.shared.durable.store(durable.number(), Ordering::Release);
        self.shared.ring(false);
        (self.on_durable)(Ok(durable));
        Ok(())
    }

    fn prepare_next(&mut self) -> Result<(), WriteError> {
        let ready = self.tail.prepare_next()?;
        self.shared.is_full.store(!ready, Ordering::Relaxed);
        Ok(())
    }
}
