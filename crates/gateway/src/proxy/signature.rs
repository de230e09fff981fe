//! Signs what the application is asked, as Standard Webhooks has it, so that any of its libraries can tell that a request is
//! ours, and new.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de::Error as _};
use uuid::Uuid;

use crate::{auth::unix_seconds, secret::Secret};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// Bytes of a secret: fewer are guessed, more are not of the standard.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key that requests are signed with, if they are.
#[derive(Clone, Debug, Default)]
pub(super) struct SigningKey(Option<hmac::Key>);

impl SigningKey {
    fn parse(secret: &str) -> Option<SigningKey> {
        let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        KEY_BYTES.contains(&key.len()).then(|| SigningKey(Some(hmac::Key::new(hmac::HMAC_SHA256, &key))))
    }

    /// Signs a request that is sent now, over whatever it has of these headers.
    pub(super) fn sign(&self, body: &[u8], headers: &mut HeaderMap) {
        let Some(key) = &self.0 else { return };
        let id = Uuid::new_v4().simple().to_string();
        let timestamp = unix_seconds();
        let signature = signature(key, &id, timestamp, body);
        for (name, value) in [(ID, id), (TIMESTAMP, timestamp.to_string()), (SIGNATURE, signature)] {
            headers.insert(name, HeaderValue::try_from(value).expect("all three are plain ASCII"));
        }
    }
}

fn signature(key: &hmac::Key, id: &str, timestamp: u64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{id}.{timestamp}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

impl<'de> Deserialize<'de> for SigningKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SigningKey, D::Error> {
        let secret = Secret::deserialize(deserializer)?;
        SigningKey::parse(secret.expose())
            .ok_or_else(|| D::Error::custom("it is \"whsec_\" and then 24 to 64 random bytes in base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_signature_is_the_one_of_the_standard() {
        let SigningKey(key) = SigningKey::parse(SECRET).unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&key.unwrap(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_request_is_signed_over_what_it_had_and_only_with_a_key() {
        let mut headers = HeaderMap::from_iter([(SIGNATURE, HeaderValue::from_static("forged"))]);
        SigningKey::default().sign(b"{}", &mut headers);
        assert_eq!(headers.len(), 1);
        let key = SigningKey::parse(SECRET).unwrap();
        key.sign(b"{}", &mut headers);
        let text = |name| headers[name].to_str().unwrap();
        let (id, timestamp) = (text(ID), text(TIMESTAMP).parse().unwrap());
        assert_eq!(text(SIGNATURE), signature(&key.0.unwrap(), id, timestamp, b"{}"));
        assert!(unix_seconds() - timestamp < 10);
    }

    #[test]
    fn a_secret_is_long_and_not_shown() {
        let read = |secret: &str| serde_json::from_value::<SigningKey>(secret.into());
        for bad in ["", "hush", &SECRET[6..], "whsec_hush", &format!("whsec_{}", STANDARD.encode([7; 23]))] {
            let told = read(bad).unwrap_err().to_string();
            assert!(!told.contains("hush"), "{told}");
        }
        let key = read(SECRET).unwrap();
        assert!(!format!("{key:?}").contains("MfKQ"), "{key:?}");
    }
}
