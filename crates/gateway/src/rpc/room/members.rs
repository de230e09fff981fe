//! `room.members`: who takes part, page by page. Only to those who do.

use std::{borrow::Cow, rc::Rc};

use naru_bus::BusError;
use naru_ledger::{
    Conversation,
    op::{From, History},
};
use serde::{Deserialize, Serialize};

use crate::{
    codes::Failure,
    limits::{MEMBERS, MEMBERS_MAX},
    session::{Later, Session},
};

const FORM: &str =
    r#"{"conversation":"room:general"}, and if wanted "after":"<name of the last one>", "limit":<number>"#;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(borrow)]
    after: Option<Cow<'a, str>>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page {
    members: Vec<Listed>,
    more: bool,
    /// If it is another than the page before had, begin again.
    version: u64,
    mode: &'static str,
}

#[derive(Serialize)]
struct Listed {
    user: String,
    role: &'static str,
    /// The entry by which they joined.
    since: u64,
    /// How far they have read, as far as others are told; 0 if that is not known.
    read: u64,
}

pub(in crate::rpc) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { conversation, after, limit } = super::super::read(data, FORM)?;
    let conversation = super::super::conversation(&conversation)?;
    let after = after.as_deref().map(super::super::user).transpose()?;
    let limit = limit.unwrap_or(MEMBERS).clamp(1, MEMBERS_MAX);
    let session = session.clone();
    Ok(Box::pin(async move {
        check_member(&session, &conversation).await?;
        let page = session.shared().bus.members(&conversation, after, limit).await?;
        let members = page.members.into_iter().map(|member| Listed {
            user: member.user.as_str().to_owned(),
            role: member.role.as_str(),
            since: member.since.0,
            read: member.read.0,
        });
        Ok(super::super::result(&Page {
            members: members.collect(),
            more: page.more,
            version: page.version.0,
            mode: page.mode.as_str(),
        }))
    }))
}

/// Refused to those who take no part, by the ledger itself.
pub(in crate::rpc) async fn check_member(
    session: &Session,
    conversation: &Conversation,
) -> Result<(), BusError> {
    let (conversation, reader) = (conversation.clone(), Some(session.member().user.clone()));
    let look = History { conversation, reader, from: From::Newest, limit: 1, bytes: Some(1) };
    session.shared().bus.history(look).await.map(drop)
}
