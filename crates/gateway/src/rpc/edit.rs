//! `edit`: a message of one's own reads differently from now on.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::op::Edit;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    codes::Failure,
    session::{Later, Session},
};

const FORM: &str =
    r#"{"conversation":"room:general","id":"<client id>","target":<seq>,"body":{…}}, and "level" if wanted"#;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    target: u64,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(borrow)]
    level: Option<Cow<'a, str>>,
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { conversation, id, target, body, level } = super::read(data, FORM)?;
    let edit = Edit {
        conversation: super::conversation(&conversation)?,
        sender: session.member().user.clone(),
        client_id: super::client_id(&id)?,
        target: super::seq(target)?,
        body: super::body(body),
        level: super::level(session, level.as_deref())?,
    };
    let session = session.clone();
    Ok(Box::pin(async move {
        let edited = session.shared().bus.edit(&edit).await?;
        Ok(super::stored::result(&edit.conversation, &edited))
    }))
}
