use naru_ledger::answer::{Changed, Member, Members, Refused, Written};
use naru_ledger::op::{Change, Membership};
use naru_ledger::{Conversation as Name, Millis, Mode, Role, Seq, User, Version};

use super::{About, Bodies, Content, Conversation, Deciding, Decision, LedgerChange, entry, page_of, role};

impl<B: Bodies> Deciding<'_, B> {
    pub(super) fn membership(&mut self, membership: &Membership) -> Decision<Changed, B> {
        let Membership { room, user, change } = membership;
        let name = Name::Room(room.clone());
        let conversation = self.conversation(&name).map(|(_, conversation)| conversation);
        let parties = conversation.map(Conversation::parties);
        let members = parties.and_then(|parties| parties.room()).map(|room| &room.members);
        let mode = parties.map_or(Mode::FanOut, |parties| parties.mode());
        let version = parties.map_or(Version::ZERO, |parties| parties.version());
        let count = members.map_or(0, |members| members.len());
        let before = members.and_then(|members| members.get(user)).map(|joined| joined.role);
        // Only for an owner all are looked at.
        let is_last_owner = || {
            let mut owners = members.into_iter().flatten().filter(|(_, joined)| joined.role == Role::Owner);
            before == Some(Role::Owner) && owners.all(|(owner, _)| owner == user)
        };
        let (said, count) = match (change, before) {
            (Change::Make, None) if version != Version::ZERO => return Err(Refused::RoomExists.into()),
            (Change::Make, None) => (About::Join { role: Role::Owner }, count + 1),
            (Change::Join(role), None) => (About::Join { role: *role }, count + 1),
            (Change::Leave, Some(_)) if count > 1 && is_last_owner() => {
                return Err(Refused::LastOwner.into());
            }
            (Change::Leave, Some(_)) => (About::Leave, count - 1),
            (Change::Role(to), Some(before)) if before != *to && is_last_owner() => {
                return Err(Refused::LastOwner.into());
            }
            (Change::Role(to), Some(before)) if before != *to => (About::Role { role: *to }, count),
            (Change::Role(_), None) => return Err(Refused::NoSuchMember.into()),
            _ => return Ok(Changed { version, mode, written: None }),
        };
        let content =
            |about| Content { at: Millis(0), sender: user.clone(), client_id: None, about, body: None };
        let mut end = self.end(&name);
        let (number, version) = (end.number, version.next());
        let (next, said) = self.push(&name, &mut end, content(said), None, true);
        self.say_in_room(mode, || entry(&name, (next.seq, next.prev, next.count), said, None));
        let (user, role, seq) = (user.clone(), change.role(), next.seq);
        self.changes.push(LedgerChange::Member { conversation: number, version, user, role, seq });
        let mut written = Written { seq, at: next.at, prev: next.prev, count: next.count, switched: None };
        let mut new = vec![&next];
        let switch;
        let mut mode = mode;
        if mode == Mode::FanOut && count > self.limits.members_max {
            (switch, _) = self.push(&name, &mut end, content(About::Broadcast), None, true);
            let seq = switch.seq;
            self.changes.push(LedgerChange::Switched { conversation: number, seq });
            written.switched = Some(seq);
            mode = Mode::Broadcast;
            new.push(&switch);
        }
        self.trim(number, conversation, &new)?;
        Ok(Changed { version, mode, written: Some(written) })
    }

    pub(super) fn members(&self, name: &Name, after: Option<&User>, limit: usize) -> Members {
        let parties = self.conversation(name).map(|(_, conversation)| conversation.parties());
        let limit = self.page(limit);
        let is_after = |user: &User| after.is_none_or(|after| user > after);
        let (members, more) = match name {
            Name::Direct(direct) => {
                let [first, second] = direct.participants();
                let both = [first, second].into_iter().take(if first == second { 1 } else { 2 });
                let member = |user: &User| Member {
                    user: user.clone(),
                    role: Role::Member,
                    since: Seq::ZERO,
                    read: parties.and_then(|parties| parties.mark(name, user)).unwrap_or_default(),
                };
                page_of(both.filter(|user| is_after(user)).map(member), limit)
            }
            Name::Room(_) => {
                let members = parties.and_then(|parties| parties.room()).map(|room| &room.members);
                let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
                let rest = members
                    .into_iter()
                    .flat_map(|members| members.range::<User, _>((from, std::ops::Bound::Unbounded)));
                let member = |(user, joined): (&User, &super::super::conversation::Joined)| Member {
                    user: user.clone(),
                    role: joined.role,
                    since: joined.since,
                    read: joined.read,
                };
                page_of(rest.map(member), limit)
            }
        };
        let version = parties.map_or(Version::ZERO, |parties| parties.version());
        Members { version, mode: parties.map_or(Mode::FanOut, |parties| parties.mode()), more, members }
    }

    pub(super) fn mark(&mut self, name: &Name, user: &User, seq: Seq) -> Decision<Seq, B> {
        let found = self.conversation(name);
        role(name, found.map(|(_, conversation)| conversation), user).ok_or(Refused::NotAMember)?;
        let Some((number, conversation)) = found else { return Ok(Seq::ZERO) };
        if conversation.parties().mode() == Mode::Broadcast {
            return Ok(Seq::ZERO);
        }
        let before = conversation.parties().mark(name, user).unwrap_or_default();
        let mark = seq.min(conversation.log().head()).max(before);
        if mark > before {
            let user = user.clone();
            self.changes.push(LedgerChange::Marked { conversation: number, user, seq: mark });
        }
        Ok(mark)
    }
}
