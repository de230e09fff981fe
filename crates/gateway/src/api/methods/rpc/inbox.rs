//! `inbox`: a page of a user's conversations.

use naru_ledger::{Useq, answer::Row};
use serde::{Deserialize, Serialize};

use super::super::super::{Api, refusal::Refusal};
use crate::{
    limits::{CONVERSATIONS, CONVERSATIONS_MAX},
    protocol::data::Counts,
};

#[derive(Deserialize)]
pub(super) struct Asked {
    user: String,
    /// Only what changed before this.
    before: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Page {
    conversations: Vec<Listed>,
    /// Whether there are more: those before the last one's offset.
    more: bool,
}

#[derive(Serialize)]
struct Listed {
    conversation: String,
    /// The last entry that has come into the inbox.
    seq: u64,
    #[serde(flatten)]
    counts: Counts,
    /// The number of its last change in the inbox.
    offset: u64,
    follow: &'static str,
}

impl From<Row> for Listed {
    fn from(row: Row) -> Listed {
        Listed {
            counts: Counts::from(&row),
            seq: row.head.0,
            offset: row.useq.0,
            follow: row.follow.as_str(),
            conversation: row.conversation.as_str().to_owned(),
        }
    }
}

pub(super) async fn call(api: &Api, asked: Asked) -> Result<Page, Refusal> {
    let user = super::user(&asked.user)?;
    let limit = asked.limit.unwrap_or(CONVERSATIONS).clamp(1, CONVERSATIONS_MAX);
    let rows = api.bus.conversations(&user, asked.before.map(Useq), limit).await?;
    Ok(Page { conversations: rows.rows.into_iter().map(Listed::from).collect(), more: rows.more })
}
