//! Pushing a span of a log.

use naru_ledger::{Conversation, Seq, op::From};

use super::Session;
use crate::{
    limits::{REPLAY_BYTES_MAX, REPLAY_ENTRIES_MAX},
    protocol::data::MarkData,
    sabotage,
    session::inbox::Trouble,
};

impl Session {
    /// Pushes what a log has after `at` and up to `through`; `at` goes along. `passes` is told of each entry's number before it is
    /// pushed. Where there is nothing any more, that is said.
    pub(super) async fn replay_span(
        &self,
        conversation: &Conversation,
        at: &mut Seq,
        through: Seq,
        mut passes: impl FnMut(Seq),
    ) -> Result<(), Trouble> {
        while *at < through {
            self.drained().await;
            let entries_max = usize::try_from(through.0 - at.0).unwrap_or(usize::MAX).min(REPLAY_ENTRIES_MAX);
            let piece = self.piece(conversation, From::After(*at), entries_max, REPLAY_BYTES_MAX).await?;
            let is_end = !piece.more;
            if piece.trimmed > *at {
                *at = piece.trimmed.min(through);
                self.push_trimmed(conversation, *at, &mut passes);
            }
            for entry in piece.entries {
                if entry.seq > through {
                    *at = through;
                    break;
                }
                *at = entry.seq;
                passes(entry.seq);
                if !sabotage::is_due("skip-replayed") {
                    self.push_entry(&entry);
                }
            }
            if is_end && *at < through {
                // A failover has lost the end of the log.
                *at = through;
                self.push_trimmed(conversation, *at, &mut passes);
            }
        }
        Ok(())
    }

    fn push_trimmed(&self, conversation: &Conversation, through: Seq, passes: &mut impl FnMut(Seq)) {
        passes(through);
        self.push(MarkData::trimmed(conversation, through));
    }
}
