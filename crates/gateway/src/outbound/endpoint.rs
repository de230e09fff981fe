//! Where the gateway may send requests.

use std::{fmt, time::Duration};

use http::{Uri, uri::Scheme};

/// A place on another server that the operator has configured. There is no other way to get one: nothing that a client sends
/// becomes an address.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) uri: Uri,
    /// Time for the whole exchange.
    pub(super) patience: Duration,
    /// Bytes of an answer.
    pub(super) answer_bytes_max: usize,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// Not an absolute URL of the web.
    #[error("it is no URL that begins with http:// or https://")]
    NotHttp,
    /// A name or password before the host would be shown wherever the address is.
    #[error("a URL with a user name or password in it is not taken")]
    WithPassword,
}

impl Endpoint {
    /// Takes the URL that the configuration names.
    pub(crate) fn parse(
        url: &str,
        patience: Duration,
        answer_bytes_max: usize,
    ) -> Result<Endpoint, BadEndpoint> {
        let uri: Uri = url.parse().map_err(|_| BadEndpoint::NotHttp)?;
        let is_http = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let Some(authority) = uri.authority().filter(|authority| is_http && !authority.host().is_empty())
        else {
            return Err(BadEndpoint::NotHttp);
        };
        if authority.as_str().contains('@') {
            return Err(BadEndpoint::WithPassword);
        }
        Ok(Endpoint { uri, patience, answer_bytes_max })
    }

    /// Whether it is reached by TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }
}

/// Without the query, which may hold a key.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let scheme = part(self.uri.scheme_str());
        let authority = part(self.uri.authority().map(|authority| authority.as_str()));
        write!(f, "{scheme}://{authority}{}", self.uri.path())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_endpoints_and_none_shows_a_key() {
        let parse = |url: &str| Endpoint::parse(url, Duration::ZERO, 0);
        let endpoint = parse("https://id.example:8443/keys?key=secret").unwrap();
        assert!(endpoint.is_encrypted());
        assert_eq!(format!("{endpoint} {endpoint:?}").matches("secret").count(), 0);
        assert_eq!(endpoint.to_string(), "https://id.example:8443/keys");
        assert!(!parse("http://[::1]/").unwrap().is_encrypted());
        for url in ["", "/keys", "id.example/keys", "ftp://id.example/", "file:///etc/passwd", "https://"] {
            assert_eq!(parse(url).unwrap_err(), BadEndpoint::NotHttp, "{url}");
        }
        assert_eq!(parse("https://me:secret@id.example/").unwrap_err(), BadEndpoint::WithPassword);
    }
}
