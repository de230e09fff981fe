//! Who takes part in which room, kept beside the model from what was asked for.

use std::collections::BTreeMap;

use super::words::*;

#[derive(Debug, Default, Clone)]
pub(crate) struct Rooms(BTreeMap<Conversation, Party>);

#[derive(Debug, Default, Clone)]
struct Party {
    roles: BTreeMap<User, Role>,
    changes: u64,
    /// From the entry after this on, in broadcast mode.
    switched: Option<Seq>,
}

impl Rooms {
    /// A change was asked for: it is one or it is none, and each has a version.
    pub(crate) fn asked(
        &mut self,
        membership: &Membership,
        answer: Result<Changed, Refused>,
        members_max: usize,
    ) {
        let Membership { room, user, change } = membership;
        let members = self.0.entry(room.clone().into()).or_default();
        let before = members.roles.get(user).copied();
        let is_owner = |(_, role): (_, &Role)| *role == Role::Owner;
        let is_last =
            before == Some(Role::Owner) && members.roles.iter().filter(|one| is_owner(*one)).count() == 1;
        let is_empty = members.roles.len() <= 1;
        let after = match (change, before) {
            (Change::Make, None) if members.changes > 0 => {
                assert_eq!(answer, Err(Refused::RoomExists));
                return;
            }
            (Change::Leave, _) if is_last && !is_empty => {
                assert_eq!(answer, Err(Refused::LastOwner));
                return;
            }
            (Change::Role(role), _) if is_last && *role != Role::Owner => {
                assert_eq!(answer, Err(Refused::LastOwner));
                return;
            }
            (Change::Role(_), None) => {
                assert_eq!(answer, Err(Refused::NoSuchMember));
                return;
            }
            (Change::Join(role), None) | (Change::Role(role), Some(_)) => Some(*role),
            (Change::Make, None) => Some(Role::Owner),
            (Change::Make | Change::Join(_), Some(before)) => Some(before),
            (Change::Leave, _) => None,
        };
        let changed = answer.unwrap();
        assert_eq!(changed.written.is_some(), before != after);
        if before != after {
            members.changes += 1;
            match after {
                Some(role) => members.roles.insert(user.clone(), role),
                None => members.roles.remove(user),
            };
        }
        let switched = changed.written.and_then(|written| written.switched);
        let is_now_large = members.switched.is_none() && members.roles.len() > members_max;
        assert_eq!(switched.is_some(), is_now_large);
        members.switched = members.switched.or(switched);
        assert_eq!((changed.version, changed.mode), (Version(members.changes), mode(members)));
    }

    /// A message was to be said.
    pub(crate) fn said(&self, append: &Append, answer: &Result<Answer, Refused>) {
        let members = self.0.get(&append.conversation);
        let role = match &append.conversation {
            Conversation::Direct(direct) => direct.has(&append.sender).then_some(Role::Member),
            Conversation::Room(_) => members.and_then(|members| members.roles.get(&append.sender).copied()),
        };
        match answer {
            Ok(Answer::Appended(appended)) if !appended.repeat => {
                assert!(role.is_some_and(|role| role != Role::Reader));
                let expected = members.map_or_else(Default::default, |members| Version(members.changes));
                assert_eq!((appended.version, appended.mode), (expected, members.map_or(Mode::FanOut, mode)));
            }
            Ok(_) | Err(Refused::TooManyMentions { .. }) => {}
            Err(refused) => match role {
                None => assert_eq!(*refused, Refused::NotAMember),
                Some(Role::Reader) => assert_eq!(*refused, Refused::NotAllowed),
                Some(_) => assert_eq!(*refused, Refused::NoSuchMessage),
            },
        }
    }

    /// An entry that has just been written is for all members, or after the switch for those it mentions; and for its
    /// sender.
    pub(crate) fn check_audience(&self, deliver: &Deliver) {
        let Some(members) = self.0.get(&deliver.conversation) else { return };
        let is_broadcast = members.switched.is_some_and(|switched| switched < deliver.seq);
        assert_eq!(deliver.mode == Mode::Broadcast, is_broadcast);
        let to: Vec<&User> = deliver.to.iter().map(|recipient| &recipient.user).collect();
        for user in members.roles.keys().filter(|user| **user != deliver.sender) {
            let recipient = deliver.to.iter().find(|recipient| recipient.user == *user);
            let expected = !is_broadcast || recipient.is_some_and(|recipient| recipient.mentioned);
            assert_eq!(recipient.is_some(), expected, "{user}");
        }
        assert!(to.iter().all(|user| **user == deliver.sender || members.roles.contains_key(*user)));
        assert!(to.contains(&&deliver.sender));
    }

    pub(crate) fn check(&self, conversation: &Conversation, found: &Members) {
        let Some(members) = self.0.get(conversation) else { return };
        let found_roles: BTreeMap<_, _> =
            found.members.iter().map(|member| (member.user.clone(), member.role)).collect();
        assert_eq!(found_roles, members.roles);
        assert_eq!((found.version, found.mode, found.more), (Version(members.changes), mode(members), false));
    }
}

fn mode(members: &Party) -> Mode {
    if members.switched.is_some() { Mode::Broadcast } else { Mode::FanOut }
}
