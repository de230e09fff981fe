//! Where the broker is, and a stream to it.

use std::fmt;
use std::io;
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
    // The library takes the other scheme only if it is to do TLS itself.
    let info = format!("redis://{rest}")
        .into_connection_info()
        .map_err(|error| format!("this one is wrong: {error}"))?;
    let ConnectionAddr::Tcp(host, port) = info.addr() else {
        return Err("this one names no host".to_owned());
    };
    if info.redis_settings().db() != 0 {
        return Err("this one names a database, which Naru has only one of".to_owned());
    }
    Ok((host.clone(), *port, info.redis_settings().clone()))
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
            ("redis://broker.example", "broker.example:6379"),
            ("redis://[::1]:7000/0", "[::1]:7000"),
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
            ("redis://", "this one"),
            ("redis://:secret@", "this one"),
            ("redis://:secret@host:99999", "this one"),
            ("redis://:secret@host:port", "this one"),
            ("redis://:secret@host:1/3", "names a database"),
            ("redis://:secret@host:1/x", "this one is wrong"),
            ("redis://:secret@0.0.0.0:1", "wildcard"),
        ] {
            let Err(BusError::BadTarget(text)) = parse(url) else { panic!("{url} was understood") };
            assert!(text.starts_with(FORM) && text.contains(fault), "{url}: {text}");
            assert!(!text.contains("secret"), "{url}: {text}");
        }
    }
}
