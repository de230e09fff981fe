//! What counts as durable, and what is to be noted before and after: below `always` a power cut takes numbers back that were
//! answered, so the ledger must not go on with the same ones.
//!
//! Before anything counts that is not synced, the log has a record that says so and is; and when all is synced again, or the
//! log is closed, one that says that. A start that finds the first without the second raises the ledger's generation, and that is
//! on disk, too, before anything counts at a weaker level. (A record is found only if all before it are there.)

use naru_ledger::Generation;
use naru_store::Level;

use super::{
    held::Until,
    store::{Store, StoreError},
};
use crate::ledger::LedgerChange;

impl Store {
    /// Notes how the last life ended, once what is stored is taken back in.
    pub(super) fn begin_life(&mut self) -> Result<(), StoreError> {
        if !self.ledger.head().is_weakened {
            return Ok(());
        }
        let generation = self.raise_generation()?;
        tracing::warn!(
            %generation,
            "the last run was not ended in order; with appendfsync everysec or no the newest records may be missing, so the \
             numbers of messages jump ahead"
        );
        if self.config.sync_level() == Level::Always { self.rest() } else { Ok(()) }
    }

    /// The newest records may be missing. From here on no number is given that may have been given then.
    pub(super) fn raise_generation(&mut self) -> Result<Generation, StoreError> {
        let generation = self.ledger.head().generation.next(self.ledger_now());
        self.change_ledger(vec![LedgerChange::Raised(generation)])?;
        self.noted = self.journal.last_added();
        Ok(generation)
    }

    /// Has the log go over to the level that is asked for now; to a weaker one once what is to be noted before is on disk.
    pub(super) fn follow_level(&mut self) -> Result<(), StoreError> {
        let wanted = self.config.sync_level();
        if wanted != Level::Always && self.outlives_process && !self.ledger.head().is_weakened {
            self.change_ledger(vec![LedgerChange::Weakened])?;
            self.noted = self.journal.last_added();
        }
        let log = self.journal.log();
        let level = if self.noted > log.synced() { Level::Always } else { wanted };
        if level != log.level() {
            log.set_level(level);
        }
        if wanted == Level::Always { self.rest() } else { Ok(()) }
    }

    /// What an append's answer waits for, so that it survives what was asked for, and what that comes to here. There is no
    /// other machine. Where everything is synced before it counts nothing is answered sooner; and where nothing outlives
    /// the process there is nothing to wait for.
    pub(super) fn promise(&mut self, level: &mut naru_ledger::Level) -> Until {
        use naru_ledger::Level::{Fsync, Memory};

        *level = (*level).min(Fsync);
        if !self.outlives_process {
            return Until::Counts;
        }
        if *level == Memory && self.journal.log().level() != Level::Always {
            return Until::Counts;
        }
        *level = Fsync;
        Until::Synced
    }

    /// Notes that all before is synced once this is: from here on everything is before it counts, or nothing comes.
    pub(super) fn rest(&mut self) -> Result<(), StoreError> {
        if self.ledger.head().is_weakened { self.change_ledger(vec![LedgerChange::Rested]) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
