//! `room.join`: into a room, or somebody else into it.

use std::{borrow::Cow, rc::Rc};

use naru_bus::BusError;
use naru_ledger::{
    Role, Room, User, Version,
    op::{Change, Membership},
};
use serde::Deserialize;

use super::{about, change, done, may_decide, role_in, silence};
use crate::{
    codes::{Code, Failure},
    protocol::reply::Outcome,
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

pub(in crate::rpc) fn call(session: &Rc<Session>, data: &[u8]) -> Result<Later, Failure> {
    let Asked { conversation, user, role } = super::super::read(data, FORM)?;
    let room = super::room(&conversation)?;
    let user = about(session, user.as_deref())?;
    let role = role.as_deref().map(super::role).transpose()?;
    let session = session.clone();
    Ok(Box::pin(async move {
        if user == session.member().user {
            return join_by_oneself(&session, room, user, role).await;
        }
        let role = role.unwrap_or(Role::Member);
        let own = role_in(&session, &room, &session.member().user).await?.ok_or(Code::PermissionDenied)?;
        if !may_decide(own, None, Some(role)) {
            return Err(Code::PermissionDenied.into());
        }
        change(&session, &Membership { room, user, change: Change::Join(role) }).await
    }))
}

async fn join_by_oneself(
    session: &Session,
    room: Room,
    user: User,
    asked: Option<Role>,
) -> Result<Outcome, Failure> {
    let (mut role, makes) = role_by_oneself(session, &room, asked).await?;
    if makes {
        let make = Membership { room: room.clone(), user: user.clone(), change: Change::Make };
        match session.shared().bus.membership(&make).await {
            Ok(changed) => return Ok(done(&room, &changed)),
            // Others have made it since it was looked for, and it is theirs.
            Err(BusError::Refused { code, .. }) if code == "EXISTS" => {
                (role, _) = role_by_oneself(session, &room, asked).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    change(session, &Membership { room, user, change: Change::Join(role) }).await
}

/// As what a user may come into a room by themselves, and whether they make it. One who is in it already keeps their role.
async fn role_by_oneself(
    session: &Session,
    room: &Room,
    asked: Option<Role>,
) -> Result<(Role, bool), Failure> {
    if let Some(role) = role_in(session, room, &session.member().user).await? {
        return Ok((role, false));
    }
    let rules = &session.shared().rooms;
    let members = session.shared().bus.members(&room.clone().into(), None, 1).await?;
    // Nobody was ever in it. What was said in one that all have left is not for whoever comes next.
    let is_new = members.version == Version::ZERO;
    match asked {
        None | Some(Role::Owner) if is_new && rules.may_make(room) => Ok((Role::Owner, true)),
        None | Some(Role::Member) if rules.may_join(room) => {
            Ok((silence::role_on_return(session, room).await?, false))
        }
        Some(Role::Reader) if rules.may_join(room) => Ok((Role::Reader, false)),
        _ => Err(Code::PermissionDenied.into()),
    }
}
