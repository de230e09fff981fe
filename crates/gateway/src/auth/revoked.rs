//! Tokens that were called back before their end.
//!
//! All gateways have the same list; who brings it to them is `nodes/revoking.rs`. It is looked at when a token is opened, and once
//! for all who are connected when something new is in it.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use ahash::RandomState;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::claims::Registered;
use crate::limits::REVOCATIONS_MAX;

/// What is called back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revocation {
    pub(crate) what: Revoke,
    /// When that need not be known any more, in seconds since 1970: the tokens have ended by then.
    pub(crate) until: u64,
}

/// Which tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Revoke {
    /// The one with this `jti`.
    Token(String),
    /// All of a user that were made before this, in seconds since 1970, or do not say when they were made.
    User { user: String, issued_before: u64 },
}

/// What is remembered of the token a connection came with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The hash of its `jti`.
    id: u64,
    /// In seconds since 1970; 0 if it does not say.
    issued_at: u32,
    has_id: bool,
    /// Whether there is a token.
    is_there: bool,
}

impl Mark {
    /// The hash of the token's `jti`, if it has one.
    pub(crate) fn id(self) -> Option<u64> {
        self.has_id.then_some(self.id)
    }

    #[cfg(test)]
    pub(crate) fn of(id: Option<u64>) -> Mark {
        Mark { id: id.unwrap_or_default(), issued_at: 0, has_id: id.is_some(), is_there: true }
    }
}

/// There are as many as may be remembered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// The list.
#[derive(Default)]
pub(crate) struct Revoked {
    keys: RandomState,
    /// Seldom is there anything.
    has_any: AtomicBool,
    list: RwLock<List>,
}

#[derive(Default)]
struct List {
    /// By the hashes of their `jti`.
    tokens: HashMap<u64, CalledBack, RandomState>,
    users: HashMap<Box<str>, Cut, RandomState>,
}

struct CalledBack {
    id: Box<str>,
    until: u64,
    said_at: u64,
}

#[derive(Clone, Copy)]
struct Cut {
    issued_before: u64,
    until: u64,
    said_at: u64,
}

impl Revoked {
    /// What is to be remembered of a token.
    pub(super) fn mark(&self, registered: &Registered) -> Mark {
        let id = registered.jti.as_deref().map(|id| self.id(id));
        let issued_at = registered.iat.as_ref().map_or(0, |iat| iat.0);
        Mark {
            id: id.unwrap_or_default(),
            // A time beyond 2106 is no time in the past.
            issued_at: u32::try_from(issued_at).unwrap_or(u32::MAX),
            has_id: id.is_some(),
            is_there: true,
        }
    }

    /// Whether a token of this user is called back; never, if there is none.
    pub(crate) fn has(&self, user: &str, mark: Mark, now: u64) -> bool {
        if !mark.is_there || !self.has_any.load(Relaxed) {
            return false;
        }
        let list = self.list.read();
        let is_cut = |cut: &Cut| cut.until > now && u64::from(mark.issued_at) < cut.issued_before;
        mark.has_id && list.tokens.get(&mark.id).is_some_and(|token| token.until > now)
            || list.users.get(user).is_some_and(is_cut)
    }

    /// Whether what is called back is a connection's token: its user and what is remembered of it.
    pub(crate) fn is_of(&self, revoke: &Revoke, user: &str, mark: Mark) -> bool {
        mark.is_there
            && match revoke {
                Revoke::Token(id) => mark.has_id && mark.id == self.id(id),
                Revoke::User { user: of, issued_before } => {
                    user == of && u64::from(mark.issued_at) < *issued_before
                }
            }
    }

    /// All that still counts.
    pub(crate) fn in_force(&self, now: u64) -> Vec<Revocation> {
        self.said_before(u64::MAX, now).into_iter().map(|(revocation, _)| revocation).collect()
    }

    /// What still counts and was last said before this place, with the place where that was.
    pub(crate) fn said_before(&self, place: u64, now: u64) -> Vec<(Revocation, u64)> {
        let list = self.list.read();
        let is_meant = |until: u64, said_at: u64| until > now && said_at < place;
        let tokens = list.tokens.values().filter(|it| is_meant(it.until, it.said_at));
        let tokens = tokens.map(|CalledBack { id, until, said_at }| {
            (Revocation { what: Revoke::Token((**id).into()), until: *until }, *said_at)
        });
        let users = list.users.iter().filter(|(_, it)| is_meant(it.until, it.said_at));
        let users = users.map(|(user, &Cut { issued_before, until, said_at })| {
            (Revocation { what: Revoke::User { user: (**user).into(), issued_before }, until }, said_at)
        });
        tokens.chain(users).collect()
    }

    /// Notes where something that was added was said. What says less than is known does not stand for it.
    pub(crate) fn said(&self, Revocation { what, until }: &Revocation, at: u64) {
        let mut list = self.list.write();
        let (is_all, said_at) = match what {
            Revoke::Token(id) => match list.tokens.get_mut(&self.id(id)) {
                Some(known) => (*until >= known.until, &mut known.said_at),
                None => return,
            },
            Revoke::User { user, issued_before } => match list.users.get_mut(user.as_str()) {
                Some(known) => {
                    (*until >= known.until && *issued_before >= known.issued_before, &mut known.said_at)
                }
                None => return,
            },
        };
        if is_all || *said_at == 0 {
            *said_at = at.max(*said_at);
        }
    }

    /// Where everything was said is no place any more.
    pub(crate) fn forget_places(&self) {
        let mut list = self.list.write();
        list.tokens.values_mut().for_each(|it| it.said_at = 0);
        list.users.values_mut().for_each(|it| it.said_at = 0);
    }

    /// Remembers it; whether it is new.
    pub(crate) fn add(&self, revocation: &Revocation, now: u64) -> Result<bool, TooMany> {
        let Revocation { what, until } = revocation;
        if *until <= now {
            return Ok(false);
        }
        let mut list = self.list.write();
        let is_known = match what {
            Revoke::Token(id) => list.tokens.contains_key(&self.id(id)),
            Revoke::User { user, .. } => list.users.contains_key(user.as_str()),
        };
        if !is_known && list.len() >= REVOCATIONS_MAX {
            list.tokens.retain(|_, token| token.until > now);
            list.users.retain(|_, cut| cut.until > now);
            if list.len() >= REVOCATIONS_MAX {
                return Err(TooMany);
            }
        }
        self.has_any.store(true, Relaxed);
        Ok(match what {
            Revoke::Token(id) => {
                let new = || CalledBack { id: id.as_str().into(), until: 0, said_at: 0 };
                let known = list.tokens.entry(self.id(id)).or_insert_with(new);
                let is_new = known.until < *until;
                known.until = known.until.max(*until);
                is_new
            }
            Revoke::User { user, issued_before } => {
                let none = Cut { issued_before: 0, until: 0, said_at: 0 };
                let known = list.users.entry(user.as_str().into()).or_insert(none);
                let is_new = known.issued_before < *issued_before || known.until < *until;
                // Both of two together: rather too much than too little.
                known.issued_before = known.issued_before.max(*issued_before);
                known.until = known.until.max(*until);
                is_new
            }
        })
    }

    /// The hash of a `jti`, as marks have it.
    pub(crate) fn id(&self, id: &str) -> u64 {
        self.keys.hash_one(id)
    }
}

impl List {
    fn len(&self) -> usize {
        self.tokens.len() + self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn mark(revoked: &Revoked, claims: serde_json::Value) -> Mark {
        revoked.mark(&serde_json::from_value(claims).unwrap())
    }

    fn user(user: &str, issued_before: u64, until: u64) -> Revocation {
        Revocation { what: Revoke::User { user: user.into(), issued_before }, until }
    }

    fn token(id: &str, until: u64) -> Revocation {
        Revocation { what: Revoke::Token(id.into()), until }
    }

    #[test]
    fn a_token_is_called_back_by_its_id_until_it_has_ended_anyway() {
        let revoked = Revoked::default();
        let [one, other, none] =
            [json!({"jti": "1"}), json!({"jti": "2"}), json!({})].map(|claims| mark(&revoked, claims));
        assert!(!revoked.has("alice", one, NOW));
        assert_eq!(revoked.add(&token("1", NOW + 60), NOW), Ok(true));
        assert_eq!(revoked.add(&token("1", NOW + 60), NOW), Ok(false), "it is known");
        assert_eq!(revoked.add(&token("2", NOW), NOW), Ok(false), "it is over");
        let has = |mark| revoked.has("alice", mark, NOW);
        assert_eq!((has(one), has(other), has(none)), (true, false, false));
        assert!(revoked.has("alice", one, NOW + 59) && !revoked.has("alice", one, NOW + 60));
        assert_eq!(revoked.in_force(NOW + 59), [token("1", NOW + 60)]);
        assert_eq!(revoked.in_force(NOW + 60), []);
        assert!(revoked.is_of(&Revoke::Token("1".into()), "alice", one));
        assert!(!revoked.is_of(&Revoke::Token("1".into()), "alice", other));
        assert!(!revoked.is_of(&Revoke::Token("1".into()), "alice", Mark::default()));
    }

    #[test]
    fn all_of_a_user_are_called_back_that_were_made_before_or_do_not_say_when() {
        let revoked = Revoked::default();
        revoked.add(&user("alice", NOW, NOW + 60), NOW).unwrap();
        // An earlier one does not make good again what is called back.
        assert_eq!(revoked.add(&user("alice", NOW - 60, NOW + 60), NOW), Ok(false));
        for (claims, of, is_revoked) in [
            (json!({"iat": NOW - 1}), "alice", true),
            (json!({"iat": NOW as f64 - 0.5}), "alice", true),
            (json!({}), "alice", true),
            (json!({"iat": NOW}), "alice", false),
            (json!({"iat": u64::from(u32::MAX) + 5}), "alice", false),
            (json!({"iat": NOW - 1}), "bob", false),
            (json!({"iat": NOW - 1}), "", false),
        ] {
            let mark = mark(&revoked, claims.clone());
            assert_eq!(revoked.has(of, mark, NOW), is_revoked, "{of} {claims}");
            let what = user("alice", NOW, 0).what;
            assert_eq!(revoked.is_of(&what, of, mark), is_revoked, "{of} {claims}");
        }
        assert!(!revoked.is_of(&user("alice", NOW, 0).what, "alice", Mark::default()), "a hook let them in");
        assert!(!revoked.has("alice", Mark::default(), NOW), "likewise");
    }

    #[test]
    fn the_list_is_bounded_and_forgets_what_is_over() {
        let revoked = Revoked::default();
        for number in 0..REVOCATIONS_MAX {
            revoked.add(&token(&number.to_string(), NOW + 60), NOW).unwrap();
        }
        assert_eq!(revoked.add(&token("more", NOW + 600), NOW), Err(TooMany));
        assert_eq!(revoked.add(&token("1", NOW + 50), NOW), Ok(false), "what is there already needs no room");
        assert_eq!(revoked.add(&token("more", NOW + 600), NOW + 60), Ok(true));
        assert_eq!(revoked.list.read().len(), 1);
    }

    #[test]
    fn what_counts_and_was_said_long_ago_is_known() {
        let revoked = Revoked::default();
        let before = |place, now| {
            let mut all: Vec<_> = revoked.said_before(place, now).into_iter().map(|(_, at)| at).collect();
            all.sort_unstable();
            all
        };
        for (place, revocation) in
            [(3, token("1", NOW + 60)), (4, token("2", NOW + 600)), (5, user("alice", NOW, NOW + 600))]
        {
            revoked.add(&revocation, NOW).unwrap();
            revoked.said(&revocation, place);
        }
        assert_eq!(
            (before(4, NOW), before(6, NOW), before(6, NOW + 60)),
            (vec![3], vec![3, 4, 5], vec![4, 5])
        );
        // Said again; and said again as less than it is.
        for (place, revocation) in [(8, token("2", NOW + 600)), (9, user("alice", NOW - 1, NOW + 600))] {
            revoked.add(&revocation, NOW).unwrap();
            revoked.said(&revocation, place);
        }
        assert_eq!(before(10, NOW), [3, 5, 8]);
        revoked.said(&token("of nobody", NOW + 60), 9);
        revoked.forget_places();
        assert_eq!(before(1, NOW), [0, 0, 0]);
    }
}
