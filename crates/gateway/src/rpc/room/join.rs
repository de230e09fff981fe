//! `room.join`: into a room, or somebody else into it.

use std::{borrow::Cow, rc::Rc};

use naru_ledger::{
    Role, Room, Version,
    op::{Change, Membership},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{about, change, may_decide, role_in};
use crate::{
    codes::{Code, Failure},
    session::{Later, Session},
};

const FORM: &str = r#"{"conversation":"room:general"}, and if wanted "user":"bob", "role":"member""#;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
}

pub(in crate::rpc) fn call(session: &Rc<Session>, data: Option<&RawValue>) -> Result<Later, Failure> {
    let Asked { conversation, user, role } = super::super::read(data, FORM)?;
    let room = super::room(&conversation)?;
    let user = about(session, user.as_deref())?;
    let role = role.as_deref().map(super::role).transpose()?;
    let session = session.clone();
    Ok(Box::pin(async move {
        let role = if user == session.member().user {
            role_by_oneself(&session, &room, role).await?
        } else {
            let role = role.unwrap_or(Role::Member);
            let own =
                role_in(&session, &room, &session.member().user).await?.ok_or(Code::PermissionDenied)?;
            if !may_decide(own, None, Some(role)) {
                return Err(Code::PermissionDenied.into());
            }
            role
        };
        change(&session, &Membership { room, user, change: Change::Join(role) }).await
    }))
}

/// As what a user may come into a room by themselves. One who is in it already keeps their role.
async fn role_by_oneself(session: &Session, room: &Room, asked: Option<Role>) -> Result<Role, Failure> {
    if let Some(role) = role_in(session, room, &session.member().user).await? {
        return Ok(role);
    }
    let rules = &session.shared().rules.rooms;
    let members = session.shared().bus.members(&room.clone().into(), None, 1).await?;
    // Nobody was ever in it. What was said in one that all have left is not for whoever comes next.
    let is_new = members.version == Version::ZERO;
    match asked {
        None | Some(Role::Owner) if is_new && rules.may_make(room) => Ok(Role::Owner),
        None | Some(Role::Member) if rules.may_join(room) => Ok(Role::Member),
        Some(Role::Reader) if rules.may_join(room) => Ok(Role::Reader),
        _ => Err(Code::PermissionDenied.into()),
    }
}
