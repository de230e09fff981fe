//! Who a client is: connection tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use naru_ledger::User;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::limits::CLOCK_LEEWAY;

/// The secret that connection tokens are signed with, by HMAC with SHA-256, 384 or 512.
#[derive(Clone)]
pub struct TokenKey {
    decoding: DecodingKey,
    encoding: EncodingKey,
    validation: Validation,
}

/// The secret is empty: everybody could sign with it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the token secret is empty; give at least 32 random characters")]
pub struct EmptySecret;

/// What a good token says.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) user: User,
    /// When it ends, in seconds since 1970; it may be over by the leeway.
    pub(crate) expires_at: Option<u64>,
    /// What others are shown beside the name.
    pub(crate) info: Option<Box<RawValue>>,
    /// Channels that the server subscribes the client to.
    pub(crate) channels: Vec<String>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// Not ours, or not well made.
    Invalid,
    /// It was good once, or will be.
    Expired,
}

/// The claims we know; each must have the right type. `exp` and `nbf` are whole seconds.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: Option<u64>,
    nbf: Option<u64>,
    info: Option<Box<RawValue>>,
    #[serde(default)]
    channels: Vec<String>,
    /// Makes it a subscription token, which opens no connection.
    channel: Option<IgnoredAny>,
}

#[derive(Serialize)]
struct Signed<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

impl TokenKey {
    /// A shared secret, as the application that signs the tokens has it.
    pub fn secret(secret: &str) -> Result<TokenKey, EmptySecret> {
        if secret.is_empty() {
            return Err(EmptySecret);
        }
        // The claims are checked below, on types of our own: the library takes an `exp` it cannot read for none.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Ok(TokenKey {
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            validation,
        })
    }

    /// A token for `user`, good for `ttl` from now, or for ever.
    pub fn sign(&self, user: &User, ttl: Option<Duration>) -> String {
        let exp = ttl.map(|ttl| unix_seconds().saturating_add(ttl.as_secs()));
        jsonwebtoken::encode(&Header::default(), &Signed { sub: user.as_str(), exp }, &self.encoding)
            .expect("a name and a number can be signed with a secret")
    }

    /// Reads a token at `now`, in seconds since 1970.
    pub(crate) fn verify(&self, token: &str, now: u64) -> Result<Identity, BadToken> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| BadToken::Invalid)?
            .claims;
        if claims.channel.is_some() {
            return Err(BadToken::Invalid);
        }
        let user = User::parse(&claims.sub).map_err(|_| BadToken::Invalid)?;
        let leeway = CLOCK_LEEWAY.as_secs();
        let is_over = claims.exp.is_some_and(|exp| exp.saturating_add(leeway) <= now);
        let is_early = claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(leeway));
        if is_over || is_early {
            return Err(BadToken::Expired);
        }
        Ok(Identity { user, expires_at: claims.exp, info: claims.info, channels: claims.channels })
    }
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key() -> TokenKey {
        TokenKey::secret("secret").unwrap()
    }

    fn signed(algorithm: Algorithm, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key().encoding).unwrap()
    }

    fn verdict(claims: Value) -> Result<Identity, BadToken> {
        key().verify(&signed(Algorithm::HS256, &claims), NOW)
    }

    /// Puts another header on a token, keeping its claims and signature.
    fn with_header(token: &str, header: &str) -> String {
        let rest = token.split_once('.').unwrap().1;
        // Base64url of a header, by way of a token that has it as its claims.
        let bare = jsonwebtoken::encode(
            &Header::default(),
            &serde_json::from_str::<Value>(header).unwrap(),
            &key().encoding,
        )
        .unwrap();
        let encoded = bare.split('.').nth(1).unwrap();
        format!("{encoded}.{rest}")
    }

    #[test]
    fn a_good_token_names_its_user_with_any_of_the_three_hashes() {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let token = signed(
                algorithm,
                &json!({"sub": "앨리스", "exp": NOW + 60, "iat": 1.5, "aud": "x", "info": {"a": 1}, "channels": ["public:a"]}),
            );
            let identity = key().verify(&token, NOW).unwrap();
            assert_eq!(identity.user.as_str(), "앨리스");
            assert_eq!(identity.expires_at, Some(NOW + 60));
            assert_eq!(identity.info.unwrap().get(), r#"{"a":1}"#);
            assert_eq!(identity.channels, ["public:a"]);
        }
        assert_eq!(verdict(json!({"sub": "alice"})).unwrap().expires_at, None);
    }

    #[test]
    fn what_we_sign_we_accept() {
        let user = User::parse("alice").unwrap();
        let identity =
            key().verify(&key().sign(&user, Some(Duration::from_secs(60))), unix_seconds()).unwrap();
        assert_eq!(identity.user, user);
        assert!(identity.expires_at.unwrap() > unix_seconds());
        assert_eq!(key().verify(&key().sign(&user, None), NOW).unwrap().expires_at, None);
    }

    #[test]
    fn claims_of_the_wrong_kind_make_a_token_invalid() {
        let bad = [
            json!({}),
            json!({"sub": ""}),
            json!({"sub": 7}),
            json!({"sub": null}),
            json!({"sub": "a\nb"}),
            json!({"sub": "x".repeat(129)}),
            json!({"sub": "alice", "exp": "1900000000"}),
            json!({"sub": "alice", "exp": 1_900_000_000.5}),
            json!({"sub": "alice", "exp": -1}),
            json!({"sub": "alice", "exp": {}}),
            json!({"sub": "alice", "nbf": "1"}),
            json!({"sub": "alice", "channels": "public:a"}),
            json!({"sub": "alice", "channel": "public:a"}),
            json!({"sub": "alice", "channel": ""}),
            json!(["alice"]),
        ];
        for claims in bad {
            assert_eq!(verdict(claims.clone()).unwrap_err(), BadToken::Invalid, "{claims}");
        }
    }

    #[test]
    fn a_token_counts_between_nbf_and_exp_give_or_take_the_leeway() {
        let leeway = CLOCK_LEEWAY.as_secs();
        verdict(json!({"sub": "alice", "exp": NOW - leeway + 1})).unwrap();
        verdict(json!({"sub": "alice", "exp": u64::MAX, "nbf": NOW + leeway})).unwrap();
        for claims in [
            json!({"sub": "alice", "exp": NOW - leeway}),
            json!({"sub": "alice", "exp": 0}),
            json!({"sub": "alice", "nbf": NOW + leeway + 1}),
        ] {
            assert_eq!(verdict(claims.clone()).unwrap_err(), BadToken::Expired, "{claims}");
        }
    }

    #[test]
    fn a_token_that_was_not_signed_by_us_is_invalid() {
        let good = signed(Algorithm::HS256, &json!({"sub": "alice"}));
        key().verify(&good, NOW).unwrap();
        let (head, signature) = good.rsplit_once('.').unwrap();
        let claims = head.split_once('.').unwrap().1;
        let other = TokenKey::secret("Secret").unwrap();
        let mut bad = vec![
            String::new(),
            ".".into(),
            "..".into(),
            "a.b.c".into(),
            head.into(),
            format!("{head}."),
            format!("{head}.{}", &signature[..signature.len() - 2]),
            format!("{good}.{signature}"),
            format!("{good}A"),
            good.replace(claims, signed(Algorithm::HS256, &json!({"sub": "bob"})).split('.').nth(1).unwrap()),
            other.sign(&User::parse("alice").unwrap(), None),
        ];
        for algorithm in ["none", "None", "NONE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256"] {
            let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
            bad.push(with_header(&good, &header));
            bad.push(format!("{}.", with_header(head, &header)));
        }
        bad.push(with_header(&good, r#"{"typ":"JWT"}"#));
        for token in bad {
            assert_eq!(key().verify(&token, NOW).unwrap_err(), BadToken::Invalid, "{token}");
        }
    }

    #[test]
    fn an_empty_secret_is_no_secret() {
        assert_eq!(TokenKey::secret("").err(), Some(EmptySecret));
    }
}
