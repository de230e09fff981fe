//! Who may open a session, before anything is known of whom: how many there are, how fast they come, from where.
//!
//! Nothing is counted while nothing is limited. Whoever has not signed in is a **stranger**. Where there is a limit of all
//! connections, as there is by default, strangers have a share of them only, and after a moment make room for who comes after
//! them: so nobody is kept out for long by connections that only stand there.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ahash::RandomState;
use http::HeaderMap;
use naru_ledger::User;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    codes::Disconnect,
    limits::{Bucket, Buckets, Limits, STRANGER_PATIENCE, Whose, place},
};

/// The places for sessions.
pub(crate) struct Admission {
    limits: Arc<Limits>,
    taken: Mutex<Taken>,
    /// The place of all who count among all, and for no address: as many as hold it.
    inside: Arc<Place>,
    /// Connections of users who are counted nowhere else: those of servers without inboxes.
    users: Mutex<HashMap<User, usize, RandomState>>,
    /// What users and addresses have spent of their rates.
    pub(crate) rates: Buckets,
    /// It was said that an address has no more.
    has_warned: AtomicBool,
    /// It was said that there are no more.
    has_warned_of_all: AtomicBool,
}

#[derive(Default)]
struct Taken {
    /// Those who count among all and have places of their own.
    apart: usize,
    by_address: HashMap<Ipv6Addr, u32, RandomState>,
    /// In the order in which they came.
    strangers: BTreeMap<u64, Waiting>,
    came: u64,
    rate: Bucket,
}

/// When a stranger came, and what sends it away.
struct Waiting {
    since: Duration,
    turned_out: Arc<Notify>,
}

/// A session's place, given back when dropped. A pointer: each session has one.
#[derive(Default)]
#[must_use]
pub(crate) struct Pass(Cell<Option<Arc<Place>>>);

enum Place {
    Inside,
    Apart(Apart),
}

/// A place of somebody's own.
struct Apart {
    admission: Arc<Admission>,
    address: Option<Ipv6Addr>,
    /// Its holder's alone; a lock, for the place of all is every core's.
    standing: Mutex<Standing>,
}

/// How far a place's holder has come.
enum Standing {
    /// It counts for its address alone.
    Outside,
    /// It counts among all, until it makes room.
    Stranger(Stranger),
    /// It counts among all.
    Inside,
}

/// One of a user's connections, given back when dropped.
pub(crate) struct OfUser {
    admission: Arc<Admission>,
    user: User,
}

struct Stranger {
    number: u64,
    turned_out: Arc<Notify>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    Rate,
    Address,
    AddressRate,
    Refusals,
}

impl Full {
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Full::All => "there are as many connections as there may be: try again",
            Full::Rate => "too many connections come at once: try again",
            Full::Address => "there are as many connections from this address as there may be",
            Full::AddressRate => "too many connections come from this address at once: try again",
            Full::Refusals => "too many bad tokens came from this address: try again later",
        }
    }

    /// Whether who asks asks too much, rather than all together.
    pub(crate) fn is_theirs(self) -> bool {
        matches!(self, Full::AddressRate | Full::Refusals)
    }
}

impl Admission {
    pub(crate) fn new(limits: Arc<Limits>) -> Arc<Admission> {
        Arc::new(Admission {
            limits,
            taken: Mutex::default(),
            inside: Arc::new(Place::Inside),
            users: Mutex::default(),
            rates: Buckets::default(),
            has_warned: AtomicBool::new(false),
            has_warned_of_all: AtomicBool::new(false),
        })
    }

    /// Whether it matters where a connection comes from.
    pub(crate) fn wants_addresses(&self) -> bool {
        let Limits {
            address_connections_max,
            address_connection_rate,
            address_refusal_rate,
            address_command_rate,
            ..
        } = &*self.limits;
        address_connections_max.is_some()
            || address_connection_rate.is_some()
            || address_refusal_rate.is_some()
            || address_command_rate.is_some()
    }

    /// Takes a place for whoever asks with these headers from there: at first among those of its address, see [`Pass::enter`].
    pub(crate) fn knock(self: &Arc<Self>, from: Option<IpAddr>, headers: &HeaderMap) -> Result<Pass, Full> {
        let Limits { connections_max, connection_rate, .. } = &*self.limits;
        let address = from.filter(|_| self.wants_addresses()).and_then(|from| self.origin(from, headers));
        if connections_max.is_none() && connection_rate.is_none() && address.is_none() {
            return Ok(Pass::default());
        }
        if let Some(address) = address {
            self.take_of(address).inspect_err(|full| self.warn(*full))?;
        }
        let standing = Mutex::new(Standing::Outside);
        let place = Place::Apart(Apart { admission: self.clone(), address, standing });
        Ok(Pass(Cell::new(Some(Arc::new(place)))))
    }

    fn take_of(&self, address: Ipv6Addr) -> Result<(), Full> {
        let mut taken = self.taken.lock();
        let count = taken.by_address.get(&address).copied().unwrap_or(0);
        if self.limits.address_connections_max.is_some_and(|max| count >= max) {
            return Err(Full::Address);
        }
        self.spend(address)?;
        taken.by_address.insert(address, count + 1);
        Ok(())
    }

    /// How many there are.
    fn all(&self, taken: &Taken) -> usize {
        taken.apart + Arc::strong_count(&self.inside) - 1
    }

    fn is_full(&self, taken: &Taken) -> bool {
        self.limits.connections_max.is_some_and(|max| self.all(taken) >= max)
    }

    fn take(&self) -> Result<Standing, Full> {
        let Limits { connections_max, strangers_max, connection_rate, .. } = *self.limits;
        let mut taken = self.taken.lock();
        let strangers_max = strangers_max.unwrap_or(usize::MAX);
        let is_full = self.is_full(&taken);
        if is_full && taken.strangers.is_empty() {
            drop(taken);
            self.warn(Full::All);
            return Err(Full::All);
        }
        if connection_rate.is_some_and(|rate| !taken.rate.take(rate, self.limits.now())) {
            return Err(Full::Rate);
        }
        if is_full || taken.strangers.len() >= strangers_max {
            taken.turn_out_the_first();
        }
        taken.apart += 1;
        Ok(connections_max
            .map_or(Standing::Inside, |_| Standing::Stranger(taken.stranger(self.limits.now()))))
    }

    /// Whether somebody new can be let in for whom no stranger has to go who has just come. A few places are left for those who are on
    /// their way already.
    pub(crate) fn has_room(&self) -> bool {
        let Some(max) = self.limits.strangers_max else { return true };
        let taken = self.taken.lock();
        if taken.strangers.len() < max - max / 8 && !self.is_full(&taken) {
            return true;
        }
        let first = taken.strangers.first_key_value();
        first.is_none_or(|(_, first)| self.limits.now().saturating_sub(first.since) >= STRANGER_PATIENCE)
    }

    /// Takes one of a user's connections, if that is limited.
    pub(crate) fn enter_user(self: &Arc<Self>, user: &User) -> Result<Option<OfUser>, Disconnect> {
        let Some(most) = self.limits.user_connections_max else { return Ok(None) };
        let mut users = self.users.lock();
        let count = users.entry(user.clone()).or_default();
        if *count >= most {
            return Err(Disconnect::ConnectionLimit);
        }
        *count += 1;
        Ok(Some(OfUser { admission: self.clone(), user: user.clone() }))
    }

    /// Counts one that comes from there.
    fn spend(&self, address: Ipv6Addr) -> Result<(), Full> {
        let Limits { address_connection_rate, address_refusal_rate, .. } = *self.limits;
        let now = self.limits.now();
        if address_refusal_rate.is_some_and(|rate| !self.rates.has(Whose::Refusals(address), rate, now)) {
            return Err(Full::Refusals);
        }
        match address_connection_rate {
            Some(rate) if !self.rates.take(Whose::Connections(address), rate, now) => Err(Full::AddressRate),
            Some(_) | None => Ok(()),
        }
    }

    /// Says once what the operator may change: what may be a proxy in front that is not known as one, and that there are no more.
    fn warn(&self, full: Full) {
        if full == Full::All && !self.has_warned_of_all.swap(true, Relaxed) {
            tracing::warn!(
                "there are as many connections as limits.connection_limit lets there be, and who comes is answered 503: raise it, \
                 or the hard limit of open files (ulimit -Hn, LimitNOFILE) that it goes by unless it is set, or add a server"
            );
        }
        if matches!(full, Full::Address | Full::AddressRate) && !self.has_warned.swap(true, Relaxed) {
            tracing::warn!(
                "an address has as many connections as limits.address_connection_limit and \
                 limits.address_connection_rate_limit let it have; if it is a proxy's, name it in limits.trusted_proxies"
            );
        }
    }

    /// Where a connection comes from that is counted. A proxy that is trusted says it, and nobody else is believed: each proxy
    /// adds to the end of `X-Forwarded-For` whom it was asked by. Not this machine: a proxy there is not known to be one.
    fn origin(&self, from: IpAddr, headers: &HeaderMap) -> Option<Ipv6Addr> {
        let is_trusted =
            |address: IpAddr| self.limits.trusted_proxies.iter().any(|network| network.has(address));
        let told: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','))
            .collect();
        let mut told = told.into_iter().rev();
        let mut address = from;
        while is_trusted(address) {
            // A proxy that does not say it is not counted: it would be for all behind it.
            address = told.next()?.trim().parse().ok()?;
        }
        (!address.to_canonical().is_loopback()).then(|| place(address))
    }
}

impl Drop for OfUser {
    fn drop(&mut self) {
        let mut users = self.admission.users.lock();
        if let Some(count) = users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.user);
            }
        }
    }
}

impl Taken {
    fn stranger(&mut self, since: Duration) -> Stranger {
        self.came += 1;
        let turned_out = Arc::new(Notify::new());
        self.strangers.insert(self.came, Waiting { since, turned_out: turned_out.clone() });
        Stranger { number: self.came, turned_out }
    }

    /// Who came first has had the most time to sign in. It goes at once, and does not count any more.
    fn turn_out_the_first(&mut self) {
        if let Some((_, first)) = self.strangers.pop_first() {
            first.turned_out.notify_one();
            self.apart -= 1;
        }
    }
}

impl Pass {
    /// Takes its place among all.
    pub(crate) fn enter(self) -> Result<Pass, Full> {
        self.apart(|place| {
            let standing = place.admission.take()?;
            *place.standing.lock() = standing;
            Ok(())
        })
        .transpose()?;
        Ok(self)
    }

    fn apart<T>(&self, what: impl FnOnce(&Apart) -> T) -> Option<T> {
        let place = self.0.take();
        let told = match place.as_deref() {
            Some(Place::Apart(place)) => Some(what(place)),
            Some(Place::Inside) | None => None,
        };
        self.0.set(place);
        told
    }

    /// Where its holder comes from, if that is counted.
    pub(crate) fn address(&self) -> Option<Ipv6Addr> {
        self.apart(|place| place.address).flatten()
    }

    /// Returns when the holder has to make room. Not once they have signed in.
    pub(crate) fn turned_out(&self) -> impl Future<Output = ()> + use<> {
        let stranger = self.apart(|place| match &*place.standing.lock() {
            Standing::Stranger(stranger) => Some(stranger.turned_out.clone()),
            Standing::Outside | Standing::Inside => None,
        });
        let stranger = stranger.flatten();
        async move {
            match stranger {
                Some(turned_out) => turned_out.notified().await,
                None => std::future::pending().await,
            }
        }
    }

    /// The holder is known from now on.
    pub(crate) fn signed_in(&self) {
        if let Some(inside) = self.apart(Apart::signed_in).flatten() {
            self.0.set(Some(inside));
        }
    }

    /// Whether its holder has to make room, and nobody has to wait for it.
    pub(crate) fn is_turned_out(&self) -> bool {
        let is_turned_out = self.apart(|place| {
            let taken = place.admission.taken.lock();
            match &*place.standing.lock() {
                Standing::Stranger(stranger) => !taken.strangers.contains_key(&stranger.number),
                Standing::Outside | Standing::Inside => false,
            }
        });
        is_turned_out.unwrap_or(false)
    }

    /// The holder has come with a bad token.
    pub(crate) fn refused(&self) {
        self.apart(|place| {
            let Admission { limits, rates, .. } = &*place.admission;
            if let Some((address, rate)) = place.address.zip(limits.address_refusal_rate) {
                // Whether it was too much is asked when the next one comes.
                let _ = rates.spend(Whose::Refusals(address), rate, limits.now());
            }
        });
    }
}

impl Apart {
    /// The holder is known; the place that is enough from now on, if there is one.
    fn signed_in(&self) -> Option<Arc<Place>> {
        let mut taken = self.admission.taken.lock();
        if !self.leave_strangers(&mut taken) || self.address.is_some() {
            return None;
        }
        taken.apart -= 1;
        *self.standing.lock() = Standing::Outside;
        Some(self.admission.inside.clone())
    }

    /// Whether it counts among all: it does not once it was a stranger's who had to make room.
    fn leave_strangers(&self, taken: &mut Taken) -> bool {
        let mut standing = self.standing.lock();
        match &*standing {
            Standing::Inside => true,
            Standing::Stranger(Stranger { number, .. }) if taken.strangers.remove(number).is_some() => {
                *standing = Standing::Inside;
                true
            }
            Standing::Outside | Standing::Stranger(_) => false,
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let mut taken = self.admission.taken.lock();
        if self.leave_strangers(&mut taken) {
            taken.apart -= 1;
        }
        let Some(address) = self.address else { return };
        if let Some(count) = taken.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::limits::Settings;

    fn admission(change: impl FnOnce(&mut Settings)) -> Arc<Admission> {
        let mut settings = Settings {
            address_connection_limit: 0,
            address_connection_rate_limit: 0,
            address_refusal_limit: 0,
            ..Settings::default()
        };
        change(&mut settings);
        Admission::new(Arc::new(settings.try_into().unwrap()))
    }

    fn enter(admission: &Arc<Admission>, from: &str, forwarded: &str) -> Result<Pass, Full> {
        let mut headers = HeaderMap::new();
        if !forwarded.is_empty() {
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        }
        admission.knock(Some(from.parse().unwrap()), &headers)?.enter()
    }

    fn is_turned_out(pass: &Pass) -> bool {
        pass.turned_out().now_or_never().is_some()
    }

    #[test]
    fn a_place_is_had_again_when_somebody_has_gone() {
        let admission = admission(|settings| settings.connection_limit = Some(2));
        let first = enter(&admission, "10.0.0.1", "").ok().unwrap();
        let second = enter(&admission, "10.0.0.1", "").ok().unwrap();
        [&first, &second].iter().for_each(|pass| pass.signed_in());
        assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::All));
        drop(first);
        assert!(enter(&admission, "10.0.0.1", "").is_ok());
    }

    #[test]
    fn strangers_have_a_share_and_who_came_first_makes_room() {
        let admission = admission(|settings| {
            settings.connection_limit = Some(4);
            settings.stranger_limit = 2;
        });
        let come = || enter(&admission, "10.0.0.1", "").ok().unwrap();
        let known: Vec<_> = (0..3).map(|_| come()).inspect(Pass::signed_in).collect();
        let first = come();
        assert!(!is_turned_out(&first));
        // All places are taken: whoever comes takes a stranger's.
        let second = come();
        assert!(is_turned_out(&first) && !is_turned_out(&second));
        drop(first);
        let third = come();
        assert!(is_turned_out(&second) && !is_turned_out(&third));
        let fourth = come();
        assert!(is_turned_out(&third) && known.iter().all(|pass| !is_turned_out(pass)));
        // Who signs in too late has to go all the same.
        third.signed_in();
        assert!(third.is_turned_out() && !fourth.is_turned_out());
        fourth.signed_in();
        assert_eq!(
            enter(&admission, "10.0.0.1", "").err(),
            Some(Full::All),
            "nobody who is known makes room"
        );
        drop((second, third));
        assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::All), "they did not count any more");
        drop((known, fourth));
        assert_eq!(admission.taken.lock().strangers.len(), 0);
        assert_eq!(admission.all(&admission.taken.lock()), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_have_their_time_before_others_are_let_in() {
        let admission = admission(|settings| {
            settings.connection_limit = Some(100);
            settings.stranger_limit = 8;
        });
        let come = || enter(&admission, "10.0.0.1", "").ok().unwrap();
        let strangers: Vec<_> = (0..7).map(|_| come()).collect();
        assert!(!admission.has_room());
        strangers[0].signed_in();
        assert!(admission.has_room());
        let _another = come();
        assert!(!admission.has_room());
        tokio::time::advance(STRANGER_PATIENCE).await;
        assert!(admission.has_room());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_of_all_places_is_not_taken_from_a_stranger_who_has_just_come() {
        let admission = admission(|settings| {
            settings.connection_limit = Some(3);
            settings.stranger_limit = 3;
        });
        let come = || enter(&admission, "10.0.0.1", "").ok().unwrap();
        let known = [come(), come()];
        known.iter().for_each(Pass::signed_in);
        let last = come();
        assert!(!admission.has_room());
        // Where nobody makes room, who comes hears that there is none.
        last.signed_in();
        assert!(admission.has_room());
        assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::All));
        drop(last);
        let _last = come();
        assert!(!admission.has_room());
        tokio::time::advance(STRANGER_PATIENCE).await;
        assert!(admission.has_room());
    }

    #[test]
    fn who_has_signed_in_and_counts_for_no_address_has_no_place_of_its_own() {
        let admission = admission(|settings| settings.address_connection_limit = 9);
        let [here, there] = ["127.0.0.1", "10.0.0.1"].map(|from| enter(&admission, from, "").ok().unwrap());
        [&here, &there].iter().for_each(|pass| pass.signed_in());
        let shares = |pass: &Pass| {
            let place = pass.0.take();
            let shares = place.as_ref().is_some_and(|place| Arc::ptr_eq(place, &admission.inside));
            pass.0.set(place);
            shares
        };
        assert!(shares(&here) && !shares(&there));
        assert_eq!(admission.all(&admission.taken.lock()), 2);
        // Once more changes nothing.
        [&here, &there].iter().for_each(|pass| pass.signed_in());
        assert_eq!(admission.all(&admission.taken.lock()), 2);
        drop((here, there));
        assert_eq!(admission.all(&admission.taken.lock()), 0);
        assert_eq!(size_of::<Pass>(), size_of::<usize>());
    }

    #[test]
    fn strangers_never_take_what_is_for_others() {
        let admission = admission(|settings| {
            settings.connection_limit = Some(100);
            settings.stranger_limit = 10;
        });
        let mut all: Vec<_> = (0..50).map(|_| enter(&admission, "10.0.0.1", "").ok().unwrap()).collect();
        all.retain(|pass| !is_turned_out(pass));
        assert_eq!(all.len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn bad_tokens_keep_an_address_out_for_a_while_and_no_other() {
        let admission = admission(|settings| settings.address_refusal_limit = 2);
        for _ in 0..2 {
            enter(&admission, "10.0.0.1", "").ok().unwrap().refused();
        }
        assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::Refusals));
        assert!(enter(&admission, "10.0.0.2", "").is_ok());
        tokio::time::advance(std::time::Duration::from_secs(31)).await;
        assert!(enter(&admission, "10.0.0.1", "").is_ok());
        // Of this machine none are counted.
        (0..9).for_each(|_| enter(&admission, "127.0.0.1", "").ok().unwrap().refused());
        assert!(enter(&admission, "127.0.0.1", "").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_come_from_an_address_in_a_second() {
        let admission = admission(|settings| settings.address_connection_rate_limit = 3);
        let come = |from| (0..5).filter(|_| enter(&admission, from, "").is_ok()).count();
        assert_eq!(enter(&admission, "10.0.0.1", "").err(), None);
        assert_eq!(come("10.0.0.1"), 2);
        assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::AddressRate));
        assert_eq!(come("10.0.0.2"), 3);
        assert_eq!(come("127.0.0.1"), 5);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(come("10.0.0.1"), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_come_in_a_second() {
        let admission = admission(|settings| settings.connection_rate_limit = 3);
        let come = || (0..5).filter(|_| enter(&admission, "10.0.0.1", "").is_ok()).count();
        assert_eq!(come(), 3);
        tokio::time::advance(std::time::Duration::from_secs(10)).await;
        assert_eq!(come(), 3);
    }

    #[test]
    fn an_address_has_so_many_and_this_machine_as_many_as_it_likes() {
        let admission = admission(|settings| settings.address_connection_limit = 1);
        let one = enter(&admission, "10.0.0.1", "").ok().unwrap();
        assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::Address));
        // Whoever is not trusted is not believed.
        assert_eq!(enter(&admission, "10.0.0.1", "10.9.9.9").err(), Some(Full::Address));
        let _other = enter(&admission, "10.0.0.2", "").ok().unwrap();
        let _here: Vec<_> = (0..5).map(|_| enter(&admission, "127.0.0.1", "").ok().unwrap()).collect();
        drop(one);
        let _again = enter(&admission, "10.0.0.1", "").ok().unwrap();
        assert_eq!(admission.taken.lock().by_address.len(), 2);
    }

    #[test]
    fn a_proxy_that_is_trusted_says_who_comes() {
        let admission = admission(|settings| {
            settings.address_connection_limit = 1;
            settings.trusted_proxies = vec!["10.0.0.0/8".into(), "127.0.0.1".into()];
        });
        let _one = enter(&admission, "10.0.0.1", "192.0.2.1").ok().unwrap();
        let _other = enter(&admission, "10.0.0.1", "192.0.2.2").ok().unwrap();
        assert_eq!(enter(&admission, "127.0.0.1", "192.0.2.1").err(), Some(Full::Address));
        // What stands further to the left, clients can write themselves.
        assert_eq!(enter(&admission, "10.0.0.1", "192.0.2.9, 192.0.2.1").err(), Some(Full::Address));
        assert_eq!(enter(&admission, "10.0.0.1", "192.0.2.1, 10.0.0.2").err(), Some(Full::Address));
        // A proxy that says nothing is not counted.
        assert!(enter(&admission, "10.0.0.1", "").is_ok() && enter(&admission, "10.0.0.1", "x").is_ok());
    }
}
