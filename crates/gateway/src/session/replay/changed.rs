//! Conversation by conversation, for who is far behind.

use naru_ledger::{Conversation, Follow, Seq, Useq, answer::Row, op::From};

use super::{Session, stay::Stay};
use crate::{
    limits::REPLAY_ROWS_MAX,
    protocol::data::{Counts, MarkData},
    session::inbox::Trouble,
};

/// How far a session is that reads by conversations.
pub(in crate::session) struct Far {
    /// Those whose last change is up to here are replayed as they were then.
    pub(super) replayed: Useq,
    /// The user's last number when that began.
    pub(super) head: Useq,
}

impl Session {
    /// Replays the conversations of the next page; answers whether there was none, so that all is replayed.
    pub(in crate::session) async fn replay_changed(&self, far: &mut Far) -> Result<bool, Trouble> {
        let rows = {
            let member = self.member();
            let _turn = self.replay_turn().await;
            let bus = &self.shared().bus;
            bus.changed(&member.user, &member.device, far.replayed, REPLAY_ROWS_MAX).await?
        };
        if rows.rows.is_empty() {
            // What changed up to the head and is in no row is of conversations that are forgotten.
            self.advance(far.replayed.max(far.head));
            return Ok(true);
        }
        let count = rows.rows.len();
        for (nth, row) in rows.rows.iter().enumerate() {
            self.replay_row(row).await?;
            far.replayed = row.useq;
            // With the last one nothing is open up to its number.
            if !rows.more && nth + 1 == count {
                self.advance(row.useq);
            }
            self.push(MarkData::read(&row.conversation, None, Counts::from(row)));
        }
        Ok(false)
    }

    async fn replay_row(&self, row: &Row) -> Result<(), Trouble> {
        // Of a room that is followed by its channel, only some entries come into inboxes; its head is compared instead.
        if row.follow == Follow::Channel {
            return Ok(());
        }
        let conversation = &row.conversation;
        let mut at = row.from.max(self.reached(conversation));
        let mut stay = self.stay_behind(conversation, at).await?;
        let replayed =
            self.replay_span(conversation, &mut at, row.head, |_| {}, |entry| stay.is_theirs(entry)).await;
        self.has_reached(conversation, stay.reached(at));
        replayed
    }

    /// Whether the user takes part behind the last entry that they have had.
    async fn stay_behind(&self, conversation: &Conversation, at: Seq) -> Result<Stay, Trouble> {
        let mut stay = Stay::new(self.member().user.clone());
        if at > Seq::ZERO && matches!(conversation, Conversation::Room(_)) {
            let piece = self.piece(conversation, From::After(Seq(at.0 - 1)), 1, 1).await?;
            piece.entries.iter().filter(|entry| entry.seq == at).for_each(|entry| {
                stay.is_theirs(entry);
            });
        }
        Ok(stay)
    }
}
