//! The TCP ports of a broker.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use naru_fanout::{Listener, TlsTerms};

use super::settings::{Bind, Settings};
use crate::{listen, tls::TlsPort};

const DEFAULT_PORT: u16 = 6379;

/// Binds what is asked for: the port without TLS and the one with it, each on every address.
pub(super) fn listen(
    settings: &Settings,
    tls: Option<&TlsPort>,
    terms: Option<&TlsTerms>,
) -> anyhow::Result<Vec<Listener>> {
    let port = settings.port.unwrap_or(DEFAULT_PORT);
    let mut listeners = Vec::new();
    // With another way in, port 0 means what it means to Redis: none.
    if port != 0 || (tls.is_none() && settings.unixsocket.is_none()) {
        listeners = on_each_address(&settings.bind, port, "--port")?;
    }
    if let (Some(tls), Some(terms)) = (tls, terms) {
        let with_tls = on_each_address(&settings.bind, tls.port, "--tls-port")?;
        listeners.extend(with_tls.into_iter().map(|listener| listener.with_tls(terms.clone())));
    }
    Ok(listeners)
}

fn on_each_address(addresses: &[Bind], port: u16, flag: &str) -> anyhow::Result<Vec<Listener>> {
    let (first, more) = match addresses {
        [] => return Ok(vec![listen::bind(IpAddr::V4(Ipv4Addr::LOCALHOST), port, flag)?]),
        [only] => return Ok(vec![listen::bind(only.ip, port, flag)?]),
        [first, more @ ..] => (first, more),
    };
    let mut listeners: Vec<Listener> = Vec::new();
    for bind in std::iter::once(first).chain(more) {
        // A free port is chosen once, for all addresses.
        let port = listeners.first().map_or(port, |listener| listener.address().port());
        match Listener::bind_apart(SocketAddr::new(bind.ip, port)) {
            Ok(listener) => listeners.push(listener),
            Err(error) if bind.may_be_missing && is_missing(&error) => {
                tracing::debug!(address = %bind, "not listened on: this machine does not have it");
            }
            Err(error) => return Err(listen::explain(SocketAddr::new(bind.ip, port), flag, &error)),
        }
    }
    anyhow::ensure!(!listeners.is_empty(), "this machine has none of the addresses given with --bind");
    Ok(listeners)
}

/// Whether this machine has no such address, or no such family of addresses.
fn is_missing(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(AF_NOT_SUPPORTED)
}

/// `EAFNOSUPPORT` of Linux.
const AF_NOT_SUPPORTED: i32 = 97;

/// How clients reach the broker, to be said when it is ready.
pub(super) struct Ways {
    address: Option<SocketAddr>,
    tls_address: Option<SocketAddr>,
    unixsocket: Option<String>,
    /// One that other machines reach.
    open: Option<SocketAddr>,
}

impl Ways {
    pub(super) fn of(listeners: &[Listener], unixsocket: Option<&Path>) -> Self {
        let first = |tls| listeners.iter().find(|listener| listener.is_tls() == tls).map(Listener::address);
        Ways {
            address: first(false),
            tls_address: first(true),
            unixsocket: unixsocket.map(|path| path.display().to_string()),
            open: listeners.iter().map(Listener::address).find(|address| !address.ip().is_loopback()),
        }
    }

    pub(super) fn log(self, cores: usize, has_password: bool) {
        let Ways { address, tls_address, unixsocket, open } = self;
        tracing::info!(
            address = address.map(tracing::field::display),
            tls_address = tls_address.map(tracing::field::display),
            unixsocket,
            cores,
            "the broker is ready"
        );
        if let Some(address) = open.filter(|_| !has_password) {
            tracing::warn!(
                %address,
                "without --requirepass, connections from other machines are refused (protected mode)"
            );
        }
    }
}
