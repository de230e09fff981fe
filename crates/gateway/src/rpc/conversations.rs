//! `conversations`: what the user takes part in, the one that changed last first, and what is unread.

use std::rc::Rc;

use futures_util::{StreamExt, TryStreamExt, stream};
use naru_bus::BusError;
use naru_ledger::{Follow, Useq, answer::Row};
use serde::{Deserialize, Serialize};

use crate::{
    codes::Failure,
    limits::{CONVERSATIONS, CONVERSATIONS_MAX, FOLLOWS_AT_ONCE},
    protocol::data::Counts,
    session::{Later, Session},
};

const FORM: &str = r#"{}, and if wanted "before":<offset>, "limit":<number>"#;

#[derive(Deserialize)]
struct Asked {
    /// Only what changed before this.
    before: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page {
    conversations: Vec<Listed>,
    /// Whether there are more: those before the last one's offset.
    more: bool,
}

#[derive(Serialize)]
struct Listed {
    conversation: String,
    /// The last entry.
    seq: u64,
    #[serde(flatten)]
    counts: Counts,
    /// The number of its last change in the inbox.
    offset: u64,
    /// How it is followed: `inbox`, `channel`, or `left`.
    follow: &'static str,
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { before, limit } =
        if data.is_empty() { Asked { before: None, limit: None } } else { super::read(data, FORM)? };
    let before = before.map(super::number).transpose()?.map(Useq);
    let limit = limit.unwrap_or(CONVERSATIONS).clamp(1, CONVERSATIONS_MAX);
    let session = session.clone();
    Ok(Box::pin(async move {
        let user = &session.member().user;
        let rows = session.shared().bus.conversations(user, before, limit).await?;
        let listed = stream::iter(rows.rows).map(|row| listed(&session, row)).buffered(FOLLOWS_AT_ONCE);
        Ok(super::result(&Page { conversations: listed.try_collect().await?, more: rows.more }))
    }))
}

/// A row. Of a room that is followed by its channel the inbox does not know how far it is; its log does.
async fn listed(session: &Session, row: Row) -> Result<Listed, BusError> {
    let (mut seq, mut counts) = (row.head.0, Counts::from(&row));
    if row.follow == Follow::Channel
        && let Some(newest) = session.newest(&row.conversation).await?
    {
        seq = newest.seq.0;
        counts = Counts::new(newest.count, row.read, row.mentions);
    }
    let conversation = row.conversation.as_str().to_owned();
    Ok(Listed { conversation, seq, counts, offset: row.useq.0, follow: row.follow.as_str() })
}
