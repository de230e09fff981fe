//! Who may open a session, before anything is known of whom: how many there are, how fast they come, from where.
//!
//! Nothing is counted while nothing is limited.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use ahash::RandomState;
use http::HeaderMap;
use parking_lot::Mutex;

use crate::limits::{Bucket, Limits, Spent, place};

/// The places for sessions.
pub(crate) struct Admission {
    limits: Arc<Limits>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<Ipv6Addr, u32, RandomState>,
    rate: Bucket,
}

/// A session's place, given back when dropped.
#[derive(Default)]
#[must_use]
pub(crate) struct Pass(#[allow(dead_code, reason = "it is there to be dropped")] Option<Box<Place>>);

struct Place {
    admission: Arc<Admission>,
    address: Option<Ipv6Addr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    Rate,
    Address,
}

impl Full {
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Full::All => "there are as many connections as there may be: try again",
            Full::Rate => "too many connections come at once: try again",
            Full::Address => "there are as many connections from this address as there may be",
        }
    }
}

impl Admission {
    pub(crate) fn new(limits: Arc<Limits>) -> Arc<Admission> {
        Arc::new(Admission { limits, taken: Mutex::default() })
    }

    /// Whether it matters where a connection comes from.
    pub(crate) fn wants_addresses(&self) -> bool {
        self.limits.address_connections_max.is_some()
    }

    /// Takes a place for whoever asks with these headers from there.
    pub(crate) fn enter(self: &Arc<Self>, from: Option<IpAddr>, headers: &HeaderMap) -> Result<Pass, Full> {
        let Limits { connections_max, connection_rate, address_connections_max, .. } = &*self.limits;
        if connections_max.is_none() && connection_rate.is_none() && address_connections_max.is_none() {
            return Ok(Pass::default());
        }
        let address = from.filter(|_| self.wants_addresses()).and_then(|from| self.origin(from, headers));
        let mut taken = self.taken.lock();
        if connections_max.is_some_and(|max| taken.all >= max) {
            return Err(Full::All);
        }
        let of_address = address.and_then(|address| taken.by_address.get(&address)).copied().unwrap_or(0);
        if address_connections_max.is_some_and(|max| address.is_some() && of_address >= max) {
            return Err(Full::Address);
        }
        if connection_rate.is_some_and(|rate| taken.rate.spend(rate, self.limits.now()) != Spent::Enough) {
            return Err(Full::Rate);
        }
        taken.all += 1;
        if let Some(address) = address {
            *taken.by_address.entry(address).or_default() += 1;
        }
        Ok(Pass(Some(Box::new(Place { admission: self.clone(), address }))))
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

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.admission.taken.lock();
        taken.all -= 1;
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
    use super::*;
    use crate::limits::Settings;

    fn admission(change: impl FnOnce(&mut Settings)) -> Arc<Admission> {
        let mut settings = Settings::default();
        change(&mut settings);
        Admission::new(Arc::new(settings.try_into().unwrap()))
    }

    fn enter(admission: &Arc<Admission>, from: &str, forwarded: &str) -> Result<Pass, Full> {
        let mut headers = HeaderMap::new();
        if !forwarded.is_empty() {
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        }
        admission.enter(Some(from.parse().unwrap()), &headers)
    }

    #[test]
    fn a_place_is_had_again_when_somebody_has_gone() {
        let admission = admission(|settings| settings.connection_limit = 2);
        let first = enter(&admission, "10.0.0.1", "").ok().unwrap();
        let _second = enter(&admission, "10.0.0.1", "").ok().unwrap();
        assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::All));
        drop(first);
        assert!(enter(&admission, "10.0.0.1", "").is_ok());
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
