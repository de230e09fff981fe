//! The client protocol's rules: who may connect, what a frame may hold, what is answered, how connections end.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use naru_gateway::TokenKey;
use naru_ledger::User;
use serde_json::{Value, json};
use support::{Client, Harbour, PATIENCE, TOKEN_TIME, gateway_with, token};
use tungstenite::Message;

/// The whole answer to an HTTP request.
fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn upgrade(address: SocketAddr, path: &str, headers: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[test]
fn http_is_answered_beside_the_websocket() {
    let harbour = Harbour::open();
    let one = gateway_with("one", &harbour.address, |options| {
        options.pages = axum::Router::new().route("/", axum::routing::get(async || "the page"));
    });
    let address = one.address();
    let get = |path: &str, headers: &str| {
        http(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
    };
    assert!(get("/health", "").ends_with("\r\n\r\n{}"));
    assert!(get("/", "").ends_with("the page"));
    assert_eq!(status(&get("/nothing", "")), "404");
    let hint = get("/connection/websocket", "");
    assert_eq!(status(&hint), "426");
    assert!(hint.contains("this is a WebSocket address"), "{hint}");
    let many: String = (0..70).map(|n| format!("x-{n}: y\r\n")).collect();
    assert_eq!(status(&get("/", &many)), "431");
    assert_eq!(status(&get("/", &format!("x: {}\r\n", "y".repeat(9000)))), "431");

    let path = "/connection/websocket";
    assert_eq!(status(&upgrade(address, path, "")), "101");
    let json = upgrade(address, path, "Sec-WebSocket-Protocol: centrifuge-json\r\n").to_lowercase();
    assert!(json.contains("sec-websocket-protocol: centrifuge-json"), "{json}");
    let both = "Sec-WebSocket-Protocol: centrifuge-json, centrifuge-protobuf\r\n";
    let protobuf = upgrade(address, path, both).to_lowercase();
    assert!(protobuf.contains("sec-websocket-protocol: centrifuge-protobuf\r\n"), "{protobuf}");
    let asked = upgrade(address, "/connection/websocket?format=protobuf", "").to_lowercase();
    assert!(asked.starts_with("http/1.1 101") && !asked.contains("sec-websocket-protocol"), "{asked}");
    assert_eq!(status(&upgrade(address, path, "Origin: https://evil.example\r\n")), "403");
    assert_eq!(status(&upgrade(address, path, "Origin: https://app.example\r\n")), "101");
    assert_eq!(status(&upgrade(address, path, &format!("Origin: http://{address}\r\n"))), "101");
    one.stop();
}

#[test]
fn only_who_brings_a_good_token_comes_in() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let closed = |request: Value| {
        let mut client = Client::open(one.address());
        client.command("connect", request);
        client.closed().expect("a close frame")
    };
    let bad_request = (3501, "bad request".to_owned());
    let invalid = (3500, "invalid token".to_owned());
    assert_eq!(closed(json!({})), bad_request);
    assert_eq!(closed(json!({"token": ""})), bad_request);
    assert_eq!(closed(json!({"token": "nonsense"})), invalid);
    let other = TokenKey::secret("another secret").unwrap();
    assert_eq!(closed(json!({"token": other.sign(&User::parse("alice").unwrap(), TOKEN_TIME)})), invalid);

    // Signed by us, over in 1970.
    let expired = {
        let header = jsonwebtoken::Header::default();
        let secret = jsonwebtoken::EncodingKey::from_secret(b"a secret of the tests");
        jsonwebtoken::encode(&header, &json!({"sub": "alice", "exp": 7}), &secret).unwrap()
    };
    let mut client = Client::open(one.address());
    // What follows in the frame is ignored, as is everything after.
    client.raw(format!(
        "{}\n{}",
        json!({"id": 1, "connect": {"token": expired}}),
        json!({"id": 2, "rpc": {}})
    ));
    assert_eq!(client.next(), json!({"id": 1, "error": {"code": 109, "message": "token expired"}}));
    client.raw(json!({"id": 3, "connect": {"token": token("alice")}}).to_string());
    client.leave();
    one.stop();
}

#[test]
fn connect_comes_first_and_once() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let bad_request = Some((3501, "bad request".to_owned()));
    for first in [r#"{"id":1,"rpc":{"method":"send"}}"#, "{}", "", "\n", "{", "not json", r#"{"id":1}"#] {
        let mut client = Client::open(one.address());
        client.raw(first);
        assert_eq!(client.closed(), bad_request, "{first:?}");
    }
    for later in ["", "{}\n\n{}", "{", r#"{"id":9,"connect":{"token":"x"}}"#, "{}", "[]"] {
        let mut client = Client::connect(one.address(), "alice");
        client.raw(later);
        assert_eq!(client.closed(), bad_request, "{later:?}");
    }
    one.stop();
}

#[test]
fn commands_of_one_frame_are_answered_in_order_with_their_ids() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut client = Client::open(one.address());
    let lines = [
        json!({"id": 4_294_967_295_u32, "connect": {"token": token("alice"), "name": "js", "version": "9"}}),
        json!({"id": 7, "subscribe": {"channel": "public:a"}}),
        json!({"id": 7, "subscribe": {"channel": "public:a"}}),
        json!({"id": 3, "publish": {"channel": "nowhere:a", "data": 1}}),
        json!({"id": 2, "presence": {"channel": "public:a"}}),
        json!({"id": 1, "unsubscribe": {"channel": "public:b"}}),
    ];
    let frame = lines.map(|line| line.to_string()).join("\n") + "\n";
    // Binary messages hold the same.
    client.raw(Message::binary(frame));
    let connected = client.next();
    assert_eq!(connected["id"], 4_294_967_295_u32);
    assert_eq!(connected["connect"]["expires"], true);
    assert_eq!(client.next(), json!({"id": 7, "subscribe": {}}));
    assert_eq!(client.next(), json!({"id": 7, "error": {"code": 105, "message": "already subscribed"}}));
    assert_eq!(client.next(), json!({"id": 3, "error": {"code": 102, "message": "unknown channel"}}));
    assert_eq!(client.next(), json!({"id": 2, "error": {"code": 108, "message": "not available"}}));
    assert_eq!(client.next(), json!({"id": 1, "unsubscribe": {}}));
    one.stop();
}

#[test]
fn what_is_not_offered_is_said_to_be_so() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut client = Client::connect(one.address(), "alice");
    for command in ["presence", "presence_stats", "history", "ping"] {
        assert_eq!(client.refused(command, json!({"channel": "public:a"})), (108, "not available".into()));
    }
    assert_eq!(client.refused("dance", json!({})), (104, "method not found".into()));
    client.raw(json!({"send": {"data": 1}}).to_string());
    assert_eq!(client.closed(), Some((3508, "not available".into())));
    one.stop();
}

#[test]
fn a_device_that_is_no_name_is_refused() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut client = Client::open(one.address());
    let (code, message) = client.refused("connect", json!({"token": token("alice"), "data": {"device": ""}}));
    assert_eq!(code, 107);
    assert!(message.contains("device name"), "{message}");
    one.stop();
}

#[test]
fn a_connection_that_expires_is_refreshed_by_its_own_user() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let hour = Duration::from_secs(3600);
    let fresh = |user: &str| support::key().sign(&User::parse(user).unwrap(), hour);
    let connect = || {
        let mut client = Client::open(one.address());
        let reply = client.ask("connect", json!({"token": fresh("alice")}));
        let ttl = reply["connect"]["ttl"].as_u64().unwrap();
        assert!(reply["connect"]["expires"] == true && (3590..=3600).contains(&ttl), "{reply}");
        client
    };
    let mut client = connect();
    let reply = client.ask("refresh", json!({"token": fresh("alice")}));
    assert_eq!(reply["refresh"]["expires"], true, "{reply}");
    assert!(!reply["refresh"]["client"].as_str().unwrap().is_empty());
    for (refresh, ending) in [
        (json!({}), (3501, "bad request")),
        (json!({"token": "nonsense"}), (3500, "invalid token")),
        (json!({"token": fresh("bob")}), (3500, "invalid token")),
    ] {
        let mut client = connect();
        client.command("refresh", refresh);
        assert_eq!(client.closed(), Some((ending.0, ending.1.to_owned())));
    }
    one.stop();
}

#[test]
fn frames_that_break_the_rules_of_websocket_end_the_connection_with_its_codes() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let code = |client: &mut Client| client.closed().expect("a close frame").0;

    let mut client = Client::connect(one.address(), "alice");
    client.raw("x".repeat((128 << 10) + 1));
    assert_eq!(code(&mut client), 1009);

    let mut client = Client::connect(one.address(), "alice");
    // A text message that is not UTF-8, masked with zeros.
    client.stream().write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).unwrap();
    assert_eq!(code(&mut client), 1007);

    let mut client = Client::connect(one.address(), "alice");
    // Not masked.
    client.stream().write_all(&[0x81, 2, b'{', b'}']).unwrap();
    assert_eq!(code(&mut client), 1002);

    // The largest that is taken, and a ping in between.
    let mut client = Client::connect(one.address(), "alice");
    let mut command = json!({"id": 9, "ping": {}}).to_string();
    command += &" ".repeat((128 << 10) - command.len());
    client.raw(Message::Ping(Default::default()));
    client.raw(command);
    assert_eq!(client.next(), json!({"id": 9, "error": {"code": 108, "message": "not available"}}));
    one.stop();
}

#[test]
fn commands_arrive_however_their_bytes_are_cut() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut client = Client::connect(one.address(), "alice");
    let payload = json!({"id": 9, "ping": {}}).to_string();
    let mut frame = vec![0x81, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload.as_bytes());
    for byte in frame {
        client.stream().write_all(&[byte]).unwrap();
    }
    assert_eq!(client.next()["error"]["code"], 108);
    one.stop();
}

#[test]
fn a_server_that_stops_finishes_what_it_has_in_hand_and_sends_its_clients_elsewhere() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(two.address(), "bob");
    let mut idle = Client::connect(one.address(), "idle");
    for n in 1..=200 {
        let data = json!({"to": "@bob", "id": n.to_string(), "body": {"text": n.to_string()}});
        alice.command("rpc", json!({"method": "send", "data": data}));
    }
    let begun = std::time::Instant::now();
    let stopping = std::thread::spawn(move || one.stop());
    let shutdown = Some((3001, "shutdown".to_owned()));
    let mut answered = 0;
    let ended = loop {
        match alice.try_next() {
            Ok(message) if message.get("id").is_some() => {
                answered += 1;
                assert_eq!(message["rpc"]["data"]["seq"], answered, "{message}");
            }
            Ok(_) => {}
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended, shutdown);
    assert_eq!(idle.closed(), shutdown);
    drop((alice, idle));
    stopping.join().unwrap();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    // Whatever was stored was answered, and reaches bob.
    let mut elsewhere = Client::connect(two.address(), "alice");
    assert_eq!(elsewhere.send("bob", "last", "last")["seq"], answered + 1);
    for n in 1..=answered {
        assert_eq!(bob.inbox(), (n, n.to_string()));
    }
    assert_eq!(bob.inbox(), (answered + 1, "last".into()));
    two.stop();
}
