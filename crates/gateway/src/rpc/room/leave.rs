//! `room.leave`: out of a room, or somebody else out of it.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::op::{Change, Membership};
use serde::Deserialize;

use super::{about, change, may_decide, role_in};
use crate::{
    codes::{Code, Failure},
    session::{Later, Session},
};

const FORM: &str = r#"{"conversation":"room:general"}, and if wanted "user":"bob""#;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(borrow)]
    user: Option<Cow<'a, str>>,
}

pub(in crate::rpc) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { conversation, user } = super::super::read(data, FORM)?;
    let room = super::room(&conversation)?;
    let user = about(session, user.as_deref())?;
    let session = session.clone();
    Ok(Box::pin(async move {
        let own = role_in(&session, &room, &session.member().user).await?.ok_or(Code::PermissionDenied)?;
        if user != session.member().user {
            let theirs = role_in(&session, &room, &user).await?;
            if !may_decide(own, theirs, None) {
                return Err(Code::PermissionDenied.into());
            }
        }
        change(&session, &Membership { room, user, change: Change::Leave }).await
    }))
}
