//! What tokens let their bearers do, over a socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use naru_gateway::{Gateway, Options, Tokens, auth::Settings, metrics};
use serde_json::{Value, json};

use crate::support::{Client, Harbour, eventually, key, signed};

/// The key of the tests, which the probe comes with, and more settings.
fn with(settings: Value) -> impl FnOnce(&mut Options) {
    let mut settings: Settings = serde_json::from_value(settings).unwrap();
    settings.hmac_secret_key = Settings::from(&key()).hmac_secret_key;
    move |options| options.tokens = Tokens::new(settings, None).unwrap()
}

#[test]
fn who_has_no_name_gets_in_where_that_is_allowed_and_has_no_inbox() {
    let harbour = Harbour::open();
    let closed = harbour.gateway("closed");
    let mut client = Client::open(closed.address());
    client.command("connect", json!({"token": signed(json!({"sub": ""}))}));
    assert_eq!(client.closed(), Some((3500, "invalid token".to_owned())));
    closed.stop();

    let open = harbour.gateway_with(
        "open",
        with(json!({
            "allow_anonymous_connection_tokens": true,
            "allow_anonymous_connect_without_token": true,
        })),
    );
    let of_news = signed(json!({"sub": "", "channels": ["news"], "info": {"guest": 1}}));
    for (request, subs) in [(json!({}), None), (json!({"token": of_news}), Some(json!({"news": {}})))] {
        let mut client = Client::open(open.address());
        let connected = client.ask("connect", request);
        assert_eq!(connected["connect"].get("subs").cloned(), subs, "{connected}");
        for (method, data) in [
            ("send", json!({"to": "@alice", "id": "1", "body": {}})),
            ("history", json!({"conversation": "room:general"})),
            ("conversations", json!({})),
            ("presence", json!({"users": ["alice"]})),
            ("publish", json!({"channel": "public:a", "data": 1})),
        ] {
            let refused = client.refused("rpc", json!({"method": method, "data": data}));
            assert_eq!(refused, (103, "permission denied".to_owned()), "{method}");
        }
        let unknown = client.refused("rpc", json!({"method": "method"}));
        assert_eq!(unknown, (108, "not available".to_owned()));
        assert_eq!(client.refused("subscribe", json!({"channel": "inbox:alice"})).0, 103);
        assert_eq!(client.refused("subscribe", json!({"channel": "inbox:"})).0, 103);
        client.leave();
    }
    // The live part works as for all others.
    let mut guest = Client::open(open.address());
    guest.ask("connect", json!({"token": signed(json!({"sub": "", "channels": ["news"]}))}));
    eventually("the server listens", || harbour.redis(&[b"PUBLISH", b"news", b"1"]) == ":1");
    assert_eq!(guest.publication(), ("news".to_owned(), json!({"data": 1})));
    open.stop();
}

#[test]
fn capabilities_open_channels_that_are_closed_to_others() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut plain = Client::connect(one.address(), "bob");
    assert_eq!(plain.refused("subscribe", json!({"channel": "team-1"})).0, 103);

    let caps = json!([
        {"channels": ["team-*"], "match": "wildcard", "allow": ["sub"]},
        {"channels": ["team-1"], "allow": ["pub"]},
        {"channels": ["inbox:bob", "naru:x", "room:r"], "allow": ["sub", "pub"]},
        {"channels": [".*"], "match": "regex", "allow": ["hst"]},
    ]);
    let mut able = Client::open(one.address());
    let connected = able.ask("connect", json!({"token": signed(json!({"sub": "alice", "caps": caps}))}));
    assert!(connected["connect"].is_object(), "{connected}");
    able.subscribe("team-1");
    able.subscribe("team-2");
    assert_eq!(able.refused("subscribe", json!({"channel": "other"})).0, 103);
    assert_eq!(able.refused("publish", json!({"channel": "team-2", "data": 1})).0, 103);
    able.ask("publish", json!({"channel": "team-1", "data": {"a": 1}}));
    let (channel, publication) = able.publication();
    assert_eq!((channel.as_str(), &publication["data"]), ("team-1", &json!({"a": 1})));
    // What is the servers' own no token opens.
    for channel in ["inbox:bob", "naru:x", "room:r"] {
        assert_eq!(able.refused("subscribe", json!({"channel": channel})).0, 103, "{channel}");
        assert_eq!(able.refused("publish", json!({"channel": channel, "data": 1})).0, 103, "{channel}");
    }

    // A refresh with less takes it away.
    let refreshed = able.ask("refresh", json!({"token": signed(json!({"sub": "alice"}))}));
    assert_eq!(refreshed["refresh"]["expires"], true, "{refreshed}");
    assert_eq!(able.refused("publish", json!({"channel": "team-1", "data": 1})).0, 103);
    one.stop();
}

#[test]
fn a_refresh_answers_as_the_protocol_says() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let ended = |token: String| {
        let mut client = Client::open(one.address());
        let first = signed(json!({"sub": "alice", "channels": ["a", "b"]}));
        client.ask("connect", json!({"token": first}));
        client.command("refresh", json!({"token": token}));
        client.closed().map(|(code, _)| code)
    };
    assert_eq!(ended(String::new()), Some(3501));
    assert_eq!(ended("x".into()), Some(3500));
    assert_eq!(ended(signed(json!({"sub": "bob", "channels": ["a", "b"]}))), Some(3500));
    assert_eq!(ended(signed(json!({"sub": "", "channels": ["a", "b"]}))), Some(3500));
    assert_eq!(ended(signed(json!({"sub": "alice", "channels": ["a", "b"], "exp": 1}))), Some(3005));
    assert_eq!(ended(signed(json!({"sub": "alice", "channels": ["a", "b"], "expire_at": 1}))), Some(3005));
    assert_eq!(ended(signed(json!({"sub": "alice", "channels": ["a"]}))), Some(3010));
    assert_eq!(ended(signed(json!({"sub": "alice", "subs": {"a": {}, "b": {}, "c": {}}}))), Some(3010));

    let mut client = Client::open(one.address());
    let connected = client.ask(
        "connect",
        json!({"token": signed(json!({"sub": "alice", "channels": ["b", "a"], "expire_at": 0}))}),
    );
    assert_eq!(connected["connect"].get("expires"), None, "{connected}");
    let same = signed(json!({"sub": "alice", "subs": {"a": {}}, "channels": ["b"]}));
    let refreshed = client.ask("refresh", json!({"token": same}));
    let ttl = refreshed["refresh"]["ttl"].as_u64().unwrap();
    assert!((590..=600).contains(&ttl), "{refreshed}");

    let mut late = Client::open(one.address());
    let over = signed(json!({"sub": "alice", "expire_at": 1}));
    assert_eq!(late.refused("connect", json!({"token": over})), (110, "expired".to_owned()));
    one.stop();
}

/// What a chat server answers to a token: the code of the error, 0 for none.
fn code_of(server: &Gateway, token: &str) -> u64 {
    let mut client = Client::open(server.address());
    let reply = client.ask("connect", json!({"token": token}));
    client.leave();
    reply["error"]["code"].as_u64().unwrap_or(0)
}

#[test]
fn a_token_without_an_end_is_invalid_unless_the_configuration_says_otherwise() {
    let endless = |claims: Value| {
        let secret = EncodingKey::from_secret(b"a secret of the tests");
        jsonwebtoken::encode(&Header::default(), &claims, &secret).unwrap()
    };
    let comes = endless(json!({"sub": "alice"}));
    let subscribes =
        json!({"channel": "$news", "token": endless(json!({"sub": "alice", "channel": "$news"}))});
    let harbour = Harbour::open();

    let strict = harbour.gateway("strict");
    let mut alice = Client::open(strict.address());
    alice.command("connect", json!({"token": comes}));
    assert_eq!(alice.closed(), Some((3500, "invalid token".to_owned())));
    let mut alice = Client::connect(strict.address(), "alice");
    assert_eq!(alice.refused("subscribe", subscribes.clone()).0, 103);
    alice.command("refresh", json!({"token": comes}));
    assert_eq!(alice.closed(), Some((3500, "invalid token".to_owned())));
    strict.stop();

    let lax = harbour.gateway_with("lax", with(json!({"require_exp": false})));
    let mut alice = Client::open(lax.address());
    let connected = alice.ask("connect", json!({"token": comes}));
    assert_eq!(connected["connect"]["expires"], Value::Null, "{connected}");
    let subscribed = alice.ask("subscribe", subscribes);
    assert!(subscribed["subscribe"].is_object(), "{subscribed}");
    lax.stop();
}

#[test]
fn a_token_that_connects_once_opens_no_other_connection_at_any_server() {
    let mut harbour = Harbour::open();
    let [one, two] =
        ["one", "two"].map(|name| harbour.gateway_with(name, with(json!({"connect_once": true}))));
    let named = |id: &str, user: &str| signed(json!({"sub": user, "jti": id}));
    let first = named("1", "alice");
    assert_eq!(code_of(&one, &first), 0);
    for server in [&one, &two] {
        assert_eq!(code_of(server, &first), 109);
        assert_eq!(code_of(server, &named("1", "bob")), 109, "the name is what counts");
    }
    assert_eq!(code_of(&two, &named("2", "alice")), 0);
    assert_eq!(code_of(&two, &named("1\nnaru", "alice")), 0);
    // At servers that do not want it, it is nothing.
    let lax = harbour.gateway("lax");
    assert_eq!(code_of(&lax, &first), 0);
    lax.stop();

    for claims in [json!({"sub": "alice"}), json!({"sub": "alice", "jti": ""})] {
        let mut client = Client::open(one.address());
        client.command("connect", json!({"token": signed(claims)}));
        assert_eq!(client.closed(), Some((3500, "invalid token".to_owned())));
    }

    // A refresh uses nothing up.
    let mut alice = Client::open(one.address());
    alice.ask("connect", json!({"token": named("3", "alice")}));
    let refreshed = alice.ask("refresh", json!({"token": named("4", "alice")}));
    assert_eq!(refreshed["refresh"]["expires"], true, "{refreshed}");
    alice.leave();
    assert_eq!((code_of(&two, &named("4", "alice")), code_of(&one, &named("4", "alice"))), (0, 109));

    // Nobody is let in unasked, also where nothing else is asked; and the broker remembers.
    let bare = harbour.gateway_with("bare", |options| {
        with(json!({"connect_once": true}))(options);
        options.inboxes = false;
    });
    harbour.stop();
    let fifth = named("5", "alice");
    assert_eq!((code_of(&one, &fifth), code_of(&bare, &fifth)), (100, 100));
    bare.stop();
    harbour.start();
    eventually("the broker is back", || match code_of(&one, &fifth) {
        100 => false,
        code => {
            assert_eq!(code, 0);
            true
        }
    });
    eventually("the other has it back as well", || code_of(&two, &first) != 100);
    assert_eq!((code_of(&two, &first), code_of(&two, &fifth)), (109, 109));
    one.stop();
    two.stop();
}

#[test]
fn of_all_who_come_at_once_with_a_token_that_connects_once_one_gets_in() {
    let harbour = Harbour::open();
    let servers = ["one", "two"].map(|name| harbour.gateway_with(name, with(json!({"connect_once": true}))));
    for round in 0..20 {
        let token = signed(json!({"sub": "alice", "jti": round.to_string()}));
        let mut clients: Vec<_> = (0..8).map(|number| Client::open(servers[number % 2].address())).collect();
        let ids: Vec<_> =
            clients.iter_mut().map(|client| client.command("connect", json!({"token": token}))).collect();
        let replies: Vec<_> = clients.iter_mut().zip(ids).map(|(client, id)| client.reply(id)).collect();
        let (let_in, others): (Vec<_>, Vec<_>) =
            replies.iter().partition(|reply| reply.get("connect").is_some());
        assert_eq!(let_in.len(), 1, "{replies:?}");
        assert!(others.iter().all(|reply| reply["error"]["code"] == 109), "{replies:?}");
        clients.into_iter().for_each(Client::cut);
    }
    servers.into_iter().for_each(Gateway::stop);
}

/// Publishes a JWKS document on a port of its own.
struct Publisher {
    url: String,
    document: Arc<Mutex<String>>,
    /// Whether it answers; whoever asks meanwhile waits.
    is_awake: Arc<AtomicBool>,
}

impl Publisher {
    fn start() -> Publisher {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let document: Arc<Mutex<String>> = Arc::default();
        let served = document.clone();
        let is_awake = Arc::new(AtomicBool::new(true));
        let may_answer = is_awake.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut lines = BufReader::new(&stream).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                eventually("it may answer", || may_answer.load(Ordering::SeqCst));
                let body = served.lock().unwrap().clone();
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}", body.len());
                (&stream).write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
            }
        });
        Publisher { url, document, is_awake }
    }

    /// Makes a key and publishes it; answers how to sign with it.
    fn publish(&self, kid: &'static str) -> impl Fn(Value) -> String + use<> {
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let private = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(curve, private.as_ref()).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let jwk =
            json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y});
        *self.document.lock().unwrap() = json!({"keys": [jwk]}).to_string();
        let signing = EncodingKey::from_ec_der(private.as_ref());
        move |claims| {
            let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::ES256) };
            let mut claims = claims;
            claims["exp"] = jsonwebtoken::get_current_timestamp().saturating_add(600).into();
            jsonwebtoken::encode(&header, &claims, &signing).unwrap()
        }
    }
}

#[test]
fn tokens_of_published_keys_sign_in_and_keys_that_cannot_be_looked_for_are_no_verdict() {
    let publisher = Publisher::start();
    let sign = publisher.publish("first");
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", with(json!({"jwks_public_endpoint": publisher.url})));
    let mut alice = Client::open(one.address());
    let connected = alice.ask("connect", json!({"token": sign(json!({"sub": "alice"}))}));
    assert!(connected["connect"]["subs"]["inbox:alice"].is_object(), "{connected}");

    // The document was read a moment ago: a new key is not looked for yet, and that is not the client's fault.
    let next = publisher.publish("second");
    let mut bob = Client::open(one.address());
    let (code, _) = bob.refused("connect", json!({"token": next(json!({"sub": "bob"}))}));
    assert_eq!(code, 100);
    let other = publisher.publish("first");
    let mut mallory = Client::open(one.address());
    mallory.command("connect", json!({"token": other(json!({"sub": "alice"}))}));
    assert_eq!(mallory.closed(), Some((3500, "invalid token".to_owned())));
    one.stop();
}

#[test]
fn who_waits_for_a_key_is_steered_by_the_name_it_turns_out_to_have() {
    // A key is waited for 3 s: a machine that was busy for longer meanwhile says nothing.
    assert!((0..10).any(|_| is_steered_while_it_waits_for_a_key()), "the machine is too slow for it");
}

/// Whether it was in time.
fn is_steered_while_it_waits_for_a_key() -> bool {
    let publisher = Publisher::start();
    let sign = publisher.publish("first");
    publisher.is_awake.store(false, Ordering::SeqCst);
    let harbour = Harbour::open();
    let keys = with(json!({"jwks_public_endpoint": publisher.url}));
    let one = harbour.gateway_with("one", |options| {
        keys(options);
        let settings = json!({"on_clients_port": true, "token": "t"});
        options.metrics = serde_json::from_value::<metrics::Settings>(settings).unwrap().try_into().unwrap();
    });
    let ask = |address, request: String| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let scrape = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer t\r\n\r\n";
    let connects = || {
        let page = ask(one.address(), scrape.to_owned());
        let count = page.lines().find_map(|it| it.strip_prefix("naru_commands_total{command=\"connect\"} "));
        count.unwrap().parse::<u64>().unwrap()
    };
    let steer = |method: &str, params: Value| {
        let (key, body) = (support::API_KEY, params.to_string());
        let head = format!("POST /api/{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: {key}");
        let answer =
            ask(one.api_address(), format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert!(answer.ends_with(r#"{"result":{}}"#), "{answer}");
    };
    let (before, names) = (connects(), ["alice", "bob", "mallory"]);
    let mut clients = names.map(|_| Client::open(one.address()));
    let begun = Instant::now();
    let mut ids = [0; 3];
    for (at, name) in names.iter().enumerate() {
        let token = sign(json!({"sub": name, "channels": ["news"]}));
        ids[at] = clients[at].command("connect", json!({"token": token}));
    }
    // Whose command has begun is found before anything else happens on its core.
    eventually("their commands have begun", || connects() == before + 3);
    steer("disconnect", json!({"user": "mallory"}));
    steer("unsubscribe", json!({"user": "alice", "channel": "news"}));
    steer("subscribe", json!({"user": "alice", "channel": "public:a"}));
    publisher.is_awake.store(true, Ordering::SeqCst);
    let [mut alice, mut bob, mut mallory] = clients;
    let reply = alice.reply(ids[0]);
    if begun.elapsed() > Duration::from_secs(2) {
        one.stop();
        return false;
    }
    assert_eq!(mallory.closed(), Some((3503, "force disconnect".into())));
    let ended = json!({"channel": "news", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}});
    assert_eq!(reply["connect"]["subs"]["news"], json!({}), "{reply}");
    assert_eq!(alice.pushed(|_| true), ended);
    assert_eq!(alice.pushed(|_| true), json!({"channel": "public:a", "subscribe": {}}));
    assert_eq!(bob.reply(ids[1])["connect"]["subs"]["news"], json!({}));
    bob.assert_quiet();
    one.stop();
    true
}
