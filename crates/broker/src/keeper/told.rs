use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use naru_fanout::{CoreId, Directory};
use naru_store::{Lsn, WriteError};
use tokio::sync::watch;

use crate::wire::{Mail, Resp};

/// Whom the log tells that more is durable: who took the last turn, a core or the keeper's thread. So a core that does jobs
/// itself hears of them without the thread in between.
///
/// Who takes a turn says so before it looks at what is durable, and the log looks here after it has made more durable.
/// Both write what they look at, so one comes after the other and sees what the other did: nothing is missed.
pub(super) struct Told {
    /// One more than the core's number, or none for the keeper's thread.
    core: AtomicUsize,
    /// None before there are cores.
    directory: OnceLock<Arc<Directory<Resp>>>,
    keeper: watch::Sender<Result<Lsn, WriteError>>,
}

impl Told {
    /// The keeper's thread, by `keeper`.
    pub(super) fn new(keeper: watch::Sender<Result<Lsn, WriteError>>) -> Told {
        Told { core: AtomicUsize::new(0), directory: OnceLock::new(), keeper }
    }

    /// From here on cores can be told.
    pub(super) fn begin(&self, directory: Arc<Directory<Resp>>) {
        // It begins once.
        let _ = self.directory.set(directory);
    }

    /// From here on it is this core, or the keeper's thread. To be called in a turn, before it looks at what is durable.
    pub(super) fn is(&self, core: Option<CoreId>) {
        self.core.swap(core.map_or(0, |core| core.0 + 1), Ordering::AcqRel);
    }

    /// Called by the log. A failure is for the keeper's thread, which ends with it.
    pub(super) fn tell(&self, durable: Result<Lsn, WriteError>) {
        // Writes what it reads.
        let core = self.core.fetch_add(0, Ordering::AcqRel).checked_sub(1);
        match (core, self.directory.get()) {
            (Some(core), Some(directory)) if durable.is_ok() => directory.send(CoreId(core), Mail::Recorded),
            _ => drop(self.keeper.send_replace(durable)),
        }
    }
}
