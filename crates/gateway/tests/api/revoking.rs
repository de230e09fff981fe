//! Tokens that they call back.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    code, done,
    support::{self, Client, Harbour, Strait, eventually, gateway, token},
};

/// A token of this user with more claims; `iat` is now, unless they say otherwise.
fn token_with(user: &str, claims: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut all = json!({"sub": user, "iat": now, "exp": now + 600});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    support::key().sign_claims(all.as_object().unwrap().clone(), None)
}

/// Whether a client with this token is let in; or the code with which it is refused, or closed if it is called back just then.
fn comes(address: SocketAddr, token: &str) -> Result<Client, Value> {
    let mut client = Client::open(address);
    client.command("connect", json!({"token": token}));
    let reply = client.try_next().map_err(|closed| json!(closed.map(|(code, _)| code)))?;
    if reply["error"].is_null() { Ok(client) } else { Err(reply["error"]["code"].clone()) }
}

#[test]
fn a_token_that_is_called_back_counts_nowhere_any_more() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let stolen = token_with("alice", json!({"jti": "stolen"}));
    let other = token_with("alice", json!({"jti": "other"}));
    let mut victims = [comes(one.address(), &stolen).unwrap(), comes(two.address(), &stolen).unwrap()];
    let mut kept = comes(two.address(), &other).unwrap();
    done(one.api_address(), "revoke_token", json!({"uid": "stolen"}));
    for victim in &mut victims {
        // They come back, and ask for a new one.
        assert_eq!(victim.closed(), Some((3005, "expired".into())));
    }
    for address in [one.address(), two.address()] {
        assert_eq!(comes(address, &stolen).err(), Some(json!(109)));
    }
    // Who refreshes with it is as badly off.
    kept.command("refresh", json!({"token": stolen}));
    assert_eq!(kept.closed(), Some((3005, "expired".into())));
    assert!(comes(one.address(), &other).is_ok());

    // Who has gone on with another one is found by that, and not by the one they came with.
    let mut moved = comes(two.address(), &token_with("alice", json!({"jti": "first"}))).unwrap();
    let reply = moved.ask("refresh", json!({"token": token_with("alice", json!({"jti": "second"}))}));
    assert!(reply["error"].is_null(), "{reply}");
    done(two.api_address(), "revoke_token", json!({"uid": "first"}));
    assert!(moved.ask("rpc", json!({"method": "nothing"}))["error"]["code"].is_u64(), "they stay");
    done(two.api_address(), "revoke_token", json!({"uid": "second"}));
    assert_eq!(moved.closed(), Some((3005, "expired".into())));

    // A subscription's token likewise.
    let pass = token_with("alice", json!({"jti": "pass", "channel": "$public:a"}));
    let mut alice = comes(one.address(), &other).unwrap();
    done(two.api_address(), "revoke_token", json!({"uid": "pass"}));
    eventually("the other server knows", || {
        let reply = alice.ask("subscribe", json!({"channel": "$public:a", "token": pass}));
        alice.ask("unsubscribe", json!({"channel": "$public:a"}));
        reply["error"]["code"] == 109
    });
    // What is said of a token that has ended need not be known.
    assert_eq!(code(one.api_address(), "revoke_token", json!({"uid": "other", "expire_at": 1})), 107);
    assert_eq!(code(one.api_address(), "revoke_token", json!({})), 107);
    assert!(comes(one.address(), &other).is_ok());
}

#[test]
fn all_tokens_that_a_user_has_are_called_back_and_new_ones_are_good() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let old = token_with("alice", json!({"iat": 1_600_000_000}));
    let (bare, of_bob) = (token("alice"), token("bob"));
    let mut closed = [comes(one.address(), &old).unwrap(), comes(one.address(), &bare).unwrap()];
    let (mut kept, mut bob) = (
        comes(one.address(), &token_with("alice", json!({}))).unwrap(),
        comes(one.address(), &of_bob).unwrap(),
    );
    done(
        one.api_address(),
        "invalidate_user_tokens",
        json!({"user": "alice", "issued_before": 1_700_000_000}),
    );
    for client in &mut closed {
        assert_eq!(client.closed(), Some((3005, "expired".into())));
    }
    for client in [&mut kept, &mut bob] {
        assert_eq!(client.refused("presence_stats", json!({"channel": "public:x"})).0, 108);
    }
    assert_eq!(comes(one.address(), &old).err(), Some(json!(109)));
    // Unless it is said otherwise: all that there are.
    let newest = token_with("alice", json!({}));
    done(one.api_address(), "invalidate_user_tokens", json!({"user": "alice"}));
    assert_eq!(kept.closed(), Some((3005, "expired".into())));
    assert_eq!(comes(one.address(), &newest).err(), Some(json!(109)));
    eventually("a later one is good", || comes(one.address(), &token_with("alice", json!({}))).is_ok());
    assert_eq!(code(one.api_address(), "invalidate_user_tokens", json!({})), 107);
    assert!(comes(one.address(), &of_bob).is_ok());
}

#[test]
fn what_is_called_back_is_known_to_servers_that_were_not_there() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let (one, two) = (harbour.gateway("one"), gateway("two", &strait.address));
    let [first, second] = ["first", "second"].map(|id| token_with("alice", json!({"jti": id})));
    let mut there = comes(two.address(), &second).unwrap();
    done(one.api_address(), "revoke_token", json!({"uid": "first"}));
    strait.cut();
    done(one.api_address(), "revoke_token", json!({"uid": "second"}));
    there.assert_quiet();
    strait.open();
    assert_eq!(there.closed(), Some((3005, "expired".into())));
    one.stop();
    // Another run, of another name: it reads what is kept.
    let three = harbour.gateway("three");
    for token in [first, second] {
        eventually("it knows", || comes(three.address(), &token).err() == Some(json!(109)));
    }
    two.stop();
}

#[test]
fn a_store_that_has_forgotten_it_is_told_again_by_servers_that_run() {
    let mut harbour = Harbour::open();
    let one = harbour.gateway("one");
    let [stolen, old] =
        [json!({"jti": "stolen"}), json!({"iat": 1_600_000_000})].map(|claims| token_with("alice", claims));
    done(one.api_address(), "revoke_token", json!({"uid": "stolen"}));
    done(
        one.api_address(),
        "invalidate_user_tokens",
        json!({"user": "alice", "issued_before": 1_700_000_000}),
    );
    harbour.stop();
    harbour.start_empty();
    let two = harbour.gateway("two");
    for token in [stolen, old] {
        eventually("the other one has been told", || comes(two.address(), &token).err() == Some(json!(109)));
    }
}

#[test]
fn what_still_counts_is_known_to_servers_that_start_however_much_was_called_back_since() {
    let harbour = Harbour::open();
    if std::env::var_os("NARU_TESTS_ON").is_some() {
        return;
    }
    // The channel keeps 65,536, and three quarters of them are how far behind what counts may be.
    let fill = |count: usize| {
        for begin in (0..count).step_by(4_000) {
            let mut commands = String::new();
            for _ in begin..count.min(begin + 4_000) {
                let told = r#"{"cluster":"another","from":"s","run":"r","say":{}}"#;
                let keep = "$4\r\nSIZE\r\n$5\r\n65536\r\n$3\r\nTTL\r\n$8\r\n36000000\r\n$4\r\nMETA\r\n$8\r\n36000000\r\n";
                let length = told.len();
                commands.push_str("*9\r\n$20\r\nNARU.CHANNEL.PUBLISH\r\n$12\r\nnaru:revoked\r\n");
                commands.push_str(&format!("${length}\r\n{told}\r\n{keep}"));
            }
            commands.push_str("*1\r\n$4\r\nQUIT\r\n");
            let answer = harbour.redis_text(commands.as_bytes());
            assert!(
                !answer.contains("\n-") && !answer.starts_with('-'),
                "{}",
                &answer[..200.min(answer.len())]
            );
        }
    };
    let stolen = token_with("alice", json!({"jti": "stolen"}));
    let one = harbour.gateway("one");
    done(one.api_address(), "revoke_token", json!({"uid": "stolen"}));
    fill(49_153);
    done(one.api_address(), "revoke_token", json!({"uid": "other"}));
    one.stop();
    fill(16_384);
    let two = harbour.gateway("two");
    eventually("it knows", || comes(two.address(), &stolen).err() == Some(json!(109)));
    two.stop();
}
