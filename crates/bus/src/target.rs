//! Where the broker is, and a stream to it.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::error::BusError;

/// Gives one end of a new socket pair whose other end the embedded broker serves, once for each attempt.
pub type Connect = Arc<dyn Fn() -> io::Result<UnixStream> + Send + Sync>;

/// Where a broker is.
#[derive(Clone)]
pub enum Target {
    /// On the network: `redis://[user:password@]host:port`.
    Url(String),
    /// In this process.
    Embedded(Connect),
}

/// A target that was understood. As text it is for people, without the password.
pub(crate) struct Place {
    pub(crate) address: Address,
    pub(crate) login: RedisConnectionInfo,
}

pub(crate) enum Address {
    Tcp { host: String, port: u16 },
    Embedded(Connect),
}

const FORM: &str = "a broker's address has the form redis://host:port or redis://user:password@host:port";

impl Place {
    /// Understands a target, or says which form is wanted.
    pub(crate) fn parse(target: Target) -> Result<Place, BusError> {
        let (address, login) = match target {
            Target::Url(url) => {
                parse_url(&url).map_err(|fault| BusError::BadTarget(format!("{FORM}; {fault}")))?
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
fn parse_url(url: &str) -> Result<(Address, RedisConnectionInfo), String> {
    if !url.starts_with("redis://") {
        return Err("this one does not begin with redis://".to_owned());
    }
    let info = url.into_connection_info().map_err(|error| format!("this one is wrong: {error}"))?;
    let ConnectionAddr::Tcp(host, port) = info.addr() else {
        return Err("this one names no host".to_owned());
    };
    if info.redis_settings().db() != 0 {
        return Err("this one names a database, which Naru has only one of".to_owned());
    }
    Ok((Address::Tcp { host: host.clone(), port: *port }, info.redis_settings().clone()))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Embedded(_) => f.write_str("this process"),
        }
    }
}
