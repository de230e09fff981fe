//! Who may only read in an open room does not come to speak by leaving it and joining again.

use naru_bus::BusError;
use naru_ledger::{
    Follow, Role, Room,
    answer::Content,
    op::{From, History},
};

use crate::{
    limits::{HISTORY_ENTRIES_MAX, SILENCE_PAGES_MAX},
    session::Session,
};

/// As what a user comes back: as a reader if that is what they were last, as far as the newest pages of the log tell. The ledger
/// itself knows nothing more of who has left.
pub(super) async fn role_on_return(session: &Session, room: &Room) -> Result<Role, BusError> {
    let conversation = room.clone().into();
    if session.row(&conversation).await?.is_none_or(|row| row.follow != Follow::Left) {
        return Ok(Role::Member);
    }
    let user = &session.member().user;
    let mut from = From::Newest;
    for _ in 0..SILENCE_PAGES_MAX {
        let (conversation, limit) = (conversation.clone(), HISTORY_ENTRIES_MAX);
        let look = History { conversation, reader: None, from, limit, bytes: None };
        let page = session.shared().bus.history(look).await?;
        let said = page.entries.iter().rev().filter(|entry| entry.sender == *user);
        let mut roles = said.filter_map(|entry| match entry.content {
            Content::Join { role } | Content::Role { role } => Some(role),
            _ => None,
        });
        if let Some(role) = roles.next() {
            return Ok(if role == Role::Reader { role } else { Role::Member });
        }
        match page.entries.first() {
            Some(oldest) if page.more => from = From::Before(oldest.seq),
            _ => break,
        }
    }
    Ok(Role::Member)
}
