//! What the log's owner asks of its writer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, RwLock};

use crate::batch::Batch;

/// A batch that the writer makes a frame of, while its records can be read. The writer holds it for writing only to
/// seal it.
pub(crate) type Flight = Arc<RwLock<Batch>>;

/// A frame to be written.
pub(crate) struct Frame {
    pub(crate) batch: Flight,
    /// It says that all before it is on disk, so that is to be true.
    pub(crate) is_mark: bool,
}

/// What the writer does next.
pub(crate) enum Next {
    Job(Job),
    /// The time is up.
    Due,
    /// Nothing more will be asked, and all is done.
    Closed,
}

/// One thing for the writer to do.
pub(crate) enum Job {
    Frame(Frame),
    /// What is written is wanted on disk.
    Sync,
    /// See again whether there is space for the next segment, and when a sync is due.
    Look,
}

/// What waits for the writer. Bounded: one frame is in flight at a time (two when the log is closed), and
/// everything else is a wish that is there or not.
#[derive(Default)]
pub(crate) struct Desk {
    asked: Mutex<Asked>,
    bell: Condvar,
}

#[derive(Default)]
struct Asked {
    frames: VecDeque<Frame>,
    sync: bool,
    /// A frame has gone before that sync already.
    sync_has_waited: bool,
    look: bool,
    is_closed: bool,
}

impl Desk {
    pub(crate) fn write(&self, frame: Frame) {
        self.ask(|asked| asked.frames.push_back(frame));
    }

    pub(crate) fn sync(&self) {
        self.ask(|asked| asked.sync = true);
    }

    pub(crate) fn look(&self) {
        self.ask(|asked| asked.look = true);
    }

    /// Nothing more will be asked; what was is still done.
    pub(crate) fn close(&self) {
        self.ask(|asked| asked.is_closed = true);
    }

    fn ask(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.asked.lock());
        self.bell.notify_one();
    }

    /// Waits for the next thing to do, but not beyond `deadline`: a frame first, which a sync then covers, but only one.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Next {
        let mut asked = self.asked.lock();
        loop {
            if let Some(job) = asked.take() {
                return Next::Job(job);
            }
            if asked.is_closed {
                return Next::Closed;
            }
            match deadline {
                None => self.bell.wait(&mut asked),
                Some(deadline) => {
                    if self.bell.wait_until(&mut asked, deadline).timed_out() {
                        return asked.take().map_or(Next::Due, Next::Job);
                    }
                }
            }
        }
    }
}

impl Asked {
    fn take(&mut self) -> Option<Job> {
        if !self.sync_has_waited
            && let Some(frame) = self.frames.pop_front()
        {
            self.sync_has_waited = self.sync;
            return Some(Job::Frame(frame));
        }
        self.sync_has_waited = false;
        if std::mem::take(&mut self.sync) {
            return Some(Job::Sync);
        }
        std::mem::take(&mut self.look).then_some(Job::Look)
    }
}
