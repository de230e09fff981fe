use std::sync::atomic::{AtomicU16, Ordering};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{
    super::{
        algorithm::Algorithm,
        testing::{ED, P256, P384, P521, Pair, RSA, signed},
    },
    *,
};
use crate::{
    limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX},
    outbound::testing::Elsewhere,
};

/// An identity provider: what it publishes can be changed, and it can be out of order.
struct Provider {
    document: Arc<Mutex<String>>,
    status: Arc<AtomicU16>,
    elsewhere: Elsewhere,
}

impl Provider {
    async fn start(keys: &[Value]) -> Provider {
        let document = Arc::new(Mutex::new(json!({"keys": keys}).to_string()));
        let status = Arc::new(AtomicU16::new(200));
        let (served, code) = (document.clone(), status.clone());
        let elsewhere = Elsewhere::start(move |_| {
            let mut answer = Response::new(Full::new(Bytes::from(served.lock().clone())));
            *answer.status_mut() = StatusCode::from_u16(code.load(Ordering::SeqCst)).unwrap();
            std::future::ready(answer)
        })
        .await;
        Provider { document, status, elsewhere }
    }

    fn publishes(&self, keys: &[Value]) {
        *self.document.lock() = json!({"keys": keys}).to_string();
    }

    fn jwks(&self) -> Arc<Jwks> {
        let endpoint =
            Endpoint::parse(&self.elsewhere.url("/keys"), Duration::from_secs(20), JWKS_BYTES_MAX).unwrap();
        Arc::new(Jwks::new(endpoint, Duration::from_secs(600), Outbound::start(None).unwrap()))
    }
}

async fn open(jwks: &Arc<Jwks>, token: &str) -> Result<String, BadToken> {
    let header = Header::of(token).unwrap();
    jwks.open(&header, token).await.map(|claims| claims.get().to_owned())
}

fn token(pair: &Pair, algorithm: Algorithm, kid: &str) -> String {
    signed(algorithm, Some(kid), &json!({"sub": kid}), &pair.signing)
}

/// As if a minute had passed since the last look.
fn a_minute_later(jwks: &Jwks) {
    let mut known = jwks.known.lock();
    known.looked = known.looked.map(|looked| looked - Duration::from_secs(60));
}

#[tokio::test]
async fn published_keys_of_each_kind_verify_and_no_others() {
    let provider = Provider::start(&[
        RSA.published("rsa"),
        P256.published("p256"),
        P384.published("p384"),
        P521.published("p521"),
        ED.published("ed"),
    ])
    .await;
    let jwks = provider.jwks();
    for (pair, algorithm, kid) in [
        (&*RSA, Algorithm::RS256, "rsa"),
        (&RSA, Algorithm::RS512, "rsa"),
        (&P256, Algorithm::ES256, "p256"),
        (&P384, Algorithm::ES384, "p384"),
        (&P521, Algorithm::ES512, "p521"),
        (&ED, Algorithm::EdDSA, "ed"),
    ] {
        let opened = open(&jwks, &token(pair, algorithm, kid)).await;
        assert_eq!(opened, Ok(format!(r#"{{"sub":"{kid}"}}"#)));
    }
    assert_eq!(provider.elsewhere.requests(), 1, "the document is read once");
    let other = Pair::ecdsa(Algorithm::ES256);
    assert_eq!(open(&jwks, &token(&other, Algorithm::ES256, "p256")).await, Err(Fault::Signature.into()));
    // Signed by one of the keys, and naming another or none.
    let unnamed = signed(Algorithm::ES256, None, &json!({"sub": "x"}), &P256.signing);
    assert_eq!(open(&jwks, &unnamed).await, Err(Fault::NoKey.into()));
    assert_eq!(open(&jwks, &token(&RSA, Algorithm::PS256, "rsa")).await, Err(BadToken::Undecided));
    assert_eq!(provider.elsewhere.requests(), 1);
}

#[tokio::test]
async fn a_key_that_is_new_is_looked_for_and_one_that_is_gone_counts_no_more() {
    let old = Pair::ecdsa(Algorithm::ES256);
    let new = Pair::ecdsa(Algorithm::ES256);
    let provider = Provider::start(&[old.published("old")]).await;
    let jwks = provider.jwks();
    let (of_old, of_new) = (token(&old, Algorithm::ES256, "old"), token(&new, Algorithm::ES256, "new"));
    open(&jwks, &of_old).await.unwrap();

    provider.publishes(&[old.published("old"), new.published("new")]);
    assert_eq!(open(&jwks, &of_new).await, Err(BadToken::Undecided), "too soon for another look");
    a_minute_later(&jwks);
    open(&jwks, &of_new).await.unwrap();
    open(&jwks, &of_old).await.unwrap();
    assert_eq!(provider.elsewhere.requests(), 2);

    provider.publishes(&[new.published("new")]);
    open(&jwks, &of_old).await.unwrap();
    a_minute_later(&jwks);
    jwks.look_after(Instant::now()).await.unwrap();
    assert_eq!(open(&jwks, &of_old).await, Err(BadToken::Undecided));
    a_minute_later(&jwks);
    assert_eq!(open(&jwks, &of_old).await, Err(Fault::NoKey.into()));
    open(&jwks, &of_new).await.unwrap();
}

#[tokio::test]
async fn strangers_who_name_keys_that_do_not_exist_cause_one_look_in_a_while() {
    let provider = Provider::start(&[P256.published("a")]).await;
    let jwks = provider.jwks();
    open(&jwks, &token(&P256, Algorithm::ES256, "a")).await.unwrap();
    a_minute_later(&jwks);
    let tokens: Vec<String> =
        (0..100).map(|number| token(&P256, Algorithm::ES256, &format!("none-{number}"))).collect();
    let opened = futures_util::future::join_all(tokens.iter().map(|token| open(&jwks, token))).await;
    assert!(
        opened
            .iter()
            .all(|opened| *opened == Err(Fault::NoKey.into()) || *opened == Err(BadToken::Undecided))
    );
    assert!(opened.contains(&Err(Fault::NoKey.into())));
    assert_eq!(provider.elsewhere.requests(), 2);
    // One who goes away in the middle has had the look.
    a_minute_later(&jwks);
    for token in &tokens {
        let mut waiting = Box::pin(open(&jwks, token));
        assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none_or(|opened| opened.is_err()));
    }
    while provider.elsewhere.requests() < 3 || jwks.turn.try_lock().is_err() {
        tokio::task::yield_now().await;
    }
    for token in &tokens {
        open(&jwks, token).await.unwrap_err();
    }
    assert_eq!(provider.elsewhere.requests(), 3);
}

#[tokio::test]
async fn while_the_endpoint_is_out_of_order_the_last_keys_count() {
    let provider = Provider::start(&[P256.published("a")]).await;
    let jwks = provider.jwks();
    let good = token(&P256, Algorithm::ES256, "a");
    open(&jwks, &good).await.unwrap();
    let keys: Vec<Value> = (0..=JWKS_KEYS_MAX).map(|number| P256.published(&number.to_string())).collect();
    let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(JWKS_BYTES_MAX));
    for (status, document) in [
        (500, json!({"keys": []}).to_string()),
        (404, json!({"keys": []}).to_string()),
        (302, json!({"keys": []}).to_string()),
        (200, String::new()),
        (200, "<html>".to_owned()),
        (200, "{}".to_owned()),
        (200, r#"{"keys":{}}"#.to_owned()),
        (200, json!({"keys": keys}).to_string()),
        (200, large),
    ] {
        provider.status.store(status, Ordering::SeqCst);
        *provider.document.lock() = document.clone();
        a_minute_later(&jwks);
        let unknown = token(&P256, Algorithm::ES256, "b");
        assert_eq!(open(&jwks, &unknown).await, Err(BadToken::Undecided), "{status} {document:.40}");
        open(&jwks, &good).await.unwrap();
    }
    assert_eq!(jwks.known().failures, 9);
    provider.status.store(200, Ordering::SeqCst);
    provider.publishes(&[P256.published("b")]);
    a_minute_later(&jwks);
    open(&jwks, &token(&P256, Algorithm::ES256, "b")).await.unwrap();
    assert_eq!(jwks.known().failures, 0);
}

#[tokio::test]
async fn without_any_keys_yet_who_comes_is_asked_to_come_again() {
    let provider = Provider::start(&[P256.published("a")]).await;
    provider.status.store(503, Ordering::SeqCst);
    let jwks = provider.jwks();
    let good = token(&P256, Algorithm::ES256, "a");
    assert_eq!(open(&jwks, &good).await, Err(BadToken::Undecided));
    provider.status.store(200, Ordering::SeqCst);
    a_minute_later(&jwks);
    open(&jwks, &good).await.unwrap();
}

#[tokio::test]
async fn the_document_is_read_before_anybody_comes_and_now_and_then_after() {
    let provider = Provider::start(&[P256.published("a")]).await;
    let endpoint =
        Endpoint::parse(&provider.elsewhere.url("/keys"), Duration::from_secs(20), JWKS_BYTES_MAX).unwrap();
    let jwks = Arc::new(Jwks::new(endpoint, Duration::from_millis(20), Outbound::start(None).unwrap()));
    let kept = async {
        while provider.elsewhere.requests() < 3 {
            if jwks.turn.try_lock().is_ok() {
                a_minute_later(&jwks);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = jwks.keep() => unreachable!("it goes on for ever"),
        kept = tokio::time::timeout(Duration::from_secs(20), kept) => kept.unwrap(),
    }
    assert!(jwks.known().keys.is_some());
}

#[tokio::test]
async fn entries_that_are_of_no_use_do_not_take_the_others_away_and_verify_nothing() {
    let secret = json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"});
    let mut for_encryption = P256.published("enc");
    for_encryption["use"] = "enc".into();
    let mut for_other = P256.published("other");
    for_other["alg"] = "ES384".into();
    let mut unknown = P256.published("unknown");
    unknown["alg"] = "ES256K".into();
    let mut weak = RSA.published("weak");
    weak["n"] = weak["n"].as_str().unwrap()[..170].into();
    let mut short = P256.published("short");
    short["x"] = "AA".into();
    let mut pinned = RSA.published("pinned");
    pinned["alg"] = "RS384".into();
    let others = [
        secret,
        for_encryption,
        for_other,
        unknown,
        weak,
        short,
        json!({"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "…"}),
        json!({"kid": "nothing"}),
        json!(7),
        pinned,
        ED.published("good"),
    ];
    let provider = Provider::start(&others).await;
    let jwks = provider.jwks();
    open(&jwks, &token(&ED, Algorithm::EdDSA, "good")).await.unwrap();
    open(&jwks, &token(&RSA, Algorithm::RS384, "pinned")).await.unwrap();
    assert_eq!(jwks.known().keys.unwrap().len(), 2);
    let secret = jsonwebtoken::EncodingKey::from_secret(b"secret");
    let by_secret = signed(Algorithm::HS256, Some("oct"), &json!({"sub": "x"}), &secret);
    for token in [
        by_secret,
        token(&P256, Algorithm::ES256, "enc"),
        token(&P256, Algorithm::ES256, "other"),
        token(&P256, Algorithm::ES256, "unknown"),
        token(&RSA, Algorithm::RS256, "pinned"),
        token(&RSA, Algorithm::RS256, "weak"),
    ] {
        a_minute_later(&jwks);
        assert_eq!(open(&jwks, &token).await, Err(Fault::NoKey.into()));
    }
}
