//! The server API: what applications' servers publish and steer, over two servers at one broker.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use naru_gateway::{
    api::{KeySettings, SecretKey, Settings},
    namespaces::{self, Namespaces},
};
use serde_json::{Value, json};
use support::{API_KEY, Client, Harbour, PATIENCE, Strait, eventually, gateway, gateway_with, token};

/// Asks over HTTP; the status, and the body as it is.
fn ask(address: SocketAddr, head: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The same, whose answer is not waited for: it comes when the broker does.
fn ask_only(address: SocketAddr, method: &str, params: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let body = params.to_string();
    let head = format!("POST /api/{method} HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream
}

fn call(address: SocketAddr, method: &str, params: Value) -> Value {
    let (status, body) = ask(
        address,
        &format!("POST /api/{method}"),
        &format!("X-API-Key: {API_KEY}\r\n"),
        &params.to_string(),
    );
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// What a method answers that does what is asked.
fn done(address: SocketAddr, method: &str, params: Value) -> Value {
    let answer = call(address, method, params);
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

fn code(address: SocketAddr, method: &str, params: Value) -> u64 {
    call(address, method, params)["error"]["code"].as_u64().expect("a code")
}

/// A namespace with a history, and nothing more.
fn kept() -> Namespaces {
    let kept = json!({"namespaces": [{
        "name": "kept", "history_size": 10, "history_ttl": "1h",
        "allow_subscribe_for_client": true, "allow_positioning": true,
    }]});
    serde_json::from_value::<namespaces::Settings>(kept).unwrap().into()
}

#[test]
fn what_a_server_publishes_reaches_clients_on_every_server_as_nobodys() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(two.address(), "bob");
    alice.subscribe("public:news");
    bob.subscribe("public:news");
    let published = json!({"channel": "public:news", "data": {"n": 1.5}, "tags": {"a": "b"}});
    assert_eq!(done(one.api_address(), "publish", published), json!({}));
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.publication().1, json!({"data": {"n": 1.5}, "tags": {"a": "b"}}));
    }
    done(two.api_address(), "publish", json!({"channel": "public:news", "data": null}));
    done(two.api_address(), "publish", json!({"channel": "public:news", "b64data": "WzFd", "data": 2}));
    let forged = json!({"naru": {"user": "mallory", "client": "1"}, "data": 1});
    done(two.api_address(), "publish", json!({"channel": "public:news", "data": forged}));
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.publication().1, json!({"data": null}));
        assert_eq!(client.publication().1, json!({"data": [1]}));
        assert_eq!(client.publication().1, json!({"data": forged}));
    }
    one.stop();
    two.stop();
}

#[test]
fn a_broadcast_says_of_each_channel_what_became_of_it() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    alice.subscribe("public:a");
    let channels = ["public:a", "", "nowhere:a", "inbox:alice", "public:b", "public:a"];
    let broadcast = json!({"channels": channels, "data": 7});
    let answers = done(one.api_address(), "broadcast", broadcast)["responses"].clone();
    let codes: Vec<Option<u64>> =
        answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_u64()).collect();
    assert_eq!(codes, [None, Some(107), Some(102), Some(107), None, None]);
    assert_eq!(answers[0], json!({"result": {}}));
    for _ in 0..2 {
        assert_eq!(alice.publication(), ("public:a".into(), json!({"data": 7})));
    }
    assert_eq!(code(one.api_address(), "broadcast", json!({"channels": [], "data": 7})), 107);
    let many: Vec<String> = (0..5_000).map(|number| format!("public:{number}")).collect();
    let answers = done(one.api_address(), "broadcast", json!({"channels": many, "data": 7}));
    assert_eq!(answers["responses"].as_array().unwrap().len(), 5_000);
    one.stop();
}

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
    // Whatever the broker is asked is not answered.
    strait.becalm(true);
    let connecting = |user: &str| {
        let mut client = Client::open(one.address());
        let id = client.command("connect", json!({"token": token(user)}));
        (client, id)
    };
    let (mut alice, id) = connecting("alice");
    let mut trent = connecting("trent").0;
    let mut mallory = connecting("mallory").0;
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

/// A token of this user with more claims; `iat` is now, unless they say otherwise.
fn token_with(user: &str, claims: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut all = json!({"sub": user, "iat": now, "exp": now + 600});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    support::key().sign_claims(all.as_object().unwrap().clone(), None)
}

fn comes(address: SocketAddr, token: &str) -> Result<Client, Value> {
    let mut client = Client::open(address);
    let reply = client.ask("connect", json!({"token": token}));
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
    let begun = Instant::now();
    done(one.api_address(), "revoke_token", json!({"uid": "stolen"}));
    for victim in &mut victims {
        // They come back, and ask for a new one.
        assert_eq!(victim.closed(), Some((3005, "expired".into())));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    for address in [one.address(), two.address()] {
        assert_eq!(comes(address, &stolen).err(), Some(json!(109)));
    }
    // Who refreshes with it is as badly off.
    kept.command("refresh", json!({"token": stolen}));
    assert_eq!(kept.closed(), Some((3005, "expired".into())));
    assert!(comes(one.address(), &other).is_ok());

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
    done(one.api_address(), "invalidate_user_tokens", json!({"user": "alice"}));
    assert_eq!(kept.closed(), Some((3005, "expired".into())));
    assert_eq!(comes(one.address(), &token_with("alice", json!({}))).err(), Some(json!(109)));
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

#[test]
fn more_who_are_present_than_can_be_told_is_said_clearly() {
    let harbour = Harbour::open();
    if std::env::var_os("NARU_TESTS_ON").is_some() {
        return;
    }
    let one = harbour.gateway_with("one", |options| {
        let crowd = json!({"namespaces": [{
            "name": "crowd", "presence": true, "allow_subscribe_for_client": true, "allow_presence_for_client": true,
        }]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(crowd).unwrap().into();
    });
    let mut alice = Client::connect(one.address(), "alice");
    alice.subscribe("crowd:a");
    let present = |alice: &mut Client| alice.ask("presence", json!({"channel": "crowd:a"}));
    assert_eq!(present(&mut alice)["presence"]["presence"].as_object().map(|all| all.len()), Some(1));
    // Others are there, as another server says it.
    let mut commands = b"NARU.SERVER other e 600000\r\n".to_vec();
    for number in 0..10_000 {
        commands
            .extend_from_slice(format!("NARU.CHANNEL.ENTER other e crowd:a c{number} u {{}}\r\n").as_bytes());
    }
    commands.extend_from_slice(b"QUIT\r\n");
    let answer = harbour.redis_text(&commands);
    assert!(!answer.contains("-ERR"), "{}", &answer[..300.min(answer.len())]);
    assert_eq!(present(&mut alice)["error"]["code"], 106);
    assert_eq!(code(one.api_address(), "presence", json!({"channel": "crowd:a"})), 106);
    let stats = alice.ask("presence_stats", json!({"channel": "crowd:a"}));
    assert_eq!(stats["presence_stats"]["num_clients"], 10_001, "{stats}");
}

#[test]
fn as_many_are_present_as_the_broker_has_room_for_and_who_is_more_is_told_so() {
    let harbour = Harbour::open();
    if std::env::var_os("NARU_TESTS_ON").is_some() {
        return;
    }
    let one = harbour.gateway_with("one", |options| {
        let crowd =
            json!({"namespaces": [{"name": "crowd", "presence": true, "allow_subscribe_for_client": true}]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(crowd).unwrap().into();
    });
    assert_eq!(harbour.redis(&[b"CONFIG", b"SET", b"channel-present-max", b"1"]), "+OK");
    let (mut alice, mut bob) =
        (Client::connect(one.address(), "alice"), Client::connect(one.address(), "bob"));
    alice.subscribe("crowd:a");
    let reply = bob.ask("subscribe", json!({"channel": "crowd:a"}));
    assert_eq!(reply["error"]["code"], 106, "{reply}");
    assert!(reply["error"]["temporary"].is_null(), "trying again would not help: {reply}");
    assert_eq!(harbour.redis(&[b"CONFIG", b"SET", b"channel-present-max", b"2"]), "+OK");
    bob.subscribe("crowd:a");
}

#[test]
fn a_publication_that_grows_in_json_is_no_reason_to_cut_its_clients_off() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let live = json!({"namespaces": [{
            "name": "live", "allow_subscribe_for_client": true,
            "delta_publish": true, "allowed_delta_types": ["fossil"],
        }]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(live).unwrap().into();
    });
    let mut alice = Client::connect(one.address(), "alice");
    let reply = alice.ask("subscribe", json!({"channel": "live:a", "delta": "fossil"}));
    assert_eq!(reply["subscribe"]["delta"], true, "{reply}");
    // Within the bound as it is published, and beyond it where its quotes are escaped once more, for who gets differences.
    let quotes = json!("\"".repeat(350 << 10));
    done(one.api_address(), "publish", json!({"channel": "live:a", "data": quotes}));
    assert_eq!(alice.publication().1["data"], json!(quotes.to_string()));
    alice.assert_quiet();
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
fn what_all_servers_hold_is_added_up() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut clients: Vec<Client> = [(&one, "alice"), (&one, "alice"), (&two, "alice"), (&two, "bob")]
        .map(|(gateway, user)| Client::connect(gateway.address(), user))
        .into();
    clients.iter_mut().for_each(|client| client.subscribe("public:a"));
    clients[0].subscribe("public:b");
    let channels =
        |pattern: &str| done(two.api_address(), "channels", json!({"pattern": pattern}))["channels"].clone();
    let (a, b) = (json!({"num_clients": 4}), json!({"num_clients": 1}));
    assert_eq!(channels(""), json!({"public:a": a, "public:b": b}));
    assert_eq!(channels("*:b"), json!({"public:b": b}));
    assert_eq!(channels("inbox:*"), json!({}));
    let counts = || {
        let info = done(one.api_address(), "info", json!({}));
        let nodes = info["nodes"].as_array().unwrap().clone();
        nodes
            .into_iter()
            .map(|node| {
                let count = |name: &str| node[name].as_u64().unwrap();
                (
                    node["name"].as_str().unwrap().to_owned(),
                    [count("num_clients"), count("num_users"), count("num_subs"), count("num_channels")],
                )
            })
            .collect::<Vec<_>>()
    };
    let all = [("one".to_owned(), [2, 1, 3, 2]), ("two".to_owned(), [2, 2, 2, 1])];
    // The probes that looked whether the servers had started may still be going.
    eventually("those who are gone do not count", || counts() == all);
    two.stop();
    eventually("who has stopped does not count", || counts() == all[..1]);
    // Somebody else listens, and is not waited for without end.
    let mut stranger = TcpStream::connect(harbour.address).unwrap();
    stranger.write_all(b"SUBSCRIBE naru:control\r\n").unwrap();
    eventually("the stranger listens", || harbour.listeners("naru:control") == 2);
    let begun = std::time::Instant::now();
    assert_eq!(counts(), all[..1]);
    assert!(begun.elapsed() < Duration::from_secs(4));
    one.stop();
}

#[test]
fn what_is_not_understood_between_servers_is_passed_over() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    eventually("the server listens", || harbour.listeners("naru:control") == 1);
    let said = |cluster: &str, say: Value| {
        json!({"cluster": cluster, "from": "another", "run": "r", "say": say}).to_string()
    };
    let disconnect =
        json!({"steer": {"disconnect": {"whom": {"user": "alice"}, "code": 3000, "reason": ""}}});
    for payload in [
        "hi".to_owned(),
        "{}".to_owned(),
        said("naru", json!({"teleport": {"whom": {"user": "alice"}}})),
        said("naru", json!({"answer": {"id": "x", "answer": {"info": {}}, "more": false}})),
        said("staging", disconnect.clone()),
    ] {
        for channel in ["naru:control", "naru:node:one"] {
            assert_eq!(harbour.redis(&[b"PUBLISH", channel.as_bytes(), payload.as_bytes()]), ":1");
        }
    }
    alice.assert_quiet();
    let payload = said("naru", disconnect);
    harbour.redis(&[b"PUBLISH", b"naru:control", payload.as_bytes()]);
    assert_eq!(alice.closed(), Some((3000, String::new())));
    one.stop();
}

#[test]
fn without_a_broker_what_is_here_is_steered_and_the_rest_is_said_to_fail() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let (one, two) = (gateway("one", &strait.address), harbour.gateway("two"));
    let mut here = Client::connect(one.address(), "alice");
    let mut there = Client::connect(two.address(), "alice");
    strait.cut();
    let api = one.api_address();
    eventually("the broker is missed", || {
        call(api, "publish", json!({"channel": "public:a", "data": 1}))["error"]["code"] == 100
    });
    assert_eq!(code(api, "info", json!({})), 100);
    assert_eq!(code(api, "disconnect", json!({"user": "alice"})), 100);
    assert_eq!(here.closed(), Some((3503, "force disconnect".into())));
    there.assert_quiet();
    strait.open();
    eventually("the broker is back", || {
        call(api, "info", json!({}))["result"]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2)
    });
    // It hears the others again as well.
    let mut here = Client::connect(one.address(), "alice");
    done(two.api_address(), "disconnect", json!({"user": "alice"}));
    assert_eq!(here.closed(), Some((3503, "force disconnect".into())));
    assert_eq!(there.closed(), Some((3503, "force disconnect".into())));
    one.stop();
    two.stop();
}

#[test]
fn nobody_comes_in_without_a_key() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let closed = harbour.gateway_with("two", |options| options.api = Settings::default().try_into().unwrap());
    let key = |key: &str| format!("X-API-Key: {key}\r\n");
    let post = "POST /api/info";
    for headers in
        ["", &key(""), &key("wrong"), "Authorization: apikey wrong\r\n", "Authorization: Bearer x\r\n"]
    {
        assert_eq!(ask(one.address(), post, headers, "{}"), (401, String::new()), "{headers}");
        assert_eq!(ask(one.address(), "POST /api", headers, "{}"), (401, String::new()), "{headers}");
    }
    assert_eq!(ask(one.address(), "POST /api/no_method", "", "{}").0, 401);
    assert_eq!(ask(closed.address(), post, &key(API_KEY), "{}").0, 401);
    assert_eq!(ask(closed.address(), post, "", "{}").0, 401);
    let encoded = API_KEY.replace(' ', "%20");
    for (head, headers) in [
        (post.to_owned(), key(API_KEY)),
        (post.to_owned(), format!("Authorization: apikey {API_KEY}\r\n")),
        (format!("{post}?api_key={encoded}"), String::new()),
    ] {
        assert_eq!(ask(one.address(), &head, &headers, "{}").0, 200, "{head}");
    }
    let good = key(API_KEY);
    assert_eq!(ask(one.address(), "GET /api/info", &good, "").0, 405);
    assert_eq!(ask(one.address(), "POST /api/no_method", &good, "{}").0, 404);
    for body in ["", "{", "[]", "hi", r#"{"channel": 7}"#] {
        assert_eq!(ask(one.address(), "POST /api/publish", &good, body).0, 400, "{body}");
    }
    let large = format!(r#"{{"channel":"public:a","data":"{}"}}"#, "x".repeat(5 << 20));
    assert_eq!(ask_large(one.address(), &good, &large), 413);
    let too_large = json!({"channel": "public:a", "data": "x".repeat(1 << 20)});
    assert_eq!(code(one.address(), "publish", too_large), 107);
    one.stop();
    closed.stop();
}

/// As [`ask`], where the server answers before it has read everything.
fn ask_large(address: SocketAddr, headers: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("POST /api/publish HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body.as_bytes());
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[test]
fn a_key_may_be_for_some_methods_and_namespaces_only() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let set = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        let news = KeySettings {
            name: "news".into(),
            key: SecretKey::new(API_KEY).unwrap(),
            operations: set(&["publish", "broadcast"]),
            namespaces: set(&["public"]),
        };
        options.api = Settings { keys: vec![news], ..Settings::default() }.try_into().unwrap();
    });
    let api = one.api_address();
    done(api, "publish", json!({"channel": "public:a", "data": 1}));
    assert_eq!(code(api, "publish", json!({"channel": "a", "data": 1})), 103);
    assert_eq!(code(api, "broadcast", json!({"channels": ["public:a", "a"], "data": 1})), 103);
    assert_eq!(code(api, "disconnect", json!({"user": "alice"})), 103);
    let commands = json!([
        {"publish": {"channel": "public:a", "data": 1}},
        {"disconnect": {"user": "alice"}},
        {"publish": {"channel": "a", "data": 1}},
        {"info": {}, "channels": {}},
        {},
        {"batch": {"commands": []}},
        {"nothing": {}},
        {"publish": 7},
    ]);
    for parallel in [false, true] {
        let replies =
            call(api, "batch", json!({"commands": commands, "parallel": parallel}))["replies"].clone();
        let codes: Vec<Option<u64>> =
            replies.as_array().unwrap().iter().map(|reply| reply["error"]["code"].as_u64()).collect();
        assert_eq!(
            codes,
            [None, Some(103), Some(103), Some(107), Some(107), Some(107), Some(104), Some(107)]
        );
    }
    one.stop();
}

#[test]
fn a_refusal_may_be_a_status() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let headers = format!("X-API-Key: {API_KEY}\r\nX-Centrifugo-Error-Mode: transport\r\n");
    for (params, status, code) in [
        (json!({"channel": "nowhere:a", "data": 1}), 404, 102),
        (json!({"channel": "", "data": 1}), 400, 107),
        (json!({"channel": "public:a", "data": 1, "version": 3}), 400, 108),
    ] {
        let answer = ask(one.address(), "POST /api/publish", &headers, &params.to_string());
        assert_eq!(answer.0, status);
        let error: Value = serde_json::from_str(&answer.1).unwrap();
        assert_eq!(error["code"], code);
        assert!(error["message"].is_string());
    }
    let good = json!({"channel": "public:a", "data": 1}).to_string();
    assert_eq!(ask(one.address(), "POST /api/publish", &headers, &good), (200, r#"{"result":{}}"#.into()));
    let batch = json!({"commands": [{"publish": {}}]}).to_string();
    assert_eq!(ask(one.address(), "POST /api/batch", &headers, &batch).0, 200);
    one.stop();
}

#[test]
fn the_old_form_answers_line_by_line() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let headers = format!("X-API-Key: {API_KEY}\r\n");
    let body = "{\"method\":\"publish\",\"params\":{\"channel\":\"public:a\",\"data\":1}}\n\
                {\"method\":\"nothing\"}{\"method\":\"channels\",\"params\":{}}\n";
    let (status, answer) = ask(one.address(), "POST /api", &headers, body);
    assert_eq!(status, 200);
    let lines: Vec<&str> = answer.split('\n').collect();
    assert_eq!(lines.len(), 3, "{answer:?}");
    assert_eq!(lines[0], r#"{"result":{}}"#);
    assert!(lines[1].starts_with(r#"{"error":{"code":104,"#), "{}", lines[1]);
    assert_eq!(lines[2], r#"{"result":{"channels":{}}}"#);
    assert_eq!(ask(one.address(), "POST /api", &headers, "{\"method\":\"info\"}\n{").0, 400);
    let command = "{\"method\":\"nothing\"}";
    assert_eq!(ask(one.address(), "POST /api", &headers, &command.repeat(128)).0, 200);
    assert_eq!(ask(one.address(), "POST /api", &headers, &command.repeat(129)).0, 400);
    one.stop();
}

#[test]
fn a_batch_has_so_many_commands_and_no_more() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let batch = |count: usize| json!({"commands": vec![json!({"channels": {}}); count], "parallel": true});
    let answer = call(one.api_address(), "batch", batch(128));
    assert_eq!(answer["replies"].as_array().unwrap().len(), 128);
    assert_eq!(code(one.api_address(), "batch", batch(129)), 107);
    one.stop();
}

#[test]
fn the_api_can_have_a_port_of_its_own() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let address = Some("127.0.0.1:0".parse().unwrap());
        options.api = Settings { address, insecure: true, ..Settings::default() }.try_into().unwrap();
    });
    assert_ne!(one.api_address(), one.address());
    assert_eq!(ask(one.api_address(), "POST /api/info", "", "{}").0, 200);
    assert_eq!(ask(one.api_address(), "GET /docs", "", "").0, 200);
    assert_eq!(ask(one.api_address(), "GET /health", "", "").0, 200);
    assert_eq!(ask(one.address(), "POST /api/info", "", "{}").0, 404);
    assert_eq!(ask(one.address(), "GET /openapi.json", "", "").0, 404);
    let api = one.api_address();
    one.stop();
    TcpStream::connect(api).unwrap_err();
}

#[test]
fn what_users_have_read_can_be_asked() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let api = one.api_address();
    let mut alice = Client::connect(one.address(), "alice");
    let (mut bob, _) = Client::connect_with(one.address(), "bob", json!({"data": {"device": "phone"}}));
    alice.send("bob", "1", "hi");
    alice.send("bob", "2", "again");
    let (offset, _) = bob.inbox();
    bob.rpc_among_pushes("ack", json!({"offset": offset}));
    let rpc = |method: &str, params: Value| {
        done(api, "rpc", json!({"method": method, "params": params}))["data"].clone()
    };
    let listed = rpc("inbox", json!({"user": "bob"}));
    assert_eq!(listed["conversations"][0]["conversation"], "dm:alice:bob");
    assert_eq!((&listed["conversations"][0]["unread"], &listed["more"]), (&json!(2), &json!(false)));
    assert_eq!(
        rpc("unread", json!({"user": "bob"})),
        json!({"unread": 2, "conversations": 1, "mentions": 0})
    );
    let cursors = rpc("cursors", json!({"user": "bob", "conversation": "dm:alice:bob"}));
    assert_eq!(cursors["devices"][0]["device"], "phone");
    assert_eq!(cursors["devices"][0]["offset"], offset);
    assert_eq!(cursors["servers"], json!(["one"]));
    assert_eq!(
        rpc("presence", json!({"users": ["bob", "carol", "alice"]}))["online"],
        json!(["bob", "alice"])
    );
    assert_eq!(code(api, "rpc", json!({"method": "nothing"})), 104);
    assert_eq!(code(api, "rpc", json!({"method": "inbox"})), 107);
    assert_eq!(code(api, "rpc", json!({"method": "inbox", "params": {"user": ""}})), 107);
    one.stop();
}
