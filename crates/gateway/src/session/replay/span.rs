//! Pushing a span of a log.

use naru_ledger::{
    Conversation, Seq,
    answer::{Entry, Page},
    op::From,
};

use super::Session;
use crate::{
    limits::{REPLAY_BYTES_MAX, REPLAY_ENTRIES_MAX},
    protocol::data::MarkData,
    sabotage,
    session::inbox::Trouble,
};

impl Session {
    /// Pushes what a log has after `at` and up to `through`; `at` goes along. `passes` is told of each entry's number before it is
    /// pushed, if it `is_theirs`. Where there is nothing any more, that is said.
    pub(super) async fn replay_span(
        &self,
        conversation: &Conversation,
        at: &mut Seq,
        through: Seq,
        mut passes: impl FnMut(Seq),
        mut is_theirs: impl FnMut(&Entry) -> bool,
    ) -> Result<(), Trouble> {
        while *at < through {
            self.drained().await;
            let entries_max = usize::try_from(through.0 - at.0).unwrap_or(usize::MAX).min(REPLAY_ENTRIES_MAX);
            let piece = self.piece(conversation, From::After(*at), entries_max, REPLAY_BYTES_MAX).await?;
            let gone = gone(&piece, *at, through, entries_max);
            if piece.trimmed > *at {
                *at = piece.trimmed.min(through);
                self.push_trimmed(conversation, *at, &mut passes);
            }
            for entry in piece.entries.iter().take_while(|entry| entry.seq <= through) {
                *at = entry.seq;
                passes(entry.seq);
                if is_theirs(entry) && !sabotage::is_due("skip-replayed") {
                    self.push_entry(entry);
                }
            }
            if *at < gone {
                *at = gone;
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

/// Up to where a piece of a log, asked for after `at`, says that nothing is left behind its last entry.
fn gone(piece: &Page, at: Seq, through: Seq, entries_max: usize) -> Seq {
    let goes_on = piece.entries.last().is_some_and(|last| last.seq > through);
    if !piece.more || goes_on {
        // A failover has lost what was there.
        return through;
    }
    if piece.entries.is_empty() {
        // There are entries, but of the first ones none can be read.
        let unreadable = Seq(at.0.saturating_add(entries_max as u64));
        return piece.trimmed.max(unreadable).min(through);
    }
    Seq::ZERO
}

#[cfg(test)]
mod tests {
    use naru_ledger::{Millis, User, answer::Content};

    use super::*;

    fn entry(seq: u64) -> Entry {
        Entry {
            conversation: Conversation::parse("room:a").unwrap(),
            seq: Seq(seq),
            prev: Seq(seq - 1),
            count: 0,
            at: Millis(1),
            sender: User::parse("bob").unwrap(),
            client_id: None,
            content: Content::Leave,
        }
    }

    fn gone_of(seqs: &[u64], more: bool, trimmed: u64) -> u64 {
        let entries = seqs.iter().map(|seq| entry(*seq)).collect();
        let piece = Page { trimmed: Seq(trimmed), head: Seq(1000), more, entries };
        gone(&piece, Seq(10), Seq(100), 64).0
    }

    #[test]
    fn a_piece_says_how_far_nothing_is_left_and_always_gets_on() {
        assert_eq!(gone_of(&[11, 12], true, 0), 0, "the next piece has the rest");
        assert_eq!(gone_of(&[11, 12], false, 0), 100, "the end is lost");
        assert_eq!(gone_of(&[11, 101], true, 0), 100, "what was between them is lost");
        assert_eq!(gone_of(&[101], false, 0), 100);
        assert_eq!(gone_of(&[], false, 0), 100);
        assert_eq!(gone_of(&[], true, 0), 74, "64 that cannot be read");
        assert_eq!(gone_of(&[], true, 80), 80);
    }
}
