//! Checkpoints while the log runs: pieces from the owner, a thread that writes them. It also unlinks segments, which may
//! take long, and no frame is to wait for.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::checkpoint::{CheckpointFile, PIECE_BYTES_MAX};
use crate::error::WriteError;
use crate::lsn::Lsn;
use crate::segments::Removal;
use crate::vfs::Vfs;
use crate::writer::Shared;

/// Bytes that wait to be written, from which [`Checkpoint::has_room`] asks for patience.
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A checkpoint that is being made. Dropped before [`crate::Log::finish_checkpoint`], it is as if it had never been
/// begun.
pub struct Checkpoint {
    lsn: Lsn,
    queue: Arc<Queue>,
    is_finished: bool,
}

impl Checkpoint {
    /// The record at which it began: replay goes on behind it.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Whether a piece can be pushed now. If not, go on with something else; some 4 MiB wait to be written.
    pub fn has_room(&self) -> bool {
        self.queue.work.lock().bytes < QUEUE_BYTES_MAX
    }

    /// Adds a piece of what its owner knows, which must not know of records that are not appended yet. Never waits.
    ///
    /// # Panics
    ///
    /// With an empty piece, or one of more than [`Checkpoint::piece_bytes_max`].
    pub fn push(&mut self, piece: Vec<u8>) {
        self.queue.ask(Step::Piece(bounded(piece)));
    }

    /// As [`Checkpoint::push`], for pieces that take long to make: the thread that writes them makes them, handing each to
    /// what it is given, until that says that no more are wanted: writing has failed, or the log is being closed. They
    /// count as so many bytes until they are made.
    pub fn push_made(
        &mut self,
        bytes: usize,
        make: impl FnOnce(&mut dyn FnMut(Vec<u8>) -> ControlFlow<()>) + Send + 'static,
    ) {
        self.queue.ask(Step::Make(bytes, Box::new(make)));
    }

    /// The longest piece in bytes. Good ones have 64 KiB or so.
    pub const fn piece_bytes_max() -> usize {
        PIECE_BYTES_MAX
    }

    /// Whether writing it has failed, so that more pieces are of no use. Finishing it says why.
    pub fn has_failed(&self) -> bool {
        self.queue.work.lock().has_failed
    }

    pub(crate) fn finish(mut self, end: Lsn) {
        self.is_finished = true;
        self.queue.ask(Step::Finish { end });
    }
}

fn bounded(piece: Vec<u8>) -> Vec<u8> {
    assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES_MAX, "a piece has bytes and a bound");
    piece
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        if !self.is_finished {
            self.queue.ask(Step::Abandon);
        }
    }
}

/// Between the owner and the thread.
#[derive(Default)]
pub(crate) struct Queue {
    work: Mutex<Work>,
    bell: Condvar,
}

#[derive(Default)]
struct Work {
    /// Bounded by `bytes`, as far as the owner asks `has_room`.
    steps: VecDeque<Step>,
    /// Of the steps that wait, and of the one that is being done.
    bytes: usize,
    is_underway: bool,
    has_failed: bool,
    is_closed: bool,
    outcome: Option<Result<Lsn, WriteError>>,
}

enum Step {
    Begin {
        lsn: Lsn,
        keep: Option<Lsn>,
    },
    Piece(Vec<u8>),
    /// Pieces that are still to be made.
    Make(usize, Box<Make>),
    Finish {
        end: Lsn,
    },
    Abandon,
    /// A dead segment goes.
    Remove(Removal),
}

type Make = dyn FnOnce(&mut dyn FnMut(Vec<u8>) -> ControlFlow<()>) + Send;

impl Step {
    /// What it counts while it waits.
    fn bytes(&self) -> usize {
        match self {
            Step::Piece(piece) => piece.len(),
            Step::Make(bytes, _) => *bytes,
            Step::Begin { .. } | Step::Finish { .. } | Step::Abandon | Step::Remove(_) => 0,
        }
    }
}

impl Queue {
    /// Begins one, unless one is under way. `keep`: the newest that is whole.
    pub(crate) fn begin(self: &Arc<Self>, lsn: Lsn, keep: Option<Lsn>) -> Option<Checkpoint> {
        {
            let mut work = self.work.lock();
            if work.is_underway || work.outcome.is_some() {
                return None;
            }
            (work.is_underway, work.has_failed) = (true, false);
        }
        self.ask(Step::Begin { lsn, keep });
        Some(Checkpoint { lsn, queue: self.clone(), is_finished: false })
    }

    /// What became of the one that was finished last; said once.
    pub(crate) fn outcome(&self) -> Option<Result<Lsn, WriteError>> {
        self.work.lock().outcome.take()
    }

    /// Whether there is one that is neither done nor abandoned.
    pub(crate) fn is_underway(&self) -> bool {
        self.work.lock().is_underway
    }

    /// Has these unlinked, one after the other.
    pub(crate) fn remove(&self, removals: Vec<Removal>) {
        removals.into_iter().for_each(|removal| self.ask(Step::Remove(removal)));
    }

    /// What was asked to be finished is still done, unless there are pieces to be made, which may take long; all else is
    /// abandoned.
    pub(crate) fn close(&self) {
        self.work.lock().is_closed = true;
        self.bell.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.work.lock().is_closed
    }

    fn ask(&self, step: Step) {
        let mut work = self.work.lock();
        work.bytes += step.bytes();
        work.steps.push_back(step);
        self.bell.notify_one();
    }

    fn next(&self) -> Option<Step> {
        let mut work = self.work.lock();
        loop {
            if let Some(step) = work.steps.pop_front() {
                return Some(step);
            }
            if work.is_closed {
                return None;
            }
            self.bell.wait(&mut work);
        }
    }

    fn end(&self, outcome: Option<Result<Lsn, WriteError>>) {
        let mut work = self.work.lock();
        work.is_underway = false;
        work.outcome = outcome;
    }
}

/// The thread that writes checkpoints.
pub(crate) struct Checkpointer {
    pub(crate) fs: Arc<dyn Vfs>,
    pub(crate) shard: PathBuf,
    pub(crate) salt: fn() -> u64,
    pub(crate) queue: Arc<Queue>,
    pub(crate) shared: Arc<Shared>,
}

/// The checkpoint that is being written.
struct Current {
    lsn: Lsn,
    keep: Option<Lsn>,
    file: Result<CheckpointFile, WriteError>,
}

impl Checkpointer {
    pub(crate) fn run(self) {
        let mut current: Option<Current> = None;
        while let Some(step) = self.queue.next() {
            let bytes = step.bytes();
            match (step, current.take()) {
                (Step::Begin { lsn, keep }, _) => {
                    let file = CheckpointFile::create(&self.fs, &self.shard, lsn, (self.salt)());
                    current = Some(self.watch(Current { lsn, keep, file }));
                }
                (Step::Piece(piece), Some(mut now)) => {
                    now.push(&piece);
                    current = Some(self.watch(now));
                }
                (Step::Make(_, make), Some(mut now)) => {
                    if now.file.is_ok() && !self.queue.is_closed() {
                        make(&mut |piece| {
                            now.push(&bounded(piece));
                            let is_wanted = now.file.is_ok() && !self.queue.is_closed();
                            if is_wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                        });
                    }
                    if self.queue.is_closed() {
                        // Whoever ends the process does not wait for it.
                        now.file.into_iter().for_each(CheckpointFile::abandon);
                    } else {
                        current = Some(self.watch(now));
                    }
                }
                (Step::Remove(removal), now) => {
                    removal.carry_out(&*self.fs);
                    self.shared.desk.look();
                    current = now;
                }
                (Step::Finish { end }, Some(now)) => self.finish(now, end),
                (Step::Abandon, Some(now)) => {
                    now.file.into_iter().for_each(CheckpointFile::abandon);
                    self.queue.end(None);
                }
                // It was given up, since the log is being closed.
                (Step::Piece(_) | Step::Make(..), None) => {}
                (Step::Finish { .. } | Step::Abandon, None) => self.queue.end(None),
            }
            self.queue.work.lock().bytes -= bytes;
        }
        if let Some(now) = current {
            now.file.into_iter().for_each(CheckpointFile::abandon);
        }
    }

    fn watch(&self, current: Current) -> Current {
        if current.file.is_err() {
            self.queue.work.lock().has_failed = true;
        }
        current
    }

    fn finish(&self, mut now: Current, end: Lsn) {
        if let Ok(file) = &mut now.file
            && let Err(error) = file.finish(end)
        {
            now.fail(error);
        }
        let outcome = now.file.and_then(|file| match self.shared.wait_until_synced(end) {
            Some(Ok(())) => file.publish(now.keep).map(Some),
            Some(Err(error)) => {
                file.abandon();
                Err(error)
            }
            None => {
                file.abandon();
                Ok(None)
            }
        });
        self.queue.end(outcome.map(|published| published.map(|()| now.lsn)).transpose());
    }
}

impl Current {
    fn push(&mut self, piece: &[u8]) {
        if let Ok(file) = &mut self.file
            && let Err(error) = file.push(piece)
        {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: WriteError) {
        if let Ok(file) = std::mem::replace(&mut self.file, Err(error)) {
            file.abandon();
        }
    }
}
