//! Who takes part in a room: joining, leaving, roles.
//!
//! A user may join by themselves what the server's [`RoomRules`](crate::RoomRules) let them, and leave as they like. Beyond that
//! owners may do everything, and moderators may let in, send away and silence those who are neither. To anybody else, a
//! room that they are not in and one that is not there look the same. That a room is made once, and keeps an owner, the ledger
//! sees to.

use naru_bus::BusError;
use naru_ledger::{Conversation, Role, Room, User, answer::Changed, op::Membership};
use serde::Serialize;

use crate::{
    codes::{Failure, Refused},
    limits::MEMBERS_MAX,
    protocol::reply::Outcome,
    session::Session,
};

pub(super) mod join;
pub(super) mod leave;
pub(super) mod members;
pub(super) mod role;
mod silence;

/// What a change has come to.
#[derive(Serialize)]
struct Done<'a> {
    conversation: &'a str,
    /// One more with each change of the members.
    version: u64,
    /// The entry that says so, if it was not so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    mode: &'static str,
}

fn done(room: &Room, changed: &Changed) -> Outcome {
    super::result(&Done {
        conversation: room.as_str(),
        version: changed.version.0,
        seq: changed.written.map(|written| written.seq.0),
        mode: changed.mode.as_str(),
    })
}

fn room(conversation: &str) -> Result<Room, Refused> {
    match super::conversation(conversation)? {
        Conversation::Room(room) => Ok(room),
        Conversation::Direct(_) => Err(Refused::bad("only rooms have members that come and go")),
    }
}

fn role(word: &str) -> Result<Role, Refused> {
    Role::parse(word).map_err(Refused::bad)
}

/// Whom it is about: the named one, or the user themselves.
fn about(session: &Session, named: Option<&str>) -> Result<User, Refused> {
    named.map_or_else(|| Ok(session.member().user.clone()), super::user)
}

async fn change(session: &Session, membership: &Membership) -> Result<Outcome, Failure> {
    let changed = session.shared().bus.membership(membership).await?;
    Ok(done(&membership.room, &changed))
}

/// A user's role in a room, if they are in it.
async fn role_in(session: &Session, room: &Room, user: &User) -> Result<Option<Role>, BusError> {
    let conversation = room.clone().into();
    // Not many are between a name and the one before it that is a letter shorter.
    let mut name = user.as_str().chars();
    name.next_back();
    let mut after = User::parse(name.as_str()).ok();
    let mut limit = 16;
    loop {
        let page = session.shared().bus.members(&conversation, after, limit).await?;
        if let Some(member) = page.members.iter().find(|member| member.user >= *user) {
            return Ok((member.user == *user).then_some(member.role));
        }
        if !page.more {
            return Ok(None);
        }
        after = page.members.last().map(|member| member.user.clone());
        limit = MEMBERS_MAX;
    }
}

/// Whether one of this role may decide about another: what they are, and what they are to become.
fn may_decide(role: Role, is: Option<Role>, becomes: Option<Role>) -> bool {
    let is_below = |role: Role| matches!(role, Role::Member | Role::Reader);
    match role {
        Role::Owner => true,
        Role::Moderator => is.is_none_or(is_below) && becomes.is_none_or(is_below),
        Role::Member | Role::Reader => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moderators_decide_about_those_below_them_only() {
        use Role::{Member, Moderator, Owner, Reader};
        for role in [Owner, Moderator, Member, Reader] {
            assert!(may_decide(Owner, Some(role), None) && may_decide(Owner, None, Some(role)));
            assert!(!may_decide(Member, Some(role), None) && !may_decide(Reader, None, Some(role)));
        }
        assert!(may_decide(Moderator, None, Some(Member)));
        assert!(may_decide(Moderator, Some(Member), Some(Reader)));
        assert!(may_decide(Moderator, Some(Reader), None));
        for (is, becomes) in [
            (Some(Owner), None),
            (Some(Moderator), None),
            (None, Some(Moderator)),
            (Some(Member), Some(Moderator)),
            (Some(Owner), Some(Reader)),
        ] {
            assert!(!may_decide(Moderator, is, becomes), "{is:?} {becomes:?}");
        }
    }
}
