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
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::{Bucket, Buckets, Limits, STRANGER_PATIENCE, Whose};
use users::Users;

pub(crate) use full::Full;
pub(crate) use users::OfUser;

mod full;
mod users;
mod whence;

/// The places for sessions.
pub(crate) struct Admission {
    limits: Arc<Limits>,
    taken: Mutex<Taken>,
    /// The place of all who count among all, and for no address: as many as hold it.
    inside: Arc<Place>,
    pub(crate) users: Arc<Users>,
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

/// A session's place, given back when dropped. A pointer: each session has one. Where its holder counts for no address,
/// it changes when they have signed in: from then on they share one.
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

struct Stranger {
    number: u64,
    turned_out: Arc<Notify>,
}

impl Admission {
    pub(crate) fn new(limits: Arc<Limits>) -> Arc<Admission> {
        Arc::new(Admission {
            users: Arc::new(Users::new(limits.user_connections_max)),
            limits,
            taken: Mutex::default(),
            inside: Arc::new(Place::Inside),
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
        let address = from
            .filter(|_| self.wants_addresses())
            .and_then(|from| whence::counted(&self.limits.trusted_proxies, from, headers));
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
mod tests;
