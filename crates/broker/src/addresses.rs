use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Instant,
};

use ahash::RandomState;
use parking_lot::Mutex;

/// With more addresses than this, those that nobody is connected from are forgotten, once a second.
const KEPT_MAX: usize = 4096;

/// How many connections come from where. With IPv6 a network of 64 bits counts as one, since a single machine has all
/// of its addresses. While there is no limit nothing is counted.
pub(crate) struct Addresses {
    book: Mutex<Book>,
    started: Instant,
}

#[derive(Default)]
struct Book {
    visits: HashMap<IpAddr, Visits, RandomState>,
    /// The second in which addresses were last forgotten.
    forgot: u64,
}

#[derive(Default)]
struct Visits {
    open: usize,
    /// The second since the start in which the last one came, and how many came in it.
    second: u64,
    came: usize,
}

/// What one address may have; none for any number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AddressLimits {
    /// Connections at a time.
    pub(crate) open_max: Option<usize>,
    /// New ones in a second.
    pub(crate) rate_max: Option<usize>,
}

/// A connection that counts for its address until this is dropped.
pub(crate) struct Visit(Option<(Arc<Addresses>, IpAddr)>);

impl Visit {
    /// One from somewhere that has no address.
    pub(crate) fn uncounted() -> Self {
        Visit(None)
    }
}

impl Addresses {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Addresses { book: Mutex::default(), started: Instant::now() })
    }

    /// Lets one in, unless its address has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, limits: AddressLimits) -> Option<Visit> {
        if limits.open_max.is_none() && limits.rate_max.is_none() {
            return Some(Visit::uncounted());
        }
        self.enter_at(self.started.elapsed().as_secs(), address, limits)
    }

    fn enter_at(self: &Arc<Self>, second: u64, address: IpAddr, limits: AddressLimits) -> Option<Visit> {
        let address = network(address);
        let mut book = self.book.lock();
        if book.visits.len() >= KEPT_MAX && book.forgot != second {
            book.forgot = second;
            book.visits.retain(|_, visits| visits.open > 0 || visits.second == second);
        }
        let here = book.visits.entry(address).or_default();
        if here.second != second {
            (here.second, here.came) = (second, 0);
        }
        here.came += 1;
        let is_over = |count: usize, most: Option<usize>| most.is_some_and(|most| count > most);
        if is_over(here.open + 1, limits.open_max) || is_over(here.came, limits.rate_max) {
            return None;
        }
        here.open += 1;
        Some(Visit(Some((self.clone(), address))))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some((addresses, address)) = &self.0
            && let Some(visits) = addresses.book.lock().visits.get_mut(address)
        {
            visits.open -= 1;
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_free_again_when_their_connections_end() {
        let addresses = Addresses::new();
        let limits = AddressLimits { open_max: Some(2), rate_max: None };
        let first = addresses.enter(ip("10.0.0.1"), limits);
        let second = addresses.enter(ip("10.0.0.1"), limits);
        assert!(first.is_some() && second.is_some());
        assert!(addresses.enter(ip("10.0.0.1"), limits).is_none());
        assert!(addresses.enter(ip("10.0.0.2"), limits).is_some());
        drop(first);
        assert!(addresses.enter(ip("10.0.0.1"), limits).is_some());
    }

    #[test]
    fn a_second_has_room_for_so_many_and_the_next_one_for_as_many_again() {
        let addresses = Addresses::new();
        let limits = AddressLimits { open_max: None, rate_max: Some(3) };
        let entered = |second, count| {
            (0..count).filter(|_| addresses.enter_at(second, ip("10.0.0.1"), limits).is_some()).count()
        };
        assert_eq!((entered(7, 5), entered(8, 2), entered(8, 2)), (3, 2, 1));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address_and_ipv4_is_the_same_in_either_form() {
        assert_eq!(network(ip("2001:db8:1:2:3::4")), network(ip("2001:db8:1:2:5::6")));
        assert_ne!(network(ip("2001:db8:1:2::")), network(ip("2001:db8:1:3::")));
        assert_eq!(network(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }

    #[test]
    fn addresses_that_nobody_comes_from_any_more_are_forgotten() {
        let addresses = Addresses::new();
        let stays = addresses.enter_at(0, ip("192.0.2.1"), AddressLimits::default());
        for number in 0..3 * KEPT_MAX as u32 {
            let address = IpAddr::V4(number.into());
            drop(addresses.enter_at(u64::from(number), address, AddressLimits::default()));
        }
        let book = addresses.book.lock();
        assert!(book.visits.len() <= KEPT_MAX && book.visits.contains_key(&ip("192.0.2.1")));
        drop(book);
        drop(stays);
    }
}
