use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;

use crate::limits::{Network, place};

/// Where a connection comes from that is counted. A proxy that is trusted says it, and nobody else is believed: each proxy
/// adds to the end of `X-Forwarded-For` whom it was asked by. Not this machine: a proxy there is not known to be one.
pub(super) fn counted(trusted: &[Network], from: IpAddr, headers: &HeaderMap) -> Option<Ipv6Addr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.has(address));
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
