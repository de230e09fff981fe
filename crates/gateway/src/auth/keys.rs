//! The configured keys, and how one is chosen.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    algorithm::Algorithm,
    fault::{BadToken, Fault},
    header::Header,
    jwks::Jwks,
    key::{HMAC, Key},
};
use crate::limits::TOKEN_BYTES_MAX;

/// Keys of one purpose. Secrets and public keys are apart, so that no public key is ever used as a secret.
pub(super) struct Keys {
    symmetric: Vec<Key>,
    asymmetric: Vec<Key>,
    jwks: Option<Arc<Jwks>>,
}

impl Keys {
    pub(super) fn new(keys: Vec<Key>, jwks: Option<Arc<Jwks>>) -> Keys {
        let (symmetric, asymmetric) = keys.into_iter().partition(Key::is_symmetric);
        Keys { symmetric, asymmetric, jwks }
    }

    /// The claims of a token that one of these keys has signed.
    pub(super) async fn open(&self, token: &str) -> Result<Box<RawValue>, BadToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Fault::TooLarge.into());
        }
        let header = Header::of(token)?;
        let is_symmetric = is_symmetric(header.alg);
        let configured = if is_symmetric { &self.symmetric } else { &self.asymmetric };
        match (open_with(configured, &header, token), &self.jwks) {
            (Err(Fault::NoKey | Fault::Signature), Some(jwks)) if !is_symmetric => {
                jwks.open(&header, token).await
            }
            (opened, _) => Ok(opened?),
        }
    }
}

/// The claims, if one of these keys is meant and has signed the token.
pub(super) fn open_with(keys: &[Key], header: &Header, token: &str) -> Result<Box<RawValue>, Fault> {
    let mut fault = Fault::NoKey;
    for key in keys.iter().filter(|key| key.is_meant(header)) {
        match key.open(token) {
            Err(Fault::Signature) => fault = Fault::Signature,
            opened => return opened,
        }
    }
    Err(fault)
}

fn is_symmetric(algorithm: Algorithm) -> bool {
    HMAC.contains(&algorithm)
}
