//! `history`: a conversation, page by page, from the newest back.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    codes::{Failure, Refused},
    limits::{HISTORY_ENTRIES, HISTORY_ENTRIES_MAX, OFFSET_MAX},
    protocol::reply::MessageData,
    session::{Later, Session},
};

#[derive(Deserialize)]
struct History {
    conversation: String,
    /// Only what is older than this sequence number.
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Page<'a> {
    entries: Vec<MessageData<'a>>,
    /// Whether there are older ones.
    more: bool,
}

pub(super) fn call(session: &Rc<Session>, data: Option<&RawValue>) -> Result<Later, Failure> {
    let form = r#"{"conversation":"dm:alice:bob","before":<seq>,"limit":<number>}, the last two if wanted"#;
    let History { conversation, before, limit } = super::read(data, form)?;
    if before.is_some_and(|before| before > OFFSET_MAX) {
        return Err(Refused::bad("no sequence number is that high").into());
    }
    let limit = limit.unwrap_or(HISTORY_ENTRIES).clamp(1, HISTORY_ENTRIES_MAX);
    let session = session.clone();
    Ok(Box::pin(async move {
        let user = &session.member().user;
        let page = session.shared().bus.first_history(user, &conversation, before, limit).await?;
        let entries = page.entries.iter().map(MessageData::from).collect();
        Ok(super::result(&Page { entries, more: page.more }))
    }))
}
