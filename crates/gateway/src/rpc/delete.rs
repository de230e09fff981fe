//! `delete`: what was said is to go. One's own, or anybody's for a room's owners and moderators.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::op::Delete;
use serde::Deserialize;

use crate::{
    codes::Failure,
    session::{Later, Session},
};

const FORM: &str =
    r#"{"conversation":"room:general","id":"<client id>","target":<seq>}, and "level" if wanted"#;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    target: u64,
    #[serde(borrow)]
    level: Option<Cow<'a, str>>,
}

pub(super) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { conversation, id, target, level } = super::read(data, FORM)?;
    let delete = Delete {
        conversation: super::conversation(&conversation)?,
        sender: session.member().user.clone(),
        client_id: super::client_id(&id)?,
        target: super::seq(target)?,
        level: super::level(session, level.as_deref())?,
    };
    let session = session.clone();
    Ok(Box::pin(async move {
        let deleted = session.shared().bus.delete(&delete).await?;
        Ok(super::stored::result(&delete.conversation, &deleted))
    }))
}
