//! The sessions of one core, by what others know them by.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    sync::{Arc, OnceLock},
};

use ahash::RandomState;
use hashbrown::HashTable;
use naru_fanout::PeerId;
use uuid::Uuid;

use super::{Census, Steer, Whom};
use crate::{auth::Mark, limits::STEERS_MAX};

/// Who is on a core: sessions that have connected, or are about to and have shown who they are.
#[derive(Default)]
pub(crate) struct Index(RefCell<Maps>);

#[derive(Default)]
struct Maps {
    /// Ordered, so that one of ten thousand anonymous connections can leave without a search.
    users: BTreeSet<(Arc<str>, PeerId)>,
    /// By what clients know their connections by, which the connections have themselves.
    clients: HashTable<PeerId>,
    /// Of those who send their commands apart.
    sessions: HashMap<Box<str>, PeerId, RandomState>,
    /// By the hashes of their tokens' `jti`, where there is one.
    tokens: BTreeSet<(u64, PeerId)>,
    /// Who is about to show who they are, and what was wanted of anybody meanwhile.
    coming: HashMap<PeerId, Missed, RandomState>,
}

/// What was wanted of connections while it was not known yet whether this one is meant.
#[derive(Default)]
pub(crate) struct Missed {
    pub(crate) steers: Vec<Arc<Steer>>,
    /// It was more than is remembered.
    pub(crate) is_overrun: bool,
}

/// Has what is wanted noted for a connection, as long as it is there.
pub(crate) struct Coming<'a> {
    index: &'a Index,
    peer: PeerId,
}

impl Coming<'_> {
    /// What was wanted of anybody meanwhile.
    pub(crate) fn missed(self) -> Missed {
        self.index.0.borrow_mut().coming.remove(&self.peer).unwrap_or_default()
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.index.0.borrow_mut().coming.remove(&self.peer);
    }
}

/// What a session is known by.
pub(crate) struct Place<'a> {
    pub(crate) user: &'a Arc<str>,
    pub(crate) client: Uuid,
    pub(crate) session: Option<&'a str>,
    /// By which its token is known if it is called back.
    pub(crate) mark: &'a Cell<Mark>,
}

impl Index {
    /// It takes a while until it is known who this is.
    pub(crate) fn coming(&self, peer: PeerId) -> Coming<'_> {
        self.0.borrow_mut().coming.insert(peer, Missed::default());
        Coming { index: self, peer }
    }

    /// Something is wanted of connections, of which some are still coming.
    pub(crate) fn note(&self, steer: &Arc<Steer>) {
        for missed in self.0.borrow_mut().coming.values_mut() {
            if missed.steers.len() < STEERS_MAX {
                missed.steers.push(steer.clone());
            } else {
                missed.is_overrun = true;
            }
        }
    }

    /// `client_of` says what a connection is known by that has entered.
    pub(crate) fn enter(&self, peer: PeerId, place: &Place<'_>, client_of: impl Fn(PeerId) -> Option<Uuid>) {
        let mut maps = self.0.borrow_mut();
        maps.users.insert((place.user.clone(), peer));
        let hash_of = |&peer: &PeerId| client_of(peer).map_or(0, hash);
        maps.clients.insert_unique(hash(place.client), peer, hash_of);
        if let Some(session) = place.session {
            maps.sessions.insert(session.into(), peer);
        }
        maps.tokens.extend(place.mark.get().id().map(|id| (id, peer)));
    }

    /// It goes on with another token.
    pub(crate) fn remark(&self, peer: PeerId, place: &Place<'_>, mark: Mark) {
        let mut maps = self.0.borrow_mut();
        if let Some(id) = place.mark.replace(mark).id() {
            maps.tokens.remove(&(id, peer));
        }
        maps.tokens.extend(mark.id().map(|id| (id, peer)));
    }

    pub(crate) fn leave(&self, peer: PeerId, place: &Place<'_>) {
        let mut maps = self.0.borrow_mut();
        maps.users.remove(&(place.user.clone(), peer));
        if let Ok(client) = maps.clients.find_entry(hash(place.client), |&other| other == peer) {
            client.remove();
        }
        if let Some(session) = place.session {
            maps.sessions.remove(session);
        }
        if let Some(id) = place.mark.get().id() {
            maps.tokens.remove(&(id, peer));
        }
    }

    /// The connections that are meant; `client_of` as in [`Self::enter`].
    pub(crate) fn find(&self, whom: &Whom, client_of: impl Fn(PeerId) -> Option<Uuid>) -> Vec<PeerId> {
        let maps = self.0.borrow();
        let user: Arc<str> = whom.user.as_str().into();
        let has = |peer: PeerId| maps.users.contains(&(user.clone(), peer));
        let narrowed = |peer: Option<PeerId>| peer.filter(|&peer| has(peer));
        let by_client = whom.client.as_deref().filter(|client| !client.is_empty()).map(|client| {
            let client = Uuid::parse_str(client).ok();
            let is_it = |&peer: &PeerId| client_of(peer) == client;
            narrowed(client.and_then(|client| maps.clients.find(hash(client), is_it).copied()))
        });
        let by_session = whom.session.as_deref().filter(|session| !session.is_empty());
        let by_session = by_session.map(|session| narrowed(maps.sessions.get(session).copied()));
        match (by_client, by_session) {
            (None, None) => {
                let of_user = (user.clone(), PeerId(0))..=(user.clone(), PeerId(u64::MAX));
                maps.users.range(of_user).map(|(_, peer)| *peer).collect()
            }
            (Some(peer), None) | (None, Some(peer)) => peer.into_iter().collect(),
            (Some(one), Some(other)) => one.filter(|_| one == other).into_iter().collect(),
        }
    }

    /// The connections with a token whose `jti` has this hash.
    pub(crate) fn with_token(&self, id: u64) -> Vec<PeerId> {
        let maps = self.0.borrow();
        let with = maps.tokens.range((id, PeerId(0))..=(id, PeerId(u64::MAX)));
        with.map(|(_, peer)| *peer).collect()
    }

    /// The connection with this secret.
    pub(crate) fn by_session(&self, session: &str) -> Option<PeerId> {
        self.0.borrow().sessions.get(session).copied()
    }

    pub(crate) fn count(&self) -> Census {
        static KEYS: OnceLock<RandomState> = OnceLock::new();
        let keys = KEYS.get_or_init(RandomState::new);
        let maps = self.0.borrow();
        Census {
            clients: maps.users.len() as u64,
            users: maps.users.iter().map(|(user, _)| keys.hash_one(user)).collect(),
        }
    }
}

/// It is random already, and chosen by nobody else.
fn hash(client: Uuid) -> u64 {
    let (one, other) = client.as_u64_pair();
    one ^ other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::Refresh;

    /// As [`Place`], of names that are not kept.
    #[derive(Clone, Copy)]
    struct Named<'a>(&'a str, u128, Option<&'a str>);

    impl Named<'_> {
        fn place<T>(self, mark: &Cell<Mark>, then: impl FnOnce(&Place<'_>) -> T) -> T {
            let Named(user, client, session) = self;
            then(&Place { user: &user.into(), client: Uuid::from_u128(client), session, mark })
        }
    }

    /// Whose client is called by the same number.
    fn client_of(PeerId(peer): PeerId) -> Option<Uuid> {
        Some(Uuid::from_u128(peer.into()))
    }

    fn enter(index: &Index, peer: u64, named: Named<'_>) {
        named.place(&Cell::default(), |place| index.enter(PeerId(peer), place, client_of));
    }

    fn leave(index: &Index, peer: u64, named: Named<'_>) {
        named.place(&Cell::default(), |place| index.leave(PeerId(peer), place));
    }

    fn whom(user: &str, client: Option<u128>, session: Option<&str>) -> Whom {
        Whom {
            user: user.into(),
            client: client.map(|client| Uuid::from_u128(client).to_string()),
            session: session.map(Into::into),
        }
    }

    #[test]
    fn a_user_has_all_their_connections_and_nobody_elses() {
        let index = Index::default();
        for (peer, user) in [(1, "a"), (2, "b"), (3, "a"), (4, ""), (5, "ab"), (6, "")] {
            enter(&index, peer, Named(user, peer.into(), None));
        }
        let found = |user: &str| {
            index.find(&whom(user, None, None), client_of).iter().map(|peer| peer.0).collect::<Vec<_>>()
        };
        assert_eq!((found("a"), found("b"), found("ab")), (vec![1, 3], vec![2], vec![5]));
        assert_eq!(found(""), [4, 6], "who is anonymous, and not everybody");
        assert!(found("c").is_empty());
        assert_eq!((index.count().clients, index.count().users.len()), (6, 4));
        leave(&index, 1, Named("a", 1, None));
        assert_eq!(found("a"), [3]);
    }

    #[test]
    fn a_client_or_session_narrows_a_users_connections_and_opens_nobody_elses() {
        let index = Index::default();
        enter(&index, 1, Named("a", 1, Some("s1")));
        enter(&index, 2, Named("a", 2, None));
        enter(&index, 3, Named("b", 3, Some("s3")));
        let found = |user, client, session| index.find(&whom(user, client, session), client_of).len();
        assert_eq!(
            (found("a", Some(1), None), found("a", Some(3), None), found("a", Some(9), None)),
            (1, 0, 0)
        );
        assert_eq!((found("a", None, Some("s1")), found("a", None, Some("s3"))), (1, 0));
        assert_eq!((found("a", Some(1), Some("s1")), found("a", Some(2), Some("s1"))), (1, 0));
        assert_eq!(found("a", None, Some("")), 2, "an empty one narrows nothing, as if it were not there");
        let strange = Whom { client: Some("nobody".into()), ..whom("a", None, None) };
        assert!(index.find(&strange, client_of).is_empty());
        // Who is still coming is found by the same words.
        for (user, client, session) in [
            ("a", None, None),
            ("a", Some(1), None),
            ("a", Some(3), None),
            ("b", Some(1), None),
            ("a", None, Some("s1")),
            ("a", None, Some("s3")),
            ("a", Some(1), Some("s1")),
            ("a", Some(2), Some("s1")),
            ("a", None, Some("")),
            ("", None, None),
        ] {
            let whom = whom(user, client, session);
            let is_found = index.find(&whom, client_of).contains(&PeerId(1));
            let has = Named("a", 1, Some("s1")).place(&Cell::default(), |place| whom.has(place));
            assert_eq!(has, is_found, "{whom:?}");
        }
        assert!(!Named("a", 1, Some("s1")).place(&Cell::default(), |place| strange.has(place)));
        assert_eq!(index.by_session("s3"), Some(PeerId(3)));
        leave(&index, 3, Named("b", 3, Some("s3")));
        assert_eq!(index.by_session("s3"), None);
    }

    #[test]
    fn a_token_has_the_connections_that_came_or_go_on_with_it() {
        let index = Index::default();
        let named = Named("a", 1, None);
        let marks = [Some(1), Some(2), Some(1), None].map(|id| Cell::new(Mark::of(id)));
        for (peer, mark) in (0..).zip(&marks) {
            named.place(mark, |place| index.enter(PeerId(peer), place, |_| Some(Uuid::from_u128(1))));
        }
        let found = |id| index.with_token(id).iter().map(|peer| peer.0).collect::<Vec<_>>();
        let remark = |peer: usize, id| {
            named.place(&marks[peer], |place| index.remark(PeerId(peer as u64), place, Mark::of(id)));
        };
        assert_eq!((found(1), found(2), found(3)), (vec![0, 2], vec![1], vec![]));
        remark(0, Some(2));
        remark(3, Some(3));
        assert_eq!((found(1), found(2), found(3)), (vec![2], vec![0, 1], vec![3]));
        remark(1, None);
        for (peer, mark) in (0..).zip(&marks) {
            named.place(mark, |place| index.leave(PeerId(peer), place));
        }
        assert!(index.0.borrow().tokens.is_empty());
    }

    #[test]
    fn what_is_wanted_is_noted_for_who_is_coming_and_no_more_than_is_bounded() {
        let index = Index::default();
        let steer = Arc::new(Steer::Refresh(Refresh {
            whom: whom("a", None, None),
            expired: true,
            expire_at: None,
            info: None,
        }));
        index.note(&steer);
        let (first, second) = (index.coming(PeerId(1)), index.coming(PeerId(2)));
        index.note(&steer);
        drop(second);
        (1..STEERS_MAX).for_each(|_| index.note(&steer));
        assert!(!index.0.borrow().coming[&PeerId(1)].is_overrun);
        index.note(&steer);
        let Missed { steers, is_overrun } = first.missed();
        assert_eq!((steers.len(), is_overrun), (STEERS_MAX, true));
        assert!(index.0.borrow().coming.is_empty());
    }
}
