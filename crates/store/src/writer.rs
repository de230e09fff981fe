//! The thread that writes.

use std::any::Any;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

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
    pub(crate) desk: Desk,
}

impl Shared {
    pub(crate) fn new(tail: &Tail) -> Self {
        Self {
            durable: AtomicU64::new(tail.durable().number()),
            is_full: AtomicBool::new(false),
            failed: OnceLock::new(),
            tail: Mutex::new(tail.head()),
            desk: Desk::default(),
        }
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
    /// The folder is ours until nothing is written any more.
    pub(crate) _lock: Box<dyn Any + Send>,
}

impl Writer {
    pub(crate) fn run(mut self) {
        let outcome = self.serve();
        if let Err(error) = outcome {
            let first = self.shared.failed.set(error.clone()).is_ok();
            assert!(first, "only the writer fails, and then it ends");
            (self.on_durable)(Err(error));
        }
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
        (self.on_durable)(Ok(durable));
        Ok(())
    }

    fn prepare_next(&mut self) -> Result<(), WriteError> {
        let ready = self.tail.prepare_next()?;
        self.shared.is_full.store(!ready, Ordering::Relaxed);
        Ok(())
    }
}
