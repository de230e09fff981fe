//! Who takes part.

use super::log::{Joined, Log};
use super::{Model, page_of};
use crate::answer::{Changed, Content, Member, Members, Refused, Written};
use crate::names::User;
use crate::op::{Change, Membership};
use crate::position::{Millis, Seq, Version};
use crate::{Conversation, Mode, Role};

impl Model {
    pub(super) fn membership(&mut self, membership: &Membership, now: Millis) -> Result<Changed, Refused> {
        let Membership { room, user, change } = membership;
        let conversation = Conversation::Room(room.clone());
        let mut log = self.logs.get(&conversation).cloned().unwrap_or_else(|| Log::new(conversation.clone()));
        let role = log.members.get(user).map(|member| member.role);
        let content = match (change, role) {
            (Change::Join(role), None) => Content::Join { role: *role },
            (Change::Make, None) if log.version != Version::ZERO => return Err(Refused::RoomExists),
            (Change::Make, None) => Content::Join { role: Role::Owner },
            (Change::Leave, Some(_)) if log.members.len() > 1 && log.is_last_owner(user) => {
                return Err(Refused::LastOwner);
            }
            (Change::Leave, Some(_)) => Content::Leave,
            (Change::Role(to), Some(role)) if role != *to && log.is_last_owner(user) => {
                return Err(Refused::LastOwner);
            }
            (Change::Role(to), Some(role)) if role != *to => Content::Role { role: *to },
            (Change::Role(_), None) => return Err(Refused::NoSuchMember),
            _ => return Ok(Changed { version: log.version, mode: log.mode(), written: None }),
        };
        let given = (now, self.generation, &self.limits);
        let mut written = log.push(user, None, content, 0, given);
        let since = log.members.get(user).map_or(written.seq, |member| member.since);
        match change.role() {
            Some(role) => drop(log.members.insert(user.clone(), Joined { role, since })),
            None => {
                log.members.remove(user);
                log.marks.remove(user);
            }
        }
        log.version = log.version.next();
        if log.mode() == Mode::FanOut && log.members.len() > self.limits.members_max {
            let Written { seq, .. } = log.push(user, None, Content::Broadcast, 0, given);
            log.switched = Some(seq);
            log.marks.clear();
            written.switched = Some(seq);
        }
        let changed = Changed { version: log.version, mode: log.mode(), written: Some(written) };
        self.logs.insert(conversation, log);
        Ok(changed)
    }

    pub(super) fn members(&self, conversation: &Conversation, after: Option<&User>, limit: usize) -> Members {
        let log = self.logs.get(conversation);
        let read = |user: &User| log.and_then(|log| log.marks.get(user)).copied().unwrap_or_default();
        let mut members: Vec<Member> = match conversation {
            Conversation::Direct(direct) => {
                let member = |user: &User| Member {
                    user: user.clone(),
                    role: Role::Member,
                    since: Seq::ZERO,
                    read: read(user),
                };
                direct.participants().iter().map(member).collect()
            }
            Conversation::Room(_) => {
                let joined = log.into_iter().flat_map(|log| &log.members);
                let member = |(user, joined): (&User, &Joined)| Member {
                    user: user.clone(),
                    role: joined.role,
                    since: joined.since,
                    read: read(user),
                };
                joined.map(member).collect()
            }
        };
        members.dedup();
        let rest = members.into_iter().filter(|member| after.is_none_or(|after| member.user > *after));
        let (members, more) = page_of(rest, self.page(limit));
        Members {
            version: log.map_or(Version::ZERO, |log| log.version),
            mode: log.map_or(Mode::FanOut, Log::mode),
            more,
            members,
        }
    }

    pub(super) fn mark(
        &mut self,
        conversation: &Conversation,
        user: &User,
        seq: Seq,
    ) -> Result<Seq, Refused> {
        self.role(conversation, user).ok_or(Refused::NotAMember)?;
        let Some(log) = self.logs.get_mut(conversation) else { return Ok(Seq::ZERO) };
        if log.mode() == Mode::Broadcast {
            return Ok(Seq::ZERO);
        }
        let before = log.marks.get(user).copied().unwrap_or_default();
        let mark = seq.min(log.head).max(before);
        if mark > before {
            log.marks.insert(user.clone(), mark);
        }
        Ok(mark)
    }
}
