//! `presence`: who of those in a conversation is connected, on whatever server. Only to those who take part, and
//! between two only while something of the other is among what was said last.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::{
    Conversation, Direct, Mode,
    op::{From, History},
};
use serde::{Deserialize, Serialize};

use super::room::members::check_member;
use crate::{
    codes::{Code, Failure},
    limits::{HISTORY_ENTRIES_MAX, MEMBERS_MAX},
    session::{Later, Session},
};

const FORM: &str = r#"{"conversation":"room:general"}"#;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
}

#[derive(Serialize)]
struct Presence {
    online: Vec<String>,
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { conversation } = super::read(data, FORM)?;
    let conversation = super::conversation(&conversation)?;
    let session = session.clone();
    Ok(Box::pin(async move {
        let bus = &session.shared().bus;
        match &conversation {
            Conversation::Room(_) => check_member(&session, &conversation).await?,
            Conversation::Direct(direct) => check_answered(&session, direct).await?,
        }
        let (mut online, mut after) = (Vec::new(), None);
        loop {
            let page = bus.members(&conversation, after, MEMBERS_MAX).await?;
            // Whoever is in a room of many is counted, at most; not asked for one by one.
            if page.mode == Mode::Broadcast {
                return Err(Code::NotAvailable.into());
            }
            after = page.members.last().map(|member| member.user.clone());
            let users = page.members.into_iter().map(|member| member.user).collect();
            online.extend(bus.presence(users).await?.into_iter().map(|one| one.user.as_str().to_owned()));
            if !page.more {
                return Ok(super::result(&Presence { online }));
            }
        }
    }))
}

/// Refused where the other one of two has not written lately: anybody can write to anybody, and would learn when they are there.
async fn check_answered(session: &Session, direct: &Direct) -> Result<(), Failure> {
    let me = session.member().user.clone();
    let look = History {
        conversation: direct.clone().into(),
        reader: Some(me.clone()),
        from: From::Newest,
        limit: HISTORY_ENTRIES_MAX,
        bytes: None,
    };
    let page = session.shared().bus.history(look).await?;
    let has_answered = page.entries.iter().any(|entry| entry.sender == *direct.other(&me));
    if has_answered { Ok(()) } else { Err(Code::PermissionDenied.into()) }
}
