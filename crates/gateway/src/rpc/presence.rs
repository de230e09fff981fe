//! `presence`: who of those in a conversation is connected, on whatever server. Only to those who take part.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::Mode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::room::members::check_member;
use crate::{
    codes::{Code, Failure},
    limits::MEMBERS_MAX,
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

pub(super) fn call(session: &Rc<Session>, data: Option<&RawValue>) -> Result<Later, Failure> {
    let Asked { conversation } = super::read(data, FORM)?;
    let conversation = super::conversation(&conversation)?;
    let session = session.clone();
    Ok(Box::pin(async move {
        let bus = &session.shared().bus;
        check_member(&session, &conversation).await?;
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
