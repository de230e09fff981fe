//! `read`: the user has read a conversation up to a message.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::Follow;
use serde::{Deserialize, Serialize};

use crate::{
    codes::Failure,
    protocol::data::Counts,
    sabotage,
    session::{Later, Session},
};

const FORM: &str = r#"{"conversation":"dm:alice:bob","seq":<number>}"#;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    seq: u64,
}

/// What is unread by now, and where that stands in the inbox.
#[derive(Serialize)]
struct Read {
    offset: u64,
    #[serde(flatten)]
    counts: Counts,
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { conversation, seq } = super::read(data, FORM)?;
    let (conversation, seq) = (super::conversation(&conversation)?, super::seq(seq)?);
    let session = session.clone();
    Ok(Box::pin(async move {
        let user = &session.member().user;
        if sabotage::is_due("forget-read") {
            return Ok(super::result(&Read { offset: 0, counts: Counts::new(0, 0, 0) }));
        }
        let bus = &session.shared().bus;
        let unread = bus.read(user, &conversation, seq).await?;
        let mut counts = Counts::new(unread.count, unread.read, unread.mentions);
        // Of a room that is followed by its channel the inbox does not know how far it is; its log does.
        if unread.follow == Follow::Channel
            && let Some(newest) = session.newest(&conversation).await?
        {
            counts = Counts::new(newest.count, unread.read, unread.mentions);
        }
        Ok(super::result(&Read { offset: unread.useq.0, counts }))
    }))
}
