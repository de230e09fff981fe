//! `unread`: what a user has not read, over all conversations that come into their inbox.

use naru_ledger::Follow;
use serde::{Deserialize, Serialize};

use super::super::super::{Api, refusal::Refusal};
use crate::limits::CONVERSATIONS_MAX;

#[derive(Deserialize)]
pub(super) struct Asked {
    user: String,
}

/// Rooms that are followed by their channel count with what mentions the user alone.
#[derive(Default, Serialize)]
pub(super) struct Sums {
    /// Messages.
    unread: u64,
    /// Conversations that have some.
    conversations: u64,
    /// Unread messages that mention the user.
    mentions: u64,
}

pub(super) async fn call(api: &Api, asked: Asked) -> Result<Sums, Refusal> {
    let user = super::user(&asked.user)?;
    let (mut sums, mut before) = (Sums::default(), None);
    loop {
        let page = api.bus.conversations(&user, before, CONVERSATIONS_MAX).await?;
        for row in &page.rows {
            let unread = match row.follow {
                Follow::Channel => 0,
                _ => row.count.saturating_sub(row.read),
            };
            sums.unread += unread;
            sums.mentions += row.mentions;
            sums.conversations += u64::from(unread > 0);
        }
        before = page.rows.last().map(|row| row.useq);
        if !page.more || before.is_none() {
            return Ok(sums);
        }
    }
}
