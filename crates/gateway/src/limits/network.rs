//! Addresses and networks of them.

use std::{
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// An address, or all that begin as it does: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: Ipv6Addr,
    bits: u32,
}

/// IPv4 is looked at as it is mapped into IPv6, whose first 96 bits are the same for all.
const MAPPED_BITS: u32 = 96;

impl Network {
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        masked(mapped(address), self.bits) == masked(self.address, self.bits)
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Network, ()> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(());
        }
        let before = if address.is_ipv4() { MAPPED_BITS } else { 0 };
        Ok(Network { address: mapped(address), bits: before + bits })
    }
}

/// What counts as one place that connections come from: an IPv4 address, or a /64 of IPv6, of which one line may have all.
pub(crate) fn place(address: IpAddr) -> Ipv6Addr {
    let bits = if address.to_canonical().is_ipv4() { 128 } else { 64 };
    masked(mapped(address), bits)
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn masked(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    Ipv6Addr::from(u128::from(address) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_what_begins_as_it_does() {
        let has =
            |network: &str, address: &str| network.parse::<Network>().unwrap().has(address.parse().unwrap());
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.0.0.7", "::ffff:10.0.0.7", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            assert_eq!(has(network, address), expected, "{network} {address}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0", "10.0.0.0/-1", "::/129", "a.example"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_line_of_ipv6_is_one_place() {
        let place = |address: &str| place(address.parse().unwrap());
        assert_eq!(place("2001:db8::1"), place("2001:db8::2"));
        assert_ne!(place("2001:db8:0:1::1"), place("2001:db8::1"));
        assert_ne!(place("10.0.0.1"), place("10.0.0.2"));
        assert_eq!(place("10.0.0.1"), place("::ffff:10.0.0.1"));
    }
}
