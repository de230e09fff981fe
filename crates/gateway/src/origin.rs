//! Which web pages may connect.

use http::{HeaderMap, Uri, header};

/// Whether a page of this origin may open a connection: no origin means not a browser; a page of the same host may;
/// others only if they are listed, as `https://app.example.com`, or `*` is.
pub(crate) fn is_allowed(headers: &HeaderMap, listed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if listed.iter().any(|listed| listed == "*" || listed.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let (Some(host), Some(scheme), Some(authority)) = (host, origin.scheme_str(), origin.authority()) else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |name: &str| name.strip_suffix(default_port).unwrap_or(name).to_ascii_lowercase();
    bare(host) == bare(authority.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: Option<&str>, host: &str, listed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        let listed: Vec<String> = listed.iter().map(|&listed| listed.to_owned()).collect();
        is_allowed(&headers, &listed)
    }

    #[test]
    fn pages_of_the_same_host_and_listed_ones_may_connect() {
        assert!(allowed(None, "chat.example", &[]));
        assert!(allowed(Some("http://chat.example:8000"), "chat.example:8000", &[]));
        assert!(allowed(Some("https://chat.example"), "Chat.example:443", &[]));
        assert!(allowed(Some("http://[::1]:8000"), "[::1]:8000", &[]));
        assert!(allowed(Some("https://app.example"), "chat.example", &["https://app.example"]));
        assert!(allowed(Some("null"), "chat.example", &["*"]));
    }

    #[test]
    fn pages_from_elsewhere_may_not() {
        for origin in [
            "https://evil.example",
            "http://chat.example.evil.example",
            "http://chat.example:8001",
            "http://chat.example:8000@evil.example",
            "null",
            "",
            "chat.example:8000",
            "file://chat.example:8000",
        ] {
            assert!(!allowed(Some(origin), "chat.example:8000", &["https://app.example"]), "{origin}");
        }
    }
}
