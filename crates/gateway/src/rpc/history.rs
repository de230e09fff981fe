//! `history`: a conversation, page by page.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::op::{self, From};
use serde::{Deserialize, Serialize};

use crate::{
    codes::{Failure, Refused},
    limits::{HISTORY_ENTRIES, HISTORY_ENTRIES_MAX},
    protocol::data::EntryData,
    sabotage,
    session::{Later, Session},
};

const FORM: &str =
    r#"{"conversation":"dm:alice:bob"}, and if wanted "before":<seq> or "after":<seq>, "limit":<number>"#;

#[derive(Deserialize)]
struct History<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    /// Only what is older than this sequence number.
    before: Option<u64>,
    /// Only what is newer than this, the oldest of it first.
    after: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page<'a> {
    /// Oldest first.
    entries: Vec<EntryData<'a>>,
    /// Whether there are more in the direction of reading.
    more: bool,
    /// The last entry there is.
    head: u64,
    /// The last one that retention has removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    trimmed: Option<u64>,
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let History { conversation, before, after, limit } = super::read(data, FORM)?;
    let from = match (before, after) {
        (None, None) => From::Newest,
        (Some(before), None) => From::Before(super::seq(before)?),
        (None, Some(after)) => From::After(super::seq(after)?),
        (Some(_), Some(_)) => return Err(Refused::bad("a page is read before a number or after one").into()),
    };
    let history = op::History {
        conversation: super::conversation(&conversation)?,
        reader: Some(session.member().user.clone()),
        from,
        limit: limit.unwrap_or(HISTORY_ENTRIES).clamp(1, HISTORY_ENTRIES_MAX),
        bytes: None,
    };
    let session = session.clone();
    Ok(Box::pin(async move {
        let mut page = session.shared().bus.history(history).await?;
        if before.is_none() && sabotage::is_due("stale-page") {
            page.entries.pop();
        }
        let entries = page.entries.iter().map(EntryData::from).collect();
        let trimmed = (page.trimmed.0 > 0).then_some(page.trimmed.0);
        Ok(super::result(&Page { entries, more: page.more, head: page.head.0, trimmed }))
    }))
}
