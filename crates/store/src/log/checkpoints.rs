//! What is made of a log while it goes on: checkpoints, which say from where it is kept, and backups.

use super::Log;
use crate::backup::Backup;
use crate::checkpointing::Checkpoint;
use crate::error::WriteError;
use crate::lsn::Lsn;

impl Log {
    /// Begins a checkpoint: what the owner knows, written while the log goes on, so that a start need not replay what
    /// is before it. `None` while another is under way, or nothing was appended since the last.
    ///
    /// ```text
    /// begin → between turns, while has_room: push what changed nothing since, each piece with the record it is true
    /// at → finish → later, checkpoint_outcome
    /// ```
    ///
    /// It is taken at the last record appended, and the owner goes on changing while it pushes: at the start, records
    /// behind [`Checkpoint::lsn`] are replayed on top of pieces that may know some of them already.
    pub fn begin_checkpoint(&mut self) -> Option<Checkpoint> {
        self.note_checkpoint();
        let lsn = self.last();
        let newest = self.checkpoints.last().copied();
        if self.checkpointed.is_some() || lsn == newest.unwrap_or(Lsn::ZERO) {
            return None;
        }
        self.checkpointing.begin(lsn, newest)
    }

    /// All pieces are pushed. The checkpoint counts once it and every record appended so far are on disk; then all but
    /// the newest two are removed, and the log is kept back to the older of them.
    pub fn finish_checkpoint(&mut self, checkpoint: Checkpoint) {
        checkpoint.finish(self.last());
    }

    /// What became of the checkpoint that was finished last, said once. An error is no danger: the log goes on, is
    /// kept back to the checkpoints before, and another can be begun.
    pub fn checkpoint_outcome(&mut self) -> Option<Result<Lsn, WriteError>> {
        self.note_checkpoint();
        self.checkpointed.take()
    }

    /// Whether a checkpoint is neither done nor given up.
    pub fn is_checkpointing(&self) -> bool {
        self.checkpointing.is_underway()
    }

    /// The newest checkpoint that is on disk, or [`Lsn::ZERO`]: a start replays what is behind it.
    pub fn newest_checkpoint(&self) -> Lsn {
        self.checkpoints.last().copied().unwrap_or(Lsn::ZERO)
    }

    /// Bytes of the files of sealed segments that hold nothing live and would be unlinked were there two checkpoints behind them.
    pub fn awaiting_checkpoints(&self) -> u64 {
        self.segments.dead_behind(self.replayed_from())
    }

    /// Begins a copy of all that is durable by now. [`Backup::run`] makes it, on another thread.
    pub fn begin_backup(&mut self) -> Backup {
        // Before the tail is looked at: what is durable then is in it or before it.
        let last = self.durable();
        let mut segments = self.segments.heads();
        // With the segment of the frame in flight, if it is written: it is not known here before the next one.
        let tail = self.shared.tail();
        if segments.last().is_none_or(|last| last.number < tail.number) {
            segments.push(tail);
        }
        Backup {
            fs: self.fs.clone(),
            shard: self.shard.clone(),
            checkpoint: self.checkpoints.last().copied(),
            segments,
            last,
            shared: self.shared.clone(),
            _kept: self.kept.clone(),
        }
    }

    /// As if there were two checkpoints at this record.
    #[cfg(test)]
    pub(crate) fn replay_from(&mut self, lsn: Lsn) {
        self.checkpoints = vec![lsn, lsn];
        self.segments.look_again();
    }

    pub(super) fn note_checkpoint(&mut self) {
        let Some(outcome) = self.checkpointing.outcome() else { return };
        if let Ok(lsn) = outcome {
            self.checkpoints.push(lsn);
            let surplus = self.checkpoints.len().saturating_sub(2);
            self.checkpoints.drain(..surplus);
            self.segments.look_again();
        }
        self.checkpointed = Some(outcome);
    }

    /// Records up to here are in both checkpoints. With one checkpoint all records are kept, since it may be damaged
    /// one day.
    pub(super) fn replayed_from(&self) -> Lsn {
        match self.checkpoints[..] {
            _ if self.ends_with_process => self.durable(),
            [older, _] => older,
            _ => Lsn::ZERO,
        }
    }
}
