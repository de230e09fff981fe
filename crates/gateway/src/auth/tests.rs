use std::time::Duration;

use serde_json::{Value, json};

use super::{capability::Right, testing::*, *};
use crate::{namespaces::Overrides, publication::Payload};

mod bypass;

fn auth(token: Value) -> Auth {
    auth_with(token, None)
}

fn auth_with(token: Value, subscription: Option<Value>) -> Auth {
    let read = |settings| serde_json::from_value(settings).unwrap();
    let tokens = Tokens::new(read(token), subscription.map(read)).unwrap();
    Auth::new(tokens, &Outbound::start(None).unwrap())
}

fn by_secret() -> Auth {
    auth(json!({"hmac_secret_key": "secret"}))
}

fn bytes(payload: &Option<Payload>) -> Option<&[u8]> {
    payload.as_ref().map(|payload| &payload.bytes()[..])
}

/// With an end a minute from `NOW`, if the claims have none.
fn sign(claims: &Value) -> String {
    let mut claims = claims.clone();
    if let Some(claims) = claims.as_object_mut() {
        claims.entry("exp").or_insert((NOW + 60).into());
    }
    sign_just(&claims)
}

fn sign_just(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
    signed(Algorithm::HS256, None, claims, &key)
}

/// A connection token with these claims, at `NOW`.
async fn verdict(claims: Value) -> Result<Identity, BadToken> {
    by_secret().connection(&sign(&claims), NOW).await
}

#[tokio::test]
async fn a_good_token_says_who_comes_and_what_they_get() {
    let identity = verdict(json!({
        "sub": "앨리스",
        "exp": NOW + 60,
        "nbf": NOW - 60,
        "iat": NOW as f64 - 0.5,
        "jti": "1",
        "aud": ["x"],
        "iss": "y",
        "info": {"a": 1},
        "meta": {"tier": "gold"},
        "channels": ["news", "chat:1"],
        "subs": {
            "chat:1": {
                "info": {"role": "guest"},
                "b64data": "AAH/",
                "override": {"presence": {"value": true}, "force_recovery": {"value": false}, "join_leave": {}},
            },
            "chat:2": {},
        },
        "caps": [{"channels": ["chat:*"], "match": "wildcard", "allow": ["pub"]}],
        "of_the_application": null,
    }))
    .await
    .unwrap();
    assert_eq!(identity.user_name(), "앨리스");
    assert_eq!(identity.expires_at, Some(NOW + 60));
    assert_eq!(bytes(&identity.info), Some(&br#"{"a":1}"#[..]));
    assert_eq!(identity.meta.unwrap().get(), r#"{"tier":"gold"}"#);
    assert_eq!(identity.subs.keys().collect::<Vec<_>>(), ["chat:1", "chat:2", "news"]);
    assert_eq!(identity.subs["news"], Granted::default());
    let guest = &identity.subs["chat:1"];
    assert_eq!(bytes(&guest.info), Some(&br#"{"role":"guest"}"#[..]));
    assert_eq!(bytes(&guest.data), Some(&[0, 1, 255][..]));
    let overrides = Overrides {
        presence: Some(true),
        force_recovery: Some(false),
        join_leave: Some(false),
        ..Overrides::default()
    };
    assert_eq!(guest.overrides, overrides);
    assert!(identity.capabilities.allow("chat:9", Right::Publish));
    assert!(!identity.capabilities.allow("chat:9", Right::Subscribe));

    let bare = verdict(json!({"sub": "bob"})).await.unwrap();
    assert_eq!((bare.expires_at, bare.info, bare.subs.len()), (Some(NOW + 60), None, 0));
    let binary = verdict(json!({"sub": "bob", "info": {}, "b64info": "/w=="})).await.unwrap();
    assert_eq!(bytes(&binary.info), Some(&[255][..]));
}

#[tokio::test]
async fn a_connection_may_end_at_another_time_than_its_token() {
    let ends = async |claims| verdict(claims).await.map(|identity| identity.expires_at);
    assert_eq!(ends(json!({"sub": "a", "exp": NOW + 60, "expire_at": NOW + 5})).await, Ok(Some(NOW + 5)));
    assert_eq!(ends(json!({"sub": "a", "exp": NOW + 60, "expire_at": 0})).await, Ok(None));
    assert_eq!(ends(json!({"sub": "a", "exp": NOW + 60})).await, Ok(Some(NOW + 60)));
    assert_eq!(ends(json!({"sub": "a", "exp": NOW + 60, "expire_at": NOW})).await, Err(BadToken::Over));
    assert_eq!(ends(json!({"sub": "a", "exp": 1, "expire_at": NOW + 5})).await, Err(BadToken::Expired));
}

#[tokio::test]
async fn a_token_counts_between_nbf_and_exp_give_or_take_the_leeway() {
    let auth = auth(json!({"hmac_secret_key": "secret", "leeway": "7s"}));
    let verdict = async |claims: Value| auth.connection(&sign(&claims), NOW).await.map(drop);
    verdict(json!({"sub": "alice", "exp": NOW - 6})).await.unwrap();
    verdict(json!({"sub": "alice", "exp": NOW + 1, "nbf": NOW + 7})).await.unwrap();
    for claims in [
        json!({"sub": "alice", "exp": NOW - 7}),
        json!({"sub": "alice", "exp": 0}),
        json!({"sub": "alice", "nbf": NOW + 8}),
    ] {
        assert_eq!(verdict(claims.clone()).await, Err(BadToken::Expired), "{claims}");
    }
}

#[tokio::test]
async fn a_token_without_an_end_counts_only_where_the_configuration_says_so() {
    let holder = Holder { user: "alice", client: "c1" };
    let (connection, subscription) = (json!({"sub": "alice"}), json!({"sub": "alice", "channel": "$news"}));
    let (comes, subscribes) = (sign_just(&connection), sign_just(&subscription));

    let strict = by_secret();
    assert_eq!(strict.connection(&comes, NOW).await.unwrap_err(), Fault::Endless.into());
    assert_eq!(strict.pass_at(&subscribes, "$news", holder, NOW).await.unwrap_err(), Fault::Endless.into());
    // Its connection may have an end, or none: that is another thing.
    for expire_at in [NOW + 60, 0] {
        let token = sign_just(&json!({"sub": "alice", "expire_at": expire_at}));
        assert_eq!(strict.connection(&token, NOW).await.unwrap_err(), Fault::Endless.into());
    }
    let closed = Failure::from(Disconnect::InvalidToken);
    assert_eq!(strict.connect(&comes).await.unwrap_err(), closed);
    assert_eq!(strict.refresh(&comes, "alice").await.unwrap_err(), closed);
    assert_eq!(
        strict.subscribe(&subscribes, "$news", holder).await.unwrap_err(),
        Code::PermissionDenied.into()
    );
    assert_eq!(strict.sub_refresh(&subscribes, "$news", holder).await.unwrap_err(), closed);

    let endless = json!({"hmac_secret_key": "secret", "require_exp": false});
    let lax = auth(endless.clone());
    assert_eq!(lax.connection(&comes, NOW).await.unwrap().expires_at, None);
    assert_eq!(lax.pass_at(&subscribes, "$news", holder, NOW).await.unwrap().expires_at, None);
    let expired = sign(&json!({"sub": "alice", "exp": NOW - 60}));
    assert_eq!(lax.connection(&expired, NOW).await.unwrap_err(), BadToken::Expired);

    // Each kind by its own section, where there are two.
    let key = json!({"hmac_secret_key": "secret"});
    for (of_connections, of_subscriptions) in [(key.clone(), endless.clone()), (endless, key)] {
        let is_lax = of_connections.get("require_exp").is_some();
        let auth = auth_with(of_connections, Some(of_subscriptions));
        assert_eq!(auth.connection(&comes, NOW).await.is_ok(), is_lax);
        assert_eq!(auth.pass_at(&subscribes, "$news", holder, NOW).await.is_ok(), !is_lax);
    }
}

#[tokio::test]
async fn a_token_lives_no_longer_than_it_may() {
    let auth = auth(json!({
        "hmac_secret_key": "secret", "leeway": "7s", "lifetime_limit": "15m", "require_exp": false,
    }));
    let verdict = async |claims: Value| auth.connection(&sign_just(&claims), NOW).await.map(drop);
    verdict(json!({"sub": "alice", "exp": NOW + 900 + 7})).await.unwrap();
    // How long the connection may last is another thing.
    verdict(json!({"sub": "alice", "exp": NOW + 900, "expire_at": 0})).await.unwrap();
    for (claims, fault) in [
        (json!({"sub": "alice", "exp": NOW + 900 + 8}), Fault::Lasting),
        (json!({"sub": "alice", "exp": 253_402_300_799_u64}), Fault::Lasting),
        (json!({"sub": "alice"}), Fault::Endless),
        (json!({"sub": "alice", "expire_at": NOW + 60}), Fault::Endless),
    ] {
        assert_eq!(verdict(claims.clone()).await, Err(fault.into()), "{claims}");
    }
}

#[tokio::test]
async fn a_token_that_connects_once_is_remembered_until_no_server_takes_it_any_more() {
    let settings =
        json!({"hmac_secret_key": "secret", "leeway": "7s", "connect_once": true, "require_exp": false});
    let auth = auth(settings);
    let once = async |claims: Value| auth.connection(&sign_just(&claims), NOW).await.map(|who| who.once);
    let window = |seconds| Some(Once { id: "1".into(), window: Duration::from_secs(seconds) });
    assert_eq!(once(json!({"sub": "alice", "jti": "1", "exp": NOW + 60})).await, Ok(window(60 + 22)));
    assert_eq!(once(json!({"sub": "alice", "jti": "1", "exp": NOW - 6})).await, Ok(window(16)));
    let week = 7 * 24 * 60 * 60;
    assert_eq!(once(json!({"sub": "alice", "jti": "1", "exp": NOW + week - 22})).await, Ok(window(week)));
    for (claims, fault) in [
        (json!({"sub": "alice", "jti": "1", "exp": NOW + week - 21}), Fault::Lasting),
        (json!({"sub": "alice", "jti": "1"}), Fault::Endless),
        (json!({"sub": "alice", "exp": NOW + 60}), Fault::Unnamed),
        (json!({"sub": "alice", "jti": "", "exp": NOW + 60}), Fault::Unnamed),
    ] {
        assert_eq!(once(claims.clone()).await, Err(fault.into()), "{claims}");
    }
    // A subscription token opens no connection.
    let holder = Holder { user: "alice", client: "c" };
    auth.pass_at(&sign(&json!({"sub": "alice", "channel": "x"})), "x", holder, NOW).await.unwrap();
    assert_eq!(verdict(json!({"sub": "alice", "jti": "1", "exp": NOW + 60})).await.unwrap().once, None);
}

#[tokio::test]
async fn claims_of_the_wrong_kind_make_a_token_invalid() {
    for claims in [
        json!({"sub": "a", "channels": "news"}),
        json!({"sub": "a", "channels": [1]}),
        json!({"sub": "a", "subs": ["news"]}),
        json!({"sub": "a", "subs": {"news": 1}}),
        json!({"sub": "a", "subs": {"news": {"override": {"presence": true}}}}),
        json!({"sub": "a", "subs": {"news": {"override": {"presence": {"value": 1}}}}}),
        json!({"sub": "a", "subs": {"news": {"b64info": 1}}}),
        json!({"sub": "a", "b64info": 1}),
        json!({"sub": "a", "expire_at": "0"}),
        json!({"sub": "a", "expire_at": -1}),
        json!({"sub": "a", "expire_at": null}),
        json!({"sub": "a", "jti": 1}),
        json!({"sub": "a", "iat": "1"}),
        json!({"sub": "a", "iat": null}),
        json!({"sub": "a", "iss": ["x"]}),
        json!({"sub": "a", "caps": {}}),
        json!(["a"]),
        json!("a"),
    ] {
        assert_eq!(verdict(claims.clone()).await.unwrap_err(), Fault::Claims.into(), "{claims}");
    }
    for (claims, fault) in [
        (json!({"sub": "a", "b64info": "?"}), Fault::NotBase64),
        (json!({"sub": "a", "b64info": "/w"}), Fault::NotBase64),
        (json!({"sub": "a", "subs": {"news": {"b64data": "?"}}}), Fault::NotBase64),
        (json!({"sub": "a", "channel": "news"}), Fault::ForSubscription),
        (json!({"sub": "a", "channel": ""}), Fault::ForSubscription),
        (json!({"sub": "a", "channel": null}), Fault::ForSubscription),
    ] {
        assert_eq!(verdict(claims.clone()).await.unwrap_err(), fault.into(), "{claims}");
    }
    let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
    let doubled = forged(
        r#"{"alg":"HS256"}"#,
        r#"{"sub":"a","exp":1800000060,"subs":{"b":{},"b":{"info":1}}}"#,
        |message| sign_with(message, &key, Algorithm::HS256),
    );
    assert_eq!(by_secret().connection(&doubled, NOW).await.unwrap_err(), Fault::Claims.into());
}

#[tokio::test]
async fn who_has_no_name_or_no_token_gets_in_only_if_the_configuration_says_so() {
    let token = sign(&json!({"sub": ""}));
    assert_eq!(by_secret().connection(&token, NOW).await.unwrap_err(), Fault::Nameless.into());
    assert_eq!(by_secret().connect("").await.unwrap_err(), Disconnect::BadRequest.into());

    let nameless = auth(json!({"hmac_secret_key": "secret", "allow_anonymous_connection_tokens": true}));
    assert_eq!(nameless.connection(&token, NOW).await.unwrap().user, None);
    assert_eq!(nameless.connect("").await.unwrap_err(), Disconnect::BadRequest.into());
    assert_eq!(nameless.connection(&sign(&json!({})), NOW).await.unwrap_err(), Fault::Claims.into());

    let tokenless = auth(json!({"hmac_secret_key": "secret", "allow_anonymous_connect_without_token": true}));
    assert_eq!(tokenless.connect("").await.unwrap().user_name(), "");
    assert_eq!(tokenless.connection(&token, NOW).await.unwrap_err(), Fault::Nameless.into());
    assert_eq!(tokenless.connect("x").await.unwrap_err(), Disconnect::InvalidToken.into());
    assert_eq!(tokenless.refresh("", "").await.unwrap_err(), Disconnect::BadRequest.into());
}

#[tokio::test]
async fn a_subscription_token_is_for_one_user_and_one_channel() {
    let auth = by_secret();
    let holder = Holder { user: "alice", client: "c1" };
    let pass = async |claims: Value| auth.pass_at(&sign(&claims), "$news", holder, NOW).await;
    let good = pass(json!({
        "sub": "alice", "channel": "$news", "exp": NOW + 60, "info": 1, "data": {"x": 1}, "client": "c1",
        "override": {"force_positioning": {"value": true}},
    }))
    .await
    .unwrap();
    assert_eq!(good.expires_at, Some(NOW + 60));
    assert_eq!(bytes(&good.granted.info), Some(&b"1"[..]));
    assert_eq!(bytes(&good.granted.data), Some(&br#"{"x":1}"#[..]));
    assert_eq!(good.granted.overrides.force_positioning, Some(true));
    assert_eq!(
        pass(json!({"sub": "alice", "channel": "$news", "expire_at": 0, "exp": NOW + 1}))
            .await
            .unwrap()
            .expires_at,
        None
    );
    for (claims, bad) in [
        (json!({"sub": "bob", "channel": "$news"}), BadToken::Invalid(Fault::NotTheirs)),
        (json!({"sub": "", "channel": "$news"}), BadToken::Invalid(Fault::NotTheirs)),
        (json!({"channel": "$news"}), BadToken::Invalid(Fault::NotTheirs)),
        (json!({"sub": "alice", "channel": "$news2"}), BadToken::Invalid(Fault::NotTheirs)),
        (json!({"sub": "alice", "channel": "$news", "client": "c2"}), BadToken::Invalid(Fault::NotTheirs)),
        (json!({"sub": "alice", "channel": ""}), BadToken::Invalid(Fault::ForConnection)),
        (json!({"sub": "alice"}), BadToken::Invalid(Fault::ForConnection)),
        (json!({"sub": "alice", "channel": null}), BadToken::Invalid(Fault::Claims)),
        (json!({"sub": "alice", "channel": ["$news"]}), BadToken::Invalid(Fault::Claims)),
        (json!({"sub": null, "channel": "$news"}), BadToken::Invalid(Fault::Claims)),
        (json!({"sub": "alice", "channel": "$news", "exp": NOW - 60}), BadToken::Expired),
        (json!({"sub": "alice", "channel": "$news", "expire_at": NOW}), BadToken::Over),
    ] {
        assert_eq!(pass(claims.clone()).await.unwrap_err(), bad, "{claims}");
    }
    // As the SDKs' suites make them: nobody's.
    let nobody = Holder { user: "", client: "c1" };
    let token = sign(&json!({"channel": "$news", "iat": NOW}));
    auth.pass_at(&token, "$news", nobody, NOW).await.unwrap();
}

#[tokio::test]
async fn subscription_tokens_may_have_keys_of_their_own() {
    let auth = auth_with(
        json!({"hmac_secret_key": "other"}),
        Some(json!({"hmac_secret_key": "secret", "audience": "x"})),
    );
    let holder = Holder { user: "alice", client: "c1" };
    let claims = json!({"sub": "alice", "channel": "$news", "aud": "x", "exp": NOW + 60});
    auth.pass_at(&sign(&claims), "$news", holder, NOW).await.unwrap();
    let of_connections =
        signed(Algorithm::HS256, None, &claims, &jsonwebtoken::EncodingKey::from_secret(b"other"));
    let bad = auth.pass_at(&of_connections, "$news", holder, NOW).await.unwrap_err();
    assert_eq!(bad, Fault::Signature.into());
    let bad = auth.connection(&sign(&json!({"sub": "alice"})), NOW).await.unwrap_err();
    assert_eq!(bad, Fault::Signature.into());
}

#[tokio::test]
async fn each_command_answers_a_bad_token_in_the_protocols_way() {
    let auth = by_secret();
    let now = unix_seconds();
    let holder = Holder { user: "alice", client: "c1" };
    let connection = |more: Value| {
        let mut claims = json!({"sub": "alice", "exp": now + 60});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sign(&claims)
    };
    let channel = |more: Value| {
        let mut claims = json!({"sub": "alice", "channel": "$news", "exp": now + 60});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sign(&claims)
    };
    let expired = json!({"exp": now - 600});
    let over = json!({"expire_at": now - 1});

    auth.connect(&connection(json!({}))).await.unwrap();
    auth.refresh(&connection(json!({})), "alice").await.unwrap();
    auth.subscribe(&channel(json!({})), "$news", holder).await.unwrap();
    auth.sub_refresh(&channel(json!({})), "$news", holder).await.unwrap();

    let refused = |code: Code| Failure::from(code);
    let closed = |disconnect: Disconnect| Failure::from(disconnect);
    for (token, connect, refresh) in [
        ("x".to_owned(), closed(Disconnect::InvalidToken), closed(Disconnect::InvalidToken)),
        (connection(expired.clone()), refused(Code::TokenExpired), closed(Disconnect::Expired)),
        (connection(over.clone()), refused(Code::Expired), closed(Disconnect::Expired)),
        (String::new(), closed(Disconnect::BadRequest), closed(Disconnect::BadRequest)),
    ] {
        assert_eq!(auth.connect(&token).await.unwrap_err(), connect, "{token}");
        assert_eq!(auth.refresh(&token, "alice").await.unwrap_err(), refresh, "{token}");
    }
    let of_bob = auth.refresh(&connection(json!({})), "bob").await.unwrap_err();
    assert_eq!(of_bob, closed(Disconnect::InvalidToken));

    for (token, subscribe, sub_refresh) in [
        ("x".to_owned(), refused(Code::PermissionDenied), closed(Disconnect::InvalidToken)),
        (channel(expired), refused(Code::TokenExpired), refused(Code::TokenExpired)),
        (channel(over), refused(Code::Expired), refused(Code::Expired)),
        (channel(json!({"sub": "bob"})), closed(Disconnect::InvalidToken), closed(Disconnect::InvalidToken)),
        (
            channel(json!({"channel": "$x"})),
            closed(Disconnect::InvalidToken),
            closed(Disconnect::InvalidToken),
        ),
        (String::new(), refused(Code::PermissionDenied), refused(Code::BadRequest)),
    ] {
        assert_eq!(auth.subscribe(&token, "$news", holder).await.unwrap_err(), subscribe, "{token}");
        assert_eq!(auth.sub_refresh(&token, "$news", holder).await.unwrap_err(), sub_refresh, "{token}");
    }
}

#[tokio::test]
async fn what_we_sign_we_accept() {
    let key = TokenKey::secret("secret").unwrap();
    let auth = Auth::new(Tokens::new((&key).into(), None).unwrap(), &Outbound::start(None).unwrap());
    let user = naru_ledger::User::parse("alice").unwrap();
    let identity = auth.connect(&key.sign(&user, Duration::from_secs(60))).await.unwrap();
    assert_eq!(identity.user, Some(user.clone()));
    assert!(identity.expires_at.unwrap() > unix_seconds());
    assert_eq!(TokenKey::secret("").err(), Some(EmptySecret));
}

#[tokio::test]
async fn all_of_a_familys_algorithms_count_for_a_key_that_names_none_and_one_for_a_key_that_names_it() {
    use Algorithm::*;
    let secret = jsonwebtoken::EncodingKey::from_secret(b"secret");
    let all = auth(json!({
        "hmac_secret_key": "secret", "rsa_public_key": RSA.pem, "ecdsa_public_key": P384.pem, "eddsa_public_key": ED.pem,
    }));
    let one = auth(json!({"keys": [
        {"algorithm": "HS384", "secret": "secret"},
        {"algorithm": "PS512", "public_key": RSA.pem},
        {"algorithm": "ES384", "public_key": P384.pem},
        {"algorithm": "ES512", "public_key": P521.pem},
    ]}));
    for (algorithm, key, in_all, in_one) in [
        (HS256, &secret, true, false),
        (HS384, &secret, true, true),
        (HS512, &secret, true, false),
        (RS256, &RSA.signing, true, false),
        (RS384, &RSA.signing, true, false),
        (RS512, &RSA.signing, true, false),
        (PS256, &RSA.signing, false, false),
        (PS512, &RSA.signing, false, true),
        (ES256, &P256.signing, false, false),
        (ES384, &P384.signing, true, true),
        (ES512, &P521.signing, false, true),
        (EdDSA, &ED.signing, true, false),
    ] {
        let token = signed(algorithm, None, &json!({"sub": "alice", "exp": NOW + 60}), key);
        assert_eq!(all.connection(&token, NOW).await.is_ok(), in_all, "{algorithm:?}");
        assert_eq!(one.connection(&token, NOW).await.is_ok(), in_one, "{algorithm:?}");
    }
}
