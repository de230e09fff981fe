//! A host as it is typed: a name or an IP address, with or without its port.

use std::{net::Ipv6Addr, num::NonZeroU16};

const HOST: &str = "it takes a host alone, such as 127.0.0.1, ::1 or broker.example";

/// A host that has an option of its own, beside that of the port. An IPv6 address may have brackets.
pub(crate) fn alone(text: &str) -> Result<String, &'static str> {
    let in_brackets = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = in_brackets.unwrap_or(text);
    let is_ipv6 = host.contains(':') || in_brackets.is_some();
    // What is behind `%` says by which interface it is reached.
    let address = host.split('%').next().unwrap_or_default();
    if host.is_empty() || host.contains('/') || is_ipv6 && address.parse::<Ipv6Addr>().is_err() {
        return Err(HOST);
    }
    Ok(host.to_owned())
}

/// Host and port, as `chat.example:8000` or `[::1]:8000`.
pub(crate) fn with_port(text: &str) -> Result<(String, u16), &'static str> {
    let parts = text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let (host, port) = parts.ok_or("the port is missing")?;
    if host.contains(':') && !host.starts_with('[') {
        return Err("an IPv6 address stands in brackets, as in [::1]:8000");
    }
    let host = alone(host).map_err(|_| "the host is missing, or is none")?;
    let port = port.parse::<NonZeroU16>().map_err(|_| "the port is no number from 1 to 65535")?;
    Ok((host, port.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_port_and_no_scheme() {
        for (text, host) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("a.b", "a.b"),
        ] {
            assert_eq!(alone(text).as_deref(), Ok(host));
        }
        for wrong in ["", "[]", "[a.b]", "127.0.0.1:6379", "[::1]:6379", "[::1", "redis://a.b", "a.b/c"] {
            assert_eq!(alone(wrong), Err(HOST), "{wrong}");
        }
    }

    #[test]
    fn behind_a_host_is_its_port() {
        for (text, host, port) in
            [("a.b:1", "a.b", 1), ("127.0.0.1:65535", "127.0.0.1", 65535), ("[::1]:8000", "::1", 8000)]
        {
            assert_eq!(with_port(text), Ok((host.to_owned(), port)));
        }
        for (wrong, why) in [
            ("a.b", "port is missing"),
            ("", "port is missing"),
            ("[::1]", "port is missing"),
            (":1", "host is missing"),
            ("a.b:", "from 1 to 65535"),
            ("a.b:0", "from 1 to 65535"),
            ("a.b:70000", "from 1 to 65535"),
            ("[::1]:x", "from 1 to 65535"),
            ("::1", "in brackets"),
            ("::1:8000", "in brackets"),
        ] {
            let said = with_port(wrong).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
