//! Tokens that they call back.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use naru_gateway::Gateway;
use serde_json::{Value, json};

use crate::{
    code, done,
    support::{self, Client, Harbour, Strait, eventually, gateway, is_skipped_elsewhere, token},
};

/// A token of this user with more claims; `iat` is now, unless they say otherwise.
fn token_with(user: &str, claims: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut all = json!({"sub": user, "iat": now});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    support::signed(all)
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

/// Has the channel of what is called back hear so many other things, of so many bytes.
fn say_other_things(harbour: &Harbour, times: usize, bytes: usize) {
    let thing = "x".repeat(bytes);
    let command = format!("NARU.CHANNEL.PUBLISH naru:revoked {thing} SIZE 65536 TTL 600000 META 600000\r\n");
    for begun in (0..times).step_by(500) {
        let now = command.repeat((times - begun).min(500));
        let answer = harbour.redis_text(format!("{now}QUIT\r\n").as_bytes());
        assert!(answer.ends_with("+OK\r\n") && !answer.contains("\n-"), "{answer}");
    }
}

/// Has the channel hear so many other things of so many bytes and calls another token back, whereupon this one is said again: it is among
/// so many that were said last.
fn is_said_again_behind(
    (times, bytes): (usize, usize),
    harbour: &Harbour,
    gateway: &Gateway,
    id: &str,
    last: usize,
) {
    let command = format!("NARU.CHANNEL.HISTORY naru:revoked META 600000 REVERSE LIMIT {last}\r\nQUIT\r\n");
    let said = format!("\"{id}\"");
    eventually("it is said again", || {
        say_other_things(harbour, times, bytes);
        done(gateway.api_address(), "revoke_token", json!({"uid": "another"}));
        // Not for ever: what the server does behind the call before may come late, and say it again among the other things.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            if harbour.redis_text(command.as_bytes()).contains(&said) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    });
}

/// Whether what was called back long ago is known to a server that starts.
fn is_known_to_a_newcomer(harbour: &Harbour, tokens: &[&str]) {
    let newcomer = harbour.gateway("newcomer");
    for token in tokens {
        eventually("it knows", || comes(newcomer.address(), token).err() == Some(json!(109)));
    }
    newcomer.stop();
}

#[test]
fn what_is_soon_pushed_out_or_was_by_its_bytes_is_said_again() {
    if is_skipped_elsewhere("there is no bound of bytes") {
        return;
    }
    let harbour = Harbour::open();
    assert_eq!(harbour.redis(&[b"CONFIG", b"SET", b"channel-bytes-max", b"64kb"]), "+OK");
    let one = harbour.gateway("one");
    let long = "j".repeat(1000);
    let [lost, soon_lost] = [&*long, "soon lost"].map(|id| token_with("alice", json!({"jti": id})));
    done(one.api_address(), "revoke_token", json!({"uid": long}));
    say_other_things(&harbour, 30, 300);
    done(one.api_address(), "revoke_token", json!({"uid": "soon lost"}));
    // The first is not kept any more then, the second among the oldest.
    is_said_again_behind((190, 300), &harbour, &one, "soon lost", 2);
    say_other_things(&harbour, 60, 300);
    is_known_to_a_newcomer(&harbour, &[&lost, &soon_lost]);
}

#[test]
fn what_was_called_back_very_many_ago_is_said_again() {
    if is_skipped_elsewhere("it has other commands") {
        return;
    }
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let old = token_with("alice", json!({"jti": "old"}));
    done(one.api_address(), "revoke_token", json!({"uid": "old"}));
    is_said_again_behind((49_200, 2), &harbour, &one, "old", 1);
    say_other_things(&harbour, 20_000, 2);
    is_known_to_a_newcomer(&harbour, &[&old]);
}

#[test]
fn a_store_that_forgets_it_twice_in_a_row_is_told_twice() {
    if is_skipped_elsewhere("it has other commands") {
        return;
    }
    let mut harbour = Harbour::open();
    let one = harbour.gateway("one");
    let stolen = token_with("alice", json!({"jti": "stolen"}));
    done(one.api_address(), "revoke_token", json!({"uid": "stolen"}));
    for _ in 0..2 {
        // A new epoch in the same store, which still has the keys of what was said once.
        harbour.redis(&[b"NARU.GENERATION"]);
        harbour.stop();
        harbour.start();
        is_known_to_a_newcomer(&harbour, &[&stolen]);
    }
    one.stop();
}
