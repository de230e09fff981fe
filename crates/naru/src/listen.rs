use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use anyhow::anyhow;
use naru_fanout::{Listener, UnixBindError, UnixListener};

/// Binds a port, or says what to do. `flag` is the option that chooses another port.
pub(crate) fn bind(ip: IpAddr, port: u16, flag: &str) -> anyhow::Result<Listener> {
    let address = SocketAddr::new(ip, port);
    Listener::bind(address).map_err(|error| explain(address, flag, &error))
}

/// Why an address cannot be listened on, and what to do.
pub(crate) fn explain(address: SocketAddr, flag: &str, error: &io::Error) -> anyhow::Error {
    let ip = address.ip();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow!(
                "{address} is taken by another program: stop it, or choose another port with {flag} (0: any free one)"
            )
        }
        io::ErrorKind::PermissionDenied => {
            anyhow!("{address} may not be used by this user: choose a port above 1023 with {flag}")
        }
        io::ErrorKind::AddrNotAvailable => {
            anyhow!(
                "{ip} is no address of this machine: choose another with --bind, such as 127.0.0.1 or 0.0.0.0"
            )
        }
        _ => anyhow!("{address} cannot be listened on: {error}"),
    }
}

/// The same, of an address beside that of the clients. `setting` is where another can be chosen.
pub(crate) fn explain_other(
    what: &str,
    address: SocketAddr,
    setting: &str,
    error: &io::Error,
) -> anyhow::Error {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => "another program has taken it".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not have that port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "it is no address of this machine".to_owned(),
        _ => error.to_string(),
    };
    anyhow!("{what} cannot be served on {address}: {why}. Choose another with {setting}")
}

/// How many ports are tried instead of a default one that is taken.
const TRIES: u16 = 100;

/// Binds a default port, or the next free one above it.
pub(crate) fn bind_from(ip: IpAddr, port: u16, flag: &str) -> anyhow::Result<Listener> {
    bind_or_from(ip, port, port.saturating_add(1), flag)
}

/// Binds a default port, or the first free one from `next` on.
pub(crate) fn bind_or_from(ip: IpAddr, port: u16, next: u16, flag: &str) -> anyhow::Result<Listener> {
    for candidate in std::iter::once(port).chain(next..next.saturating_add(TRIES)) {
        match Listener::bind(SocketAddr::new(ip, candidate)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Ok(listener) => return Ok(listener),
            Err(_) => return bind(ip, candidate, flag),
        }
    }
    bind(ip, port, flag)
}

/// Binds a Unix socket, or says what to do.
pub(crate) fn bind_unix(path: &Path, mode: Option<u32>) -> anyhow::Result<UnixListener> {
    UnixListener::bind(path, mode).map_err(|error| {
        let path = path.display();
        match error {
            UnixBindError::Live => {
                anyhow!("{path} is taken by another program: stop it, or choose another with --unixsocket")
            }
            UnixBindError::NotASocket => {
                anyhow!("{path} is a file but no socket, and is left alone: choose another with --unixsocket")
            }
            UnixBindError::Io(error) => {
                anyhow!("the Unix socket {path} cannot be made: {error}; choose another with --unixsocket")
            }
        }
    })
}

/// Permissions of a file as `chmod` takes them, in octal.
pub(crate) fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("permissions are octal digits up to 777, such as 700".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_had_is_said_with_the_setting_that_names_another() {
        let address = "192.0.2.1:9000".parse().unwrap();
        for (kind, why) in [
            (io::ErrorKind::AddrInUse, "another program has taken it"),
            (io::ErrorKind::PermissionDenied, "this user may not have that port"),
            (io::ErrorKind::AddrNotAvailable, "it is no address of this machine"),
        ] {
            let told = explain_other("the server API", address, "--api-address", &kind.into()).to_string();
            let expected = format!(
                "the server API cannot be served on 192.0.2.1:9000: {why}. Choose another with --api-address"
            );
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(parse_mode("700"), Ok(0o700));
        assert_eq!(parse_mode("0660"), Ok(0o660));
        for wrong in ["", "8", "1777", "rwx", "-1"] {
            assert!(parse_mode(wrong).is_err(), "{wrong}");
        }
    }
}
