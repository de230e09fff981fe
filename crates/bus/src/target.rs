//! Where the broker is, and a stream to it.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use tokio_rustls::rustls::{ClientConfig, pki_types::ServerName};

use crate::error::BusError;

/// Gives one end of a new socket pair whose other end the embedded broker serves, once for each attempt.
pub type Connect = Arc<dyn Fn() -> io::Result<UnixStream> + Send + Sync>;

/// Where a broker is.
#[derive(Clone)]
pub enum Target {
    /// On the network: `redis://[user:password@]host:port`.
    Url(String),
    /// On the network, by TLS: `rediss://[user:password@]host:port`.
    Encrypted {
        /// The address. The broker's certificate must be for its host.
        url: String,
        /// Whom to believe, and what to show.
        terms: Arc<ClientConfig>,
    },
    /// In this process.
    Embedded(Connect),
}

impl Target {
    /// Whether the address can be understood. Nothing is connected to.
    ///
    /// # Errors
    ///
    /// [`BusError::BadTarget`] when it is none.
    pub fn check(&self) -> Result<(), BusError> {
        Place::parse(self.clone()).map(drop)
    }
}

/// A target that was understood. As text it says where, `at host:port` or `in this process`, without the password.
pub(crate) struct Place {
    pub(crate) address: Address,
    pub(crate) login: RedisConnectionInfo,
}

pub(crate) enum Address {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, name: ServerName<'static>, terms: Arc<ClientConfig> },
    Embedded(Connect),
}

const FORM: &str = "a broker's address has the form redis://host:port or redis://user:password@host:port, and begins \
                    with rediss:// for TLS";

impl Place {
    /// Understands a target, or says which form is wanted.
    pub(crate) fn parse(target: Target) -> Result<Place, BusError> {
        let (address, login) = match target {
            Target::Url(url) => {
                let (host, port, login) = parse_url("redis://", &url).map_err(bad)?;
                (Address::Tcp { host, port }, login)
            }
            Target::Encrypted { url, terms } => {
                let (host, port, login) = parse_url("rediss://", &url).map_err(bad)?;
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| bad("no certificate can be for the host of this one".to_owned()))?;
                (Address::Tls { host, port, name, terms }, login)
            }
            Target::Embedded(connect) => (Address::Embedded(connect), RedisConnectionInfo::default()),
        };
        let login = login
            .set_protocol(redis::ProtocolVersion::RESP3)
            .set_lib_name("naru-bus", env!("CARGO_PKG_VERSION"));
        Ok(Place { address, login })
    }
}

/// The fault never repeats the address: it may hold a password.
fn bad(fault: String) -> BusError {
    BusError::BadTarget(format!("{FORM}; {fault}"))
}

/// Host, port and login.
fn parse_url(scheme: &str, url: &str) -> Result<(String, u16, RedisConnectionInfo), String> {
    let Some(rest) = url.strip_prefix(scheme) else {
        return Err(format!("this one does not begin with {scheme}"));
    };
    check_address(rest)?;
    // The library takes the other scheme only if it is to do TLS itself. What it says of a fault is of use to programmers.
    let info = format!("redis://{rest}").into_connection_info().map_err(|_| NO_URL)?;
    let ConnectionAddr::Tcp(host, port) = info.addr() else { return Err(NO_HOST.to_owned()) };
    Ok((host.clone(), *port, info.redis_settings().clone()))
}

const NO_HOST: &str = "this one names no host";
const NO_NAME: &str = "this one's host is no name: one has letters, digits, -, . and _";
const NO_PORT: &str = "this one's port is no number from 1 to 65535";
const NO_IPV6: &str =
    "an IPv6 address stands in brackets, as in redis://[::1]:6379, and this one's does not, or is none";
const NO_DATABASE: &str = "this one names a database, which Naru has only one of";
const NO_URL: &str = "this one's user or password has characters that are not taken as they are: they are written as %XX, in UTF-8";
const NOT_ESCAPED: &str =
    "this one has a / ? or # before its @: in a user's name or password they are written as %2F, %3F and %23";
const WILDCARD: &str = "this one's host is a wildcard, which can be listened on: name the address to reach";

/// Finds what is wrong with host and port, and with what is behind them.
fn check_address(rest: &str) -> Result<(), &'static str> {
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if behind.contains('@') {
        return Err(NOT_ESCAPED);
    }
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let ip = match host.strip_prefix('[') {
        Some(rest) => {
            let ip = rest.strip_suffix(']').and_then(|ip| ip.parse().ok()).ok_or(NO_IPV6)?;
            Some(IpAddr::V6(ip))
        }
        None if host.contains(':') => return Err(NO_IPV6),
        None => host.parse().ok(),
    };
    // A number alone is meant to be the port.
    if host.strip_prefix('+').unwrap_or(host).bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NO_HOST);
    }
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if ip.is_none() && !host.bytes().all(is_of_name) {
        return Err(NO_NAME);
    }
    if ip.is_some_and(|ip| ip.is_unspecified()) {
        return Err(WILDCARD);
    }
    let is_port = |port: &str| !port.starts_with('+') && port.parse::<NonZeroU16>().is_ok();
    if port.is_some_and(|port| !is_port(port)) {
        return Err(NO_PORT);
    }
    match behind.split(['?', '#']).next() {
        Some("" | "/" | "/0") => Ok(()),
        _ => Err(NO_DATABASE),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, port } | Address::Tls { host, port, .. } if host.contains(':') => {
                write!(f, "at [{host}]:{port}")
            }
            Address::Tcp { host, port } | Address::Tls { host, port, .. } => write!(f, "at {host}:{port}"),
            Address::Embedded(_) => f.write_str("in this process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls;

    use super::*;

    fn parse(url: &str) -> Result<Place, BusError> {
        Place::parse(Target::Url(url.to_owned()))
    }

    #[test]
    fn an_address_is_a_host_and_a_port_and_perhaps_a_login() {
        for (url, text) in [
            ("redis://127.0.0.1:7000", "127.0.0.1:7000"),
            ("redis://broker.example:6379/", "broker.example:6379"),
            ("redis://chat_broker-1", "chat_broker-1:6379"),
            ("redis://broker.example", "broker.example:6379"),
            ("redis://[::1]:7000/0", "[::1]:7000"),
            ("redis://[::1]", "[::1]:6379"),
        ] {
            let place = parse(url).unwrap();
            assert_eq!(place.to_string(), format!("at {text}"));
            assert_eq!((place.login.username(), place.login.password()), (None, None));
        }
        let place = parse("redis://ann:p%40ss@host:1").unwrap();
        assert_eq!(place.to_string(), "at host:1");
        assert_eq!((place.login.username(), place.login.password()), (Some("ann"), Some("p@ss")));
        assert_eq!(parse("redis://:secret@host:1").unwrap().login.password(), Some("secret"));
    }

    #[test]
    fn an_address_with_tls_says_so_and_one_without_does_not() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let terms =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let terms = terms.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let parse =
            |url: &str| Place::parse(Target::Encrypted { url: url.to_owned(), terms: terms.clone().into() });
        let place = parse("rediss://:secret@host:1").unwrap();
        assert_eq!((place.to_string().as_str(), place.login.password()), ("at host:1", Some("secret")));
        assert!(matches!(parse("rediss://[::1]:1").unwrap().address, Address::Tls { .. }));
        for url in ["redis://:secret@host:1", "rediss://"] {
            let Err(BusError::BadTarget(text)) = parse(url) else { panic!("{url} was understood") };
            assert!(text.starts_with(FORM) && !text.contains("secret"), "{url}: {text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_the_form_and_what_broke_it_but_not_repeated() {
        for (url, fault) in [
            ("", "does not begin with redis://"),
            ("localhost:6379", "does not begin with redis://"),
            ("http://host:1", "does not begin with redis://"),
            ("rediss://:secret@host:1", "does not begin with redis://"),
            ("::1", "does not begin with redis://"),
            ("[::1]:6379", "does not begin with redis://"),
            ("redis://", NO_HOST),
            ("redis://:6379", NO_HOST),
            ("redis://6379", NO_HOST),
            ("redis://+6379", NO_HOST),
            ("redis://:secret@+6379:1", NO_HOST),
            ("redis://:secret@+host:1", NO_NAME),
            ("redis://:secret@my host:1", NO_NAME),
            ("redis://:secret@h%6fst:1", NO_NAME),
            ("redis://:secret@bröker.example:1", NO_NAME),
            ("redis://:secret@", NO_HOST),
            ("redis://:secret@:1", NO_HOST),
            ("redis://:secret@host:99999", NO_PORT),
            ("redis://:secret@host:port", NO_PORT),
            ("redis://:secret@host:-1", NO_PORT),
            ("redis://:secret@host:0", NO_PORT),
            ("redis://:secret@host:", NO_PORT),
            ("redis://:secret@[::1]:70000", NO_PORT),
            ("redis://:secret@::1", NO_IPV6),
            ("redis://:secret@::1:6379", NO_IPV6),
            ("redis://:secret@[::1", NO_IPV6),
            ("redis://:secret@[::1]6379", NO_IPV6),
            ("redis://:secret@[localhost]:6379", NO_IPV6),
            ("redis://:secret@host:1/3", NO_DATABASE),
            ("redis://:secret@host:1/x", NO_DATABASE),
            ("redis://:secret@0.0.0.0:1", WILDCARD),
            ("redis://:secret@[::]", WILDCARD),
            ("redis://:sec/ret@host:1", NOT_ESCAPED),
            ("redis://:secret#@host:1", NOT_ESCAPED),
            ("redis://ann%ff:secret@host:1", NO_URL),
        ] {
            let Err(BusError::BadTarget(text)) = parse(url) else { panic!("{url} was understood") };
            assert!(text.starts_with(FORM) && text.ends_with(fault), "{url}: {text}");
            assert!(!text.contains("secret") && !text.contains("InvalidClientConfig"), "{url}: {text}");
        }
    }
}
