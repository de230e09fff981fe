use serde_json::{Value, json};

use super::{
    super::testing::{ED, P256, P384, P521, RSA},
    *,
};
use crate::auth::Tokens;

fn checked(settings: Value) -> Result<Checked, String> {
    let settings: Settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    Checked::try_from(settings).map_err(|error| error.to_string())
}

#[test]
fn every_setting_is_read() {
    let checked = checked(json!({
        "hmac_secret_key": "s",
        "rsa_public_key": RSA.pem,
        "ecdsa_public_key": P256.pem,
        "eddsa_public_key": ED.pem,
        "keys": [
            {"id": "a", "algorithm": "HS512", "secret": "t"},
            {"id": "b", "algorithm": "PS256", "public_key": RSA.pem},
            {"algorithm": "ES384", "public_key": P384.pem},
            {"algorithm": "ES512", "public_key": P521.pem},
            {"algorithm": "EdDSA", "public_key": ED.pem},
        ],
        "jwks_public_endpoint": "https://id.example/keys",
        "jwks_refresh_interval": "1h",
        "audience": "chat",
        "issuer_regex": "https://[a-z]+\\.example",
        "leeway": "5s",
        "require_exp": false,
        "lifetime_limit": "15m",
    }))
    .unwrap();
    assert_eq!(checked.keys.len(), 9);
    assert_eq!(checked.jwks.unwrap().1, Duration::from_secs(3600));
    assert_eq!(checked.leeway, Duration::from_secs(5));
    assert!(!checked.require_exp);
    assert_eq!(checked.lifetime_max, Some(Duration::from_secs(900)));
    assert!(checked.audience.has("chat") && !checked.audience.has("chat2"));
    assert!(checked.issuer.has("https://a.example") && !checked.issuer.has("https://a.example.evil.org"));
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_name_of_the_setting_and_no_secret() {
    for (settings, said) in [
        (json!({"hmac_secret": "s3cret"}), "unknown field `hmac_secret`"),
        (json!({"hmac_secret_key": ""}), "hmac_secret_key: the secret is empty"),
        (json!({"rsa_public_key": "s3cret"}), "rsa_public_key: it is no public key in PEM form"),
        (json!({"rsa_public_key": P256.pem}), "rsa_public_key: it is not a key for this algorithm"),
        (json!({"ecdsa_public_key": RSA.pem}), "ecdsa_public_key: it is not a key for this algorithm"),
        (json!({"eddsa_public_key": P256.pem}), "eddsa_public_key: it is not a key for this algorithm"),
        (json!({"keys": [{"algorithm": "HS256"}]}), "keys, number 1: give it a secret or a public_key"),
        (
            json!({"keys": [{"algorithm": "HS256", "secret": "s3cret", "public_key": RSA.pem}]}),
            "keys, number 1: give it a secret or a public_key, and not both",
        ),
        (json!({"keys": [{"algorithm": "HS256", "public_key": RSA.pem}]}), "not a key for this algorithm"),
        (json!({"keys": [{"algorithm": "RS256", "secret": "s3cret"}]}), "not a key for this algorithm"),
        (json!({"keys": [{"algorithm": "ES256", "public_key": P384.pem}]}), "not a key for this algorithm"),
        (json!({"keys": [{"algorithm": "ES512", "public_key": P384.pem}]}), "not a key for this algorithm"),
        (json!({"keys": [{"algorithm": "ES384", "public_key": P521.pem}]}), "not a key for this algorithm"),
        (json!({"keys": [{"algorithm": "none", "secret": "s3cret"}]}), "unknown variant `none`"),
        (json!({"keys": [{"secret": "s3cret"}]}), "missing field `algorithm`"),
        (json!({"audience": "a", "audience_regex": "a"}), "audience and audience_regex exclude each other"),
        (json!({"issuer": "a", "issuer_regex": "a"}), "issuer and issuer_regex exclude each other"),
        (json!({"audience_regex": "("}), "audience_regex: regex parse error"),
        (json!({"jwks_public_endpoint": "id.example"}), "jwks_public_endpoint: it is no URL"),
        (json!({"jwks_refresh_interval": "1s"}), "jwks_refresh_interval is from 10s to 1day"),
        (json!({"leeway": "1h"}), "leeway is from 0s to 5m"),
        (json!({"lifetime_limit": "0s"}), "lifetime_limit is from 1s to 30days"),
        (json!({"leeway": 5}), "invalid type: integer `5`"),
        (json!({"leeway": "soon"}), "it is no time: write it as"),
    ] {
        let error = checked(settings.clone()).map(drop).unwrap_err();
        assert!(error.contains(said), "{settings}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn there_is_a_key_or_nobody_comes_in() {
    let new = |connection: Value, subscription: Option<Value>| {
        let read = |settings| serde_json::from_value::<Settings>(settings).unwrap();
        Tokens::new(read(connection), subscription.map(read)).map(drop).map_err(|error| error.to_string())
    };
    let key = json!({"hmac_secret_key": "s"});
    new(key.clone(), None).unwrap();
    new(key.clone(), Some(key.clone())).unwrap();
    new(json!({"allow_anonymous_connect_without_token": true}), None).unwrap();
    assert!(new(json!({}), None).unwrap_err().contains("there is no key"));
    assert!(new(json!({"allow_anonymous_connection_tokens": true}), None).unwrap_err().contains("no key"));
    assert!(new(key.clone(), Some(json!({}))).unwrap_err().contains("there is no key"));
    let nameless = json!({"hmac_secret_key": "s", "allow_anonymous_connection_tokens": true});
    assert!(new(key.clone(), Some(nameless)).unwrap_err().contains("belongs into [token]"));
    let once = json!({"hmac_secret_key": "s", "connect_once": true});
    assert!(new(key, Some(once)).unwrap_err().contains("connect_once belongs into [token]"));
}

#[test]
fn nothing_shows_a_secret() {
    let settings: Settings = serde_json::from_value(json!({
        "hmac_secret_key": "s3cret",
        "keys": [{"algorithm": "HS256", "secret": "s3cret"}],
    }))
    .unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    let key = crate::auth::TokenKey::secret("s3cret").unwrap();
    assert!(!format!("{key:?}").contains("s3cret"));
}
