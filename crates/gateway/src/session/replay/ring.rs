//! All changes, in their order.

use std::collections::HashSet;

use ahash::RandomState;
use naru_bus::BusError;
use naru_ledger::{
    Answer, Conversation, Op,
    answer::{Pointer, PointerKind, Row},
};

use super::Session;
use crate::{
    protocol::data::{Counts, MarkData},
    session::inbox::Trouble,
};

impl Session {
    /// Pushes what a ring's pointers point at. A span of several entries is several publications, of which the last has the
    /// pointer's number and those before it the one before.
    pub(super) async fn replay_ring(&self, pointers: &[Pointer]) -> Result<(), Trouble> {
        let said_last = last_of_each(pointers);
        let mut rest = pointers;
        while let Some(first) = rest.first() {
            let run = run_of(rest);
            rest = &rest[run.len()..];
            if !is_news(first) {
                self.replay_mark(first, said_last.contains(&first.useq.0)).await?;
                continue;
            }
            let through = run.last().map_or(first.seq, |last| last.seq);
            let (mut at, mut open) = (first.after, run);
            let passes = |seq| {
                while let Some((pointer, later)) = open.split_first()
                    && pointer.seq <= seq
                {
                    self.advance(pointer.useq);
                    open = later;
                }
            };
            self.replay_span(&first.conversation, &mut at, through, passes, |_| true).await?;
        }
        Ok(())
    }

    /// Only what is unread has changed. Of several such changes in a conversation the last says it all.
    async fn replay_mark(&self, pointer: &Pointer, is_last: bool) -> Result<(), Trouble> {
        let Pointer { useq, conversation, seq, kind, .. } = pointer;
        let row = if is_last { self.row(conversation).await? } else { None };
        self.advance(*useq);
        if let Some(row) = row {
            let counts = Counts::from(&row);
            self.push(match kind {
                PointerKind::Mention => MarkData::mention(conversation, *seq, counts),
                PointerKind::Read | PointerKind::Entry(_) => MarkData::read(conversation, Some(*seq), counts),
            });
        }
        Ok(())
    }

    /// The conversation in the user's index.
    pub(crate) async fn row(&self, conversation: &Conversation) -> Result<Option<Row>, BusError> {
        let standing = Op::Standing { user: self.member().user.clone(), conversation: conversation.clone() };
        let _turn = self.replay_turn().await;
        match self.shared().bus.ask(&standing).await? {
            Answer::Standing(standing) => Ok(standing.row),
            _ => Err(BusError::Protocol("standing is answered otherwise".to_owned())),
        }
    }
}

fn is_news(pointer: &Pointer) -> bool {
    pointer.after < pointer.seq
}

/// The pointers from the first on that are one span of one log.
fn run_of(pointers: &[Pointer]) -> &[Pointer] {
    let follows = |pair: &&[Pointer]| {
        let [one, next] = *pair else { return false };
        is_news(one) && is_news(next) && one.conversation == next.conversation && one.seq == next.after
    };
    let following = pointers.windows(2).take_while(follows).count();
    &pointers[..pointers.len().min(following + 1)]
}

/// The numbers of the pointers that are the last of their conversation without news.
fn last_of_each(pointers: &[Pointer]) -> HashSet<u64, RandomState> {
    let mut met: HashSet<&Conversation, RandomState> = HashSet::default();
    let without_news = pointers.iter().rev().filter(|pointer| !is_news(pointer));
    without_news.filter(|pointer| met.insert(&pointer.conversation)).map(|pointer| pointer.useq.0).collect()
}

#[cfg(test)]
mod tests {
    use naru_ledger::{Kind, Seq, Useq};

    use super::*;

    fn pointer(useq: u64, room: &str, after: u64, seq: u64) -> Pointer {
        Pointer {
            useq: Useq(useq),
            conversation: Conversation::parse(room).unwrap(),
            after: Seq(after),
            seq: Seq(seq),
            kind: PointerKind::Entry(Kind::Message),
        }
    }

    #[test]
    fn a_run_is_one_span_of_one_log() {
        let run = |pointers: &[Pointer]| run_of(pointers).len();
        assert_eq!(run(&[]), 0);
        let [a1, a2, a4, b1, read] = [
            pointer(1, "room:a", 0, 1),
            pointer(2, "room:a", 1, 2),
            pointer(3, "room:a", 3, 4),
            pointer(4, "room:b", 1, 2),
            pointer(5, "room:a", 2, 2),
        ];
        assert_eq!(run(&[a1.clone(), a2.clone()]), 2);
        assert_eq!(run(&[a1.clone(), a2.clone(), a4]), 2, "a hole between");
        assert_eq!(run(&[a1.clone(), b1]), 1, "another log");
        assert_eq!(run(&[a1, a2.clone(), read.clone()]), 2, "no news");
        assert_eq!(run(&[read, a2]), 1);
    }

    #[test]
    fn of_what_only_counts_the_last_is_said() {
        let pointers = [
            pointer(1, "room:a", 1, 1),
            pointer(2, "room:b", 1, 1),
            pointer(3, "room:a", 1, 2),
            pointer(4, "room:a", 2, 2),
        ];
        assert_eq!(last_of_each(&pointers), HashSet::from_iter([2, 4]));
    }
}
