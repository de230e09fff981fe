//! The first part of a token: how it says that it is signed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

use super::{algorithm::Algorithm, fault::Fault};

/// What is read of it. Nothing of it is believed: it only chooses among configured keys.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: Algorithm,
    pub(super) kid: Option<String>,
    jku: Option<IgnoredAny>,
    jwk: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
    crit: Option<IgnoredAny>,
}

impl Header {
    pub(super) fn of(token: &str) -> Result<Header, Fault> {
        let [header, ..] = parts(token).ok_or(Fault::Malformed)?;
        let text = URL_SAFE_NO_PAD.decode(header).map_err(|_| Fault::Malformed)?;
        // Serde would read a list as well, as the members in their order.
        if !text.starts_with(b"{") {
            return Err(Fault::Malformed);
        }
        let header: Header = serde_json::from_slice(&text).map_err(|_| Fault::Malformed)?;
        // Keys come from the configuration alone; and who must be understood is not ignored.
        if header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.crit.is_some() {
            return Err(Fault::Header);
        }
        Ok(header)
    }
}

/// Header, claims, signature.
pub(super) fn parts(token: &str) -> Option<[&str; 3]> {
    let mut parts = token.split('.');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}
