//! Conversation by conversation, for who is far behind.

use naru_ledger::{Follow, Useq, answer::Row};

use super::Session;
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
        let mut at = row.from.max(self.reached(&row.conversation));
        let replayed = self.replay_span(&row.conversation, &mut at, row.head, |_| {}).await;
        self.has_reached(&row.conversation, at);
        replayed
    }
}
