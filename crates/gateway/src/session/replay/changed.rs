//! Conversation by conversation, for who is far behind.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
};

use ahash::RandomState;
use naru_ledger::{Conversation, Follow, Seq, Useq, answer::Row};

use super::Session;
use crate::{
    limits::{REPLAY_ROWS_MAX, REPLAYED_MAX},
    protocol::data::{Counts, MarkData},
    session::inbox::Trouble,
};

/// How far a session is that reads by conversations.
pub(in crate::session) struct Far {
    /// The conversations whose last change is up to here are replayed as they were then.
    through: Useq,
    replayed: Replayed,
}

impl Far {
    /// Everything after this is to be replayed.
    pub(super) fn after(useq: Useq) -> Far {
        Far { through: useq, replayed: Replayed::default() }
    }
}

/// How far conversations are replayed, so that what comes into one meanwhile is replayed alone. A memory of bounded size: what is
/// forgotten is pushed again, which falls to (conversation, seq).
#[derive(Default)]
struct Replayed {
    /// By 128 bits of keyed hash: nobody makes two that are equal.
    through: HashMap<(u64, u64), Seq, RandomState>,
    keys: (RandomState, RandomState),
}

impl Replayed {
    fn key(&self, conversation: &Conversation) -> (u64, u64) {
        let hash = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            hasher.write(conversation.as_str().as_bytes());
            hasher.finish()
        };
        (hash(&self.keys.0), hash(&self.keys.1))
    }

    fn get(&self, conversation: &Conversation) -> Seq {
        self.through.get(&self.key(conversation)).copied().unwrap_or_default()
    }

    fn note(&mut self, conversation: &Conversation, through: Seq) {
        let key = self.key(conversation);
        if self.through.len() >= REPLAYED_MAX && !self.through.contains_key(&key) {
            self.through.clear();
        }
        self.through.insert(key, through);
    }
}

impl Session {
    /// Replays the conversations of the next page; answers whether there was none, so that all is replayed.
    pub(in crate::session) async fn replay_changed(&self, far: &mut Far) -> Result<bool, Trouble> {
        let rows = {
            let member = self.member();
            let _turn = self.replay_turn().await;
            let bus = &self.shared().bus;
            bus.changed(&member.user, &member.device, far.through, REPLAY_ROWS_MAX).await?
        };
        if rows.rows.is_empty() {
            self.advance(far.through);
            return Ok(true);
        }
        let count = rows.rows.len();
        for (nth, row) in rows.rows.iter().enumerate() {
            let replayed = self.replay_row(row, far).await;
            replayed?;
            far.through = row.useq;
            // With the last one nothing is open up to its number.
            if !rows.more && nth + 1 == count {
                self.advance(row.useq);
            }
            self.push(MarkData::read(&row.conversation, None, Counts::from(row)));
        }
        Ok(false)
    }

    async fn replay_row(&self, row: &Row, far: &mut Far) -> Result<(), Trouble> {
        // Of a room that is followed by its channel, only some entries come into inboxes; its head is compared instead.
        if row.follow == Follow::Channel {
            return Ok(());
        }
        let mut at = row.from.max(far.replayed.get(&row.conversation));
        if at >= row.head {
            return Ok(());
        }
        let replayed = self.replay_span(&row.conversation, &mut at, row.head, |_| {}).await;
        far.replayed.note(&row.conversation, at);
        replayed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replayed_is_remembered_in_bounded_memory() {
        let room = |n: usize| Conversation::parse(&format!("room:{n}")).unwrap();
        let mut replayed = Replayed::default();
        for n in 0..REPLAYED_MAX {
            replayed.note(&room(n), Seq(n as u64 + 1));
        }
        replayed.note(&room(7), Seq(9));
        assert_eq!((replayed.get(&room(7)), replayed.get(&room(8))), (Seq(9), Seq(9)));
        assert_eq!(replayed.get(&room(REPLAYED_MAX)), Seq::ZERO);
        replayed.note(&room(REPLAYED_MAX), Seq(1));
        assert_eq!((replayed.through.len(), replayed.get(&room(7))), (1, Seq::ZERO));
    }
}
