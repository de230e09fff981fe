//! `room.role`: a member has another role from now on.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::op::{Change, Membership};
use serde::Deserialize;

use super::{change, may_decide, role_in};
use crate::{
    codes::{Code, Failure},
    session::{Later, Session},
};

const FORM: &str =
    r#"{"conversation":"room:general","user":"bob","role":"owner", "moderator", "member" or "reader"}"#;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow)]
    role: Cow<'a, str>,
}

pub(in crate::rpc) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { conversation, user, role } = super::super::read(data, FORM)?;
    let room = super::room(&conversation)?;
    let (user, role) = (super::super::user(&user)?, super::role(&role)?);
    let session = session.clone();
    Ok(Box::pin(async move {
        let own = role_in(&session, &room, &session.member().user).await?.ok_or(Code::PermissionDenied)?;
        let theirs = role_in(&session, &room, &user).await?;
        if !may_decide(own, theirs, Some(role)) {
            return Err(Code::PermissionDenied.into());
        }
        change(&session, &Membership { room, user, change: Change::Role(role) }).await
    }))
}
