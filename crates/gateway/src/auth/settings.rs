//! Which tokens are accepted, as the configuration file says it.

use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Deserializer};

use super::{
    algorithm::Algorithm,
    capability::whole,
    key::{BadKey, HMAC, Key},
};
use crate::{
    duration,
    limits::{
        CLOCK_LEEWAY, CLOCK_LEEWAY_MAX, JWKS_BYTES_MAX, JWKS_EVERY, JWKS_PATIENCE, JWKS_PAUSE, LIFETIME_MAX,
        LIFETIME_MIN,
    },
    outbound::{BadEndpoint, Endpoint},
    secret::Secret,
};

/// The tables `[token]`, for connection tokens, and `[subscription_token]`, for subscription tokens if those are of other
/// keys. The names are Centrifugo's (`client.token`) where it has the thing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A shared secret, for HS256, HS384 and HS512.
    pub hmac_secret_key: Option<Secret>,
    /// An RSA public key in PEM form, for RS256, RS384 and RS512.
    pub rsa_public_key: Option<String>,
    /// An ECDSA public key in PEM form: on P-256 for ES256, on P-384 for ES384.
    pub ecdsa_public_key: Option<String>,
    /// An Ed25519 public key in PEM form, for EdDSA.
    pub eddsa_public_key: Option<String>,
    /// More keys, each for one algorithm.
    pub keys: Vec<KeySettings>,
    /// Where public keys are published as a JWKS document.
    pub jwks_public_endpoint: Option<String>,
    /// Time between two looks at that document [default: 10m].
    #[serde(deserialize_with = "time")]
    pub jwks_refresh_interval: Option<Duration>,
    /// The `aud` that tokens must have [default: any or none].
    pub audience: Option<String>,
    /// A regular expression that one of a token's `aud` must fit as a whole.
    pub audience_regex: Option<String>,
    /// The `iss` that tokens must have [default: any or none].
    pub issuer: Option<String>,
    /// A regular expression that a token's `iss` must fit as a whole.
    pub issuer_regex: Option<String>,
    /// How much clocks of ours and of whoever signs may differ [default: 30s].
    #[serde(deserialize_with = "time")]
    pub leeway: Option<Duration>,
    /// Whether tokens without `exp` are refused [default: true].
    pub require_exp: Option<bool>,
    /// How far away the `exp` of a token may be at most, which it has then [default: any or none].
    #[serde(deserialize_with = "time")]
    pub lifetime_limit: Option<Duration>,
    /// Whether a token opens one connection only, by its `jti`, which it has then as well as an `exp` [default: false].
    pub connect_once: bool,
    /// Whether clients may connect with a token whose `sub` is empty [default: false].
    pub allow_anonymous_connection_tokens: bool,
    /// Whether clients may connect without a token [default: false].
    pub allow_anonymous_connect_without_token: bool,
}

/// A table `[[token.keys]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// The `kid` of tokens that are meant for this key. Without one, the key is tried on every token of its algorithm.
    pub id: Option<String>,
    /// HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA.
    pub algorithm: Algorithm,
    /// A shared secret, for HS….
    pub secret: Option<Secret>,
    /// A public key in PEM form, for the others.
    pub public_key: Option<String>,
}

/// Why settings of tokens cannot be used. It quotes no secret.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// A key is not what it should be.
    #[error("{name}: {fault}")]
    Key {
        /// Which setting.
        name: String,
        /// What is wrong about it.
        fault: BadKey,
    },
    /// A key is given twice or not at all.
    #[error("keys, number {0}: give it a secret or a public_key, and not both")]
    OneOfTwo(usize),
    /// Two settings of which one is enough.
    #[error("{0} and {0}_regex exclude each other")]
    Both(&'static str),
    /// No regular expression.
    #[error("{name}: {fault}")]
    Pattern {
        /// Which setting.
        name: &'static str,
        /// What is wrong about it.
        fault: Box<regex::Error>,
    },
    /// No address.
    #[error("jwks_public_endpoint: {0}")]
    Endpoint(#[from] BadEndpoint),
    /// A time out of its bounds.
    #[error("{name} is from {} to {}", duration::written(*least), duration::written(*most))]
    Time {
        /// Which setting.
        name: &'static str,
        /// At least.
        least: Duration,
        /// At most.
        most: Duration,
    },
    /// Nothing to verify a token with.
    #[error("there is no key, so nobody could connect: give at least hmac_secret_key")]
    NoKey,
    /// Subscription tokens open no connections.
    #[error("{0} belongs into [token]: a subscription token opens no connection")]
    NotHere(&'static str),
}

/// Settings that have been checked.
pub(super) struct Checked {
    pub(super) keys: Vec<Key>,
    pub(super) jwks: Option<(Endpoint, Duration)>,
    pub(super) audience: Expected,
    pub(super) issuer: Expected,
    pub(super) leeway: Duration,
    pub(super) require_exp: bool,
    pub(super) lifetime_max: Option<Duration>,
}

/// What a claim is compared with.
pub(super) enum Expected {
    Anything,
    Exactly(String),
    Pattern(Regex),
}

impl Expected {
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Expected::Anything => true,
            Expected::Exactly(expected) => expected == name,
            Expected::Pattern(pattern) => pattern.is_match(name),
        }
    }

    fn read(
        name: &'static str,
        exactly: Option<String>,
        pattern: (&'static str, Option<String>),
    ) -> Result<Expected, BadSettings> {
        match (exactly, pattern) {
            (Some(_), (_, Some(_))) => Err(BadSettings::Both(name)),
            (Some(exactly), _) => Ok(Expected::Exactly(exactly)),
            (None, (name, Some(pattern))) => whole(&pattern)
                .map(Expected::Pattern)
                .map_err(|fault| BadSettings::Pattern { name, fault: Box::new(fault) }),
            (None, (_, None)) => Ok(Expected::Anything),
        }
    }
}

impl Settings {
    /// Tokens signed with this secret by HMAC, and no others.
    pub fn secret(secret: Secret) -> Settings {
        Settings { hmac_secret_key: Some(secret), ..Settings::default() }
    }

    /// Whether any key is named.
    pub fn has_keys(&self) -> bool {
        self.hmac_secret_key.is_some()
            || self.rsa_public_key.is_some()
            || self.ecdsa_public_key.is_some()
            || self.eddsa_public_key.is_some()
            || self.jwks_public_endpoint.is_some()
            || !self.keys.is_empty()
    }
}

impl TryFrom<Settings> for Checked {
    type Error = BadSettings;

    fn try_from(settings: Settings) -> Result<Checked, BadSettings> {
        let within = |name, time: Option<Duration>, usual, least, most| match time.unwrap_or(usual) {
            time if (least..=most).contains(&time) => Ok(time),
            _ => Err(BadSettings::Time { name, least, most }),
        };
        let leeway = within("leeway", settings.leeway, CLOCK_LEEWAY, Duration::ZERO, CLOCK_LEEWAY_MAX)?;
        let day = Duration::from_secs(24 * 60 * 60);
        let every =
            within("jwks_refresh_interval", settings.jwks_refresh_interval, JWKS_EVERY, JWKS_PAUSE, day)?;
        let lifetime_max = settings
            .lifetime_limit
            .map(|limit| within("lifetime_limit", Some(limit), limit, LIFETIME_MIN, LIFETIME_MAX))
            .transpose()?;
        let mut keys = Vec::new();
        let named = |name: &str| {
            let name = name.to_owned();
            move |fault| BadSettings::Key { name, fault }
        };
        if let Some(secret) = &settings.hmac_secret_key {
            keys.push(Key::secret(None, None, secret).map_err(named("hmac_secret_key"))?);
        }
        for (name, pem, algorithms) in [
            ("rsa_public_key", &settings.rsa_public_key, &[Algorithm::RS256][..]),
            (
                "ecdsa_public_key",
                &settings.ecdsa_public_key,
                &[Algorithm::ES256, Algorithm::ES384, Algorithm::ES512],
            ),
            ("eddsa_public_key", &settings.eddsa_public_key, &[Algorithm::EdDSA]),
        ] {
            if let Some(pem) = pem {
                let key = Key::public(None, None, pem).map_err(named(name))?;
                if !algorithms.iter().any(|&algorithm| key.is_for(algorithm)) {
                    return Err(named(name)(BadKey::OtherAlgorithm));
                }
                keys.push(key);
            }
        }
        for (index, key) in settings.keys.iter().enumerate() {
            let KeySettings { id, algorithm, secret, public_key } = key;
            let read = match (secret, public_key) {
                (Some(secret), None) => Key::secret(id.as_deref(), Some(*algorithm), secret),
                (None, Some(_)) if HMAC.contains(algorithm) => Err(BadKey::OtherAlgorithm),
                (None, Some(pem)) => Key::public(id.as_deref(), Some(*algorithm), pem),
                _ => return Err(BadSettings::OneOfTwo(index + 1)),
            };
            keys.push(read.map_err(named(&format!("keys, number {}", index + 1)))?);
        }
        let jwks = match &settings.jwks_public_endpoint {
            Some(url) => Some((Endpoint::parse(url, JWKS_PATIENCE, JWKS_BYTES_MAX)?, every)),
            None => None,
        };
        let audience =
            Expected::read("audience", settings.audience, ("audience_regex", settings.audience_regex))?;
        let issuer = Expected::read("issuer", settings.issuer, ("issuer_regex", settings.issuer_regex))?;
        let require_exp = settings.require_exp.unwrap_or(true);
        Ok(Checked { keys, jwks, audience, issuer, leeway, require_exp, lifetime_max })
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
