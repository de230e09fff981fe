//! What they want done with connections.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::{
    ask_only, call, code, done, kept,
    support::{Client, Harbour, Strait, eventually, gateway_with, token},
};

#[test]
fn what_a_server_wants_done_with_a_users_connections_is_done_on_every_server() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut here = Client::connect(one.address(), "alice");
    let (mut there, connected) = Client::connect_with(two.address(), "alice", json!({}));
    let mut other = Client::connect(two.address(), "bob");
    let api = one.api_address();

    assert_eq!(
        done(api, "subscribe", json!({"channel": "public:a", "user": "alice", "data": {"x": 1}})),
        json!({})
    );
    for client in [&mut here, &mut there] {
        let push = client.pushed(|push| push["channel"] == "public:a");
        assert_eq!(push, json!({"channel": "public:a", "subscribe": {"data": {"x": 1}}}));
    }
    done(api, "publish", json!({"channel": "public:a", "data": 1}));
    assert_eq!(here.publication(), ("public:a".into(), json!({"data": 1})));
    assert_eq!(there.publication(), ("public:a".into(), json!({"data": 1})));
    // Twice is once; and the client cannot do it again, or end what the server has begun.
    done(api, "subscribe", json!({"channel": "public:a", "user": "alice"}));
    assert_eq!(here.refused("subscribe", json!({"channel": "public:a"})).0, 105);

    let client = &connected["client"];
    done(api, "unsubscribe", json!({"channel": "public:a", "user": "alice", "client": client}));
    let ended = json!({"channel": "public:a", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}});
    assert_eq!(there.pushed(|push| push["channel"] == "public:a"), ended);
    done(api, "publish", json!({"channel": "public:a", "data": 2}));
    assert_eq!(here.publication().1, json!({"data": 2}));
    there.assert_quiet();
    // What a client has begun by itself is ended as well.
    there.subscribe("public:b");
    done(api, "unsubscribe", json!({"channel": "public:b", "user": "alice"}));
    assert_eq!(there.pushed(|_| true)["unsubscribe"]["code"], 2000);
    there.subscribe("public:b");

    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 100;
    done(api, "refresh", json!({"user": "alice", "client": client, "expire_at": soon}));
    let refresh = there.pushed(|push| !push["refresh"].is_null())["refresh"].clone();
    assert!(
        refresh["expires"] == true && refresh["ttl"].as_u64().is_some_and(|ttl| (90..=100).contains(&ttl))
    );
    done(api, "refresh", json!({"user": "alice", "client": client}));
    assert_eq!(there.pushed(|push| !push["refresh"].is_null()), json!({"refresh": {}}));

    done(
        api,
        "disconnect",
        json!({"user": "alice", "whitelist": [client], "disconnect": {"code": 4001, "reason": "go"}}),
    );
    assert_eq!(here.closed(), Some((4001, "go".into())));
    done(api, "refresh", json!({"user": "alice", "expired": true}));
    assert_eq!(there.closed(), Some((3005, "expired".into())));
    let mut again = Client::connect(two.address(), "alice");
    done(api, "disconnect", json!({"user": "alice"}));
    assert_eq!(again.closed(), Some((3503, "force disconnect".into())));
    // Who is anonymous is nobody here, and so it is not everybody.
    done(api, "disconnect", json!({"user": ""}));
    other.assert_quiet();

    for (method, params) in [
        ("subscribe", json!({"user": "alice"})),
        ("unsubscribe", json!({"user": "alice"})),
        ("unsubscribe", json!({"user": "alice", "channel": "inbox:alice"})),
        ("subscribe", json!({"user": "alice", "channel": "room:a"})),
        ("disconnect", json!({"user": "alice", "disconnect": {"code": 1000}})),
        ("disconnect", json!({"user": "alice", "disconnect": {"code": 3000, "reason": "x".repeat(124)}})),
    ] {
        assert_eq!(code(api, method, params.clone()), 107, "{method} {params}");
    }
    assert_eq!(code(api, "subscribe", json!({"user": "alice", "channel": "nowhere:a"})), 102);
    one.stop();
    two.stop();
}

#[test]
fn what_was_published_since_a_position_comes_behind_the_push() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| options.namespaces = kept());
    let mut alice = Client::connect(one.address(), "alice");
    let mut epoch = Value::Null;
    for number in 1..=4 {
        let published = done(one.api_address(), "publish", json!({"channel": "kept:a", "data": number}));
        epoch = published["epoch"].clone();
    }
    let since = json!({"offset": 2, "epoch": epoch});
    let subscribe = json!({"channel": "kept:a", "user": "alice", "recover_since": since});
    done(one.api_address(), "subscribe", subscribe);
    let push = alice.pushed(|push| push["channel"] == "kept:a")["subscribe"].clone();
    assert_eq!(push, json!({"recoverable": true, "positioned": true, "epoch": epoch, "offset": 2}));
    done(one.api_address(), "publish", json!({"channel": "kept:a", "data": 5}));
    for number in 3..=5 {
        assert_eq!(alice.publication(), ("kept:a".into(), json!({"data": number, "offset": number})));
    }
    // Who says no to recovery gets none.
    done(one.api_address(), "unsubscribe", json!({"channel": "kept:a", "user": "alice"}));
    alice.pushed(|push| !push["unsubscribe"].is_null());
    let no = json!({"force_recovery": {"value": false}});
    let subscribe = json!({"channel": "kept:a", "user": "alice", "recover_since": since, "override": no});
    done(one.api_address(), "subscribe", subscribe);
    let push = alice.pushed(|push| push["channel"] == "kept:a")["subscribe"].clone();
    assert_eq!(push["recoverable"], Value::Null, "{push}");
    alice.assert_quiet();
    one.stop();
}

#[test]
fn who_is_still_connecting_is_steered_as_well() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let one = gateway_with("one", &strait.address, |options| options.cores = 1);
    let api = one.api_address();
    let [mut alice, mut trent, mut mallory] = [(); 3].map(|()| Client::open(one.address()));
    // Whatever the broker is asked is not answered; what follows has the time of one connect command.
    strait.becalm(true);
    let connect = |client: &mut Client, user: &str| client.command("connect", json!({"token": token(user)}));
    let id = connect(&mut alice, "alice");
    connect(&mut trent, "trent");
    connect(&mut mallory, "mallory");
    let is_gone = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut asked = Vec::new();
            eventually("who is connecting is disconnected", || {
                asked.push(ask_only(api, "disconnect", &json!({"user": "mallory"})));
                is_gone.load(Ordering::SeqCst)
            });
        });
        assert_eq!(mallory.closed(), Some((3503, "force disconnect".into())));
        is_gone.store(true, Ordering::SeqCst);
    });
    let asked = [
        ask_only(api, "refresh", &json!({"user": "alice"})),
        ask_only(api, "subscribe", &json!({"channel": "public:a", "user": "alice"})),
        ask_only(api, "refresh", &json!({"user": "trent", "expired": true})),
    ];
    assert_eq!(trent.closed(), Some((3005, "expired".into())));
    strait.becalm(false);
    assert!(alice.reply(id)["connect"].is_object());
    assert_eq!(alice.pushed(|_| true), json!({"refresh": {}}));
    assert_eq!(alice.pushed(|_| true), json!({"channel": "public:a", "subscribe": {}}));
    alice.assert_quiet();
    drop(asked);
    one.stop();
}

#[test]
fn a_subscription_that_is_ended_while_it_begins_does_not_begin() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let one = gateway_with("one", &strait.address, |options| {
        options.namespaces = kept();
        options.cores = 1;
    });
    let api = one.api_address();
    let positioned = json!({"channel": "kept:a", "positioned": true});
    let mut bob = Client::connect(one.address(), "bob");
    assert_eq!(bob.ask("subscribe", positioned.clone())["subscribe"]["positioned"], true);
    let mut alice = Client::connect(one.address(), "alice");
    for is_begun_anew in [false, true] {
        // The server hears the channel already; where it stands is asked, and not answered.
        strait.becalm(true);
        let id = alice.command("subscribe", positioned.clone());
        let is_told = AtomicBool::new(false);
        let mut asked = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                eventually("what has not begun is ended", || {
                    asked.push(ask_only(api, "unsubscribe", &json!({"channel": "kept:a", "user": "alice"})));
                    is_told.load(Ordering::SeqCst)
                });
            });
            assert_eq!(alice.pushed(|_| true)["unsubscribe"]["code"], 2000);
            is_told.store(true, Ordering::SeqCst);
        });
        if is_begun_anew {
            asked.push(ask_only(api, "subscribe", &json!({"channel": "kept:a", "user": "alice"})));
        }
        strait.becalm(false);
        let code = alice.reply(id)["error"]["code"].as_u64();
        assert!(matches!(code, Some(103 | 105)), "{code:?}");
        if is_begun_anew {
            assert!(alice.pushed(|_| true)["subscribe"].is_object());
        }
        done(api, "publish", json!({"channel": "kept:a", "data": is_begun_anew}));
        assert_eq!(bob.publication().1["data"], is_begun_anew);
        if is_begun_anew {
            assert_eq!(alice.publication().1["data"], true);
        }
        alice.assert_quiet();
    }
    one.stop();
}

#[test]
fn subscriptions_begun_and_ended_at_once_leave_nothing_behind() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let commands: Vec<Value> = (0..100)
        .map(|number| match number % 2 {
            0 => json!({"subscribe": {"channel": "public:a", "user": "alice"}}),
            _ => json!({"unsubscribe": {"channel": "public:a", "user": "alice"}}),
        })
        .collect();
    let answer = call(one.api_address(), "batch", json!({"commands": commands}));
    assert_eq!(answer["replies"].as_array().unwrap().len(), 100);
    assert_eq!(answer["replies"][1], json!({"unsubscribe": {}}));
    for _ in 0..50 {
        assert!(alice.pushed(|push| push["channel"] == "public:a")["subscribe"].is_object());
        assert!(alice.pushed(|push| push["channel"] == "public:a")["unsubscribe"].is_object());
    }
    eventually("nobody is subscribed any more", || harbour.listeners("public:a") == 0);
    done(one.api_address(), "subscribe", json!({"channel": "public:a", "user": "alice"}));
    alice.pushed(|push| push["channel"] == "public:a");
    alice.leave();
    eventually("nobody is subscribed any more", || harbour.listeners("public:a") == 0);
    one.stop();
}

#[test]
fn every_code_can_be_said_by_an_application_and_reaches_the_client() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    // All of the protocol, and one of each kind that is an application's own.
    let codes = (3000..=3014).chain(3500..=3509).chain([4000, 4499, 4500, 4999]);
    for code in codes {
        let mut alice = Client::connect(one.address(), "alice");
        let told = json!({"code": code, "reason": format!("because of {code}")});
        done(one.api_address(), "disconnect", json!({"user": "alice", "disconnect": told}));
        assert_eq!(alice.closed(), Some((code, format!("because of {code}"))));
    }
    let told =
        |code: u16, reason: &str| json!({"user": "alice", "disconnect": {"code": code, "reason": reason}});
    assert_eq!(code(one.api_address(), "disconnect", told(2999, "")), 107);
    assert_eq!(code(one.api_address(), "disconnect", told(5000, "")), 107);
    assert_eq!(code(one.api_address(), "disconnect", told(4000, &"x".repeat(124))), 107);
}
