//! Making tokens, as an application does.

use std::{fmt, time::Duration};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use naru_ledger::User;
use serde_json::{Map, Value};

use super::{settings::Settings, unix_seconds};
use crate::secret::Secret;

/// A secret that tokens are signed with, by HMAC with SHA-256. An application has its own way to sign; this one is for trying
/// things, and for those who have no application yet.
#[derive(Clone)]
pub struct TokenKey {
    secret: Secret,
    encoding: EncodingKey,
}

/// The secret is empty: everybody could sign with it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the token secret is empty; give at least 32 random characters")]
pub struct EmptySecret;

impl TokenKey {
    /// A shared secret, as the servers have it.
    pub fn secret(secret: &str) -> Result<TokenKey, EmptySecret> {
        if secret.is_empty() {
            return Err(EmptySecret);
        }
        Ok(TokenKey { secret: Secret::new(secret), encoding: EncodingKey::from_secret(secret.as_bytes()) })
    }

    /// A connection token for `user`, good for `ttl` from now.
    pub fn sign(&self, user: &User, ttl: Duration) -> String {
        self.sign_claims(Map::from_iter([("sub".into(), user.as_str().into())]), ttl)
    }

    /// A token that says this, good for `ttl` from now, unless the claims have an `exp` of their own.
    pub fn sign_claims(&self, mut claims: Map<String, Value>, ttl: Duration) -> String {
        claims.entry("exp").or_insert_with(|| unix_seconds().saturating_add(ttl.as_secs()).into());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("JSON can be signed with a secret")
    }
}

/// The servers' side of it.
impl From<&TokenKey> for Settings {
    fn from(key: &TokenKey) -> Settings {
        Settings::secret(key.secret.clone())
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}
