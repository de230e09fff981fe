//! What strangers and users try: what is compressed, malformed or nested, and finding out what is not for them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use naru_gateway::{RoomRules, namespaces};
use proptest::{collection, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use support::{Client, Harbour};

/// A frame of text from a client, with these bits of the first byte.
fn frame(first: u8, text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    // The mask is four zeros: it changes nothing.
    match length {
        0..126 => [&[first, 0x80 | low, 0, 0, 0, 0], text].concat(),
        _ => [&[first, 0x80 | 126, high, low, 0, 0, 0, 0], text].concat(),
    }
}

#[test]
fn nothing_compressed_is_taken() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let address = one.address();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let request = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    // Compressed, as if that had been agreed on: RSV1 is set.
    stream.write_all(&frame(0b1100_0001, &[0xaa, 0x56, 0x4a])).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0; 64];
    while let Ok(count @ 1..) = stream.read(&mut byte) {
        answer.extend_from_slice(&byte[..count]);
    }
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101") && !head.contains("extensions"), "{head}");
    assert_eq!(answer[end + 4], 0x88, "a close frame");
    assert_eq!(u16::from_be_bytes([answer[end + 6], answer[end + 7]]), 1002);
}

#[test]
fn json_that_is_no_command_ends_its_connection_and_nobody_elses() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut witness = Client::connect(one.address(), "witness");
    let nested = |open: &str, close: &str, depth: usize| {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        format!(r#"{{"id":2,"publish":{{"channel":"public:x","data":{open}1{close}}}}}"#)
    };
    let bad = [
        nested("[", "]", 33),
        nested("[", "]", 30_000),
        nested(r#"{"a":"#, "}", 20_000),
        "[".repeat(100_000),
        r#"{"id":2,"id":3,"rpc":{"method":"unread"}}"#.into(),
        r#"{"id":2,"publish":{"channel":"public:x","channel":"public:y","data":1}}"#.into(),
        r#"{"id":"2","rpc":{"method":"unread"}}"#.into(),
        r#"{"id":2.5,"rpc":{"method":"unread"}}"#.into(),
        r#"{"id":-2,"rpc":{"method":"unread"}}"#.into(),
        r#"{"id":4294967296,"rpc":{"method":"unread"}}"#.into(),
        r#"{"id":1e999,"rpc":{"method":"unread"}}"#.into(),
        r#"{"id":2,"rpc":{"method":7}}"#.into(),
        r#"{"id":2,"rpc":[]}"#.into(),
        r#"{"id":2,"rpc":"x"}"#.into(),
        r#"[{"id":2,"rpc":{"method":"unread"}}]"#.into(),
        r#"{"id":2,"rpc":{"method":"unread"}"#.into(),
        r#"{"id":2,"rpc":{"method":"\ud800"}}"#.into(),
        r#"{"id":2,"rpc":{"method":"unread","data":{"a":1,}}}"#.into(),
        r#"{"id":2,"rpc":{"method":"unread","data":NaN}}"#.into(),
    ];
    for text in bad {
        let mut client = Client::connect(one.address(), "mallory");
        client.raw(text.clone());
        let shown = &text[..text.len().min(80)];
        assert_eq!(client.closed(), Some((3501, "bad request".into())), "{shown}");
    }
    assert!(witness.ask("presence_stats", json!({"channel": "public:x"}))["error"].is_object());
}

/// What is answered, without the number of the command.
fn answered(client: &mut Client, command: &str, request: Value) -> Value {
    let mut reply = client.ask(command, request);
    reply.as_object_mut().unwrap().remove("id");
    reply
}

#[test]
fn who_may_not_know_cannot_tell_what_is_there_from_what_is_not() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let team = json!({"namespaces": [{
            "name": "team", "presence": true, "history_size": 10, "history_ttl": "1h",
            "allow_user_limited_channels": true, "allow_publish_for_subscriber": true,
            "allow_history_for_subscriber": true, "allow_presence_for_subscriber": true,
        }]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(team).unwrap().into();
        options.rooms = RoomRules { made: vec!["*".into()], open: vec![] };
    });
    let mut alice = Client::connect(one.address(), "alice");
    let (there, not_there) = ("team:there#alice,bob", "team:nowhere#alice,bob");
    assert!(alice.ask("subscribe", json!({"channel": there}))["error"].is_null());
    assert!(alice.ask("publish", json!({"channel": there, "data": 1}))["error"].is_null());
    assert!(
        alice.ask("rpc", json!({"method": "room.join", "data": {"conversation": "room:there"}}))["error"]
            .is_null()
    );
    alice.send("bob", "id-1", "hello");

    let mut mallory = Client::connect(one.address(), "mallory");
    for command in ["subscribe", "history", "presence", "presence_stats"] {
        let mut ask = |channel: &str| answered(&mut mallory, command, json!({"channel": channel}));
        let (one, other) = (ask(there), ask(not_there));
        assert!(one["error"].is_object(), "{command}: {one}");
        assert_eq!(one, other, "{command}");
    }
    let mut publish =
        |channel: &str| answered(&mut mallory, "publish", json!({"channel": channel, "data": 1}));
    assert_eq!(publish(there), publish(not_there));
    // Conversations: with somebody who is there, and who is not; a room that is, and one that is not.
    let pairs = [("dm:alice:bob", "dm:carol:dave"), ("room:there", "room:nowhere")];
    for (method, (there, not_there)) in
        ["history", "presence"].into_iter().flat_map(|it| pairs.map(|pair| (it, pair)))
    {
        let mut ask = |conversation: &str| {
            answered(&mut mallory, "rpc", json!({"method": method, "data": {"conversation": conversation}}))
        };
        let (one, other) = (ask(there), ask(not_there));
        assert!(one["error"].is_object(), "{one}");
        assert_eq!(one, other, "{there}");
    }
    // Who is connected is told of those alone who have written to the one who asks.
    let mut ask = |with: &str| {
        answered(&mut mallory, "rpc", json!({"method": "presence", "data": {"conversation": with}}))
    };
    assert_eq!(ask("dm:alice:mallory"), ask("dm:mallory:nobody"));
}

/// Commands that are mostly some.
fn commands() -> impl Strategy<Value = Vec<u8>> {
    let token = support::token("mallory");
    let connect = format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#);
    let some = [
        &*connect,
        r#"{"id":1,"connect":{"token":"x.y.z"}}"#,
        r#"{"id":2,"subscribe":{"channel":"public:x","recover":true,"offset":1,"epoch":"e"}}"#,
        r#"{"id":3,"publish":{"channel":"public:x","data":{"a":[1,2,{}]}}}"#,
        r#"{"id":4,"history":{"channel":"public:x","limit":-1,"since":{"offset":18446744073709551615}}}"#,
        r#"{"id":5,"rpc":{"method":"send","data":{"to":"@bob","id":"1","body":{}}}}"#,
        r#"{"id":6,"unsubscribe":{"channel":"inbox:mallory"}}"#,
        "{}",
        "",
    ];
    let some: Vec<Vec<u8>> = some.into_iter().map(|it| it.as_bytes().to_vec()).collect();
    let json = (any::<bool>(), collection::vec(select(some), 1..5)).prop_map(move |(begins, mut lines)| {
        if begins {
            lines.insert(0, connect.clone().into_bytes());
        }
        lines.join(&b'\n')
    });
    // A connect command with a token of nobody, and whatever is in it.
    let protobuf = collection::vec(any::<u8>(), 0..30).prop_map(|bytes| {
        let length = bytes.len() as u8;
        [&[length + 4, 8, 1, 0x22, length], &*bytes].concat()
    });
    prop_oneof![4 => json, 1 => protobuf]
}

/// What comes on a connection of one who knows the forms and keeps to them almost.
fn connection() -> impl Strategy<Value = Vec<u8>> {
    let paths = [
        "/connection/websocket",
        "/connection/websocket?format=protobuf",
        "/connection/http_stream",
        "/connection/sse",
        "/connection/sse?cf_connect=%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D",
        "/emulation",
        "/api/publish",
        "/health",
        "/%00?%ff",
    ];
    let headers = [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: centrifuge-protobuf, centrifuge-json",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Content-Type: application/octet-stream",
        "Origin: https://app.example",
        "Origin: null",
        "X-Forwarded-For: 1.2.3.4, ::1, \u{ff}",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "Connection: close",
    ];
    let headers = collection::vec(select(headers.to_vec()), 0..5);
    // Most are WebSockets that begin as they should.
    let request = prop_oneof![
        2 => (Just("GET"), select(paths[..2].to_vec()), headers.clone().prop_map(move |mut all| {
            all.insert(0, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
            all
        })),
        3 => (select(vec!["GET", "POST", "POST", "OPTIONS", "PUT"]), select(paths.to_vec()), headers),
    ];
    let body = prop_oneof![
        commands(),
        commands().prop_map(|data| {
            let data = String::from_utf8_lossy(&data).into_owned();
            json!({"node": "one", "session": "s", "data": data}).to_string().into_bytes()
        }),
        collection::vec(any::<u8>(), 0..100),
    ];
    let first = prop_oneof![4 => select(vec![0x81, 0x82, 0x01, 0x80, 0x89, 0x8a, 0x88]), 1 => any::<u8>()];
    let frames = collection::vec(
        (first, prop_oneof![3 => commands(), 1 => collection::vec(any::<u8>(), 0..100)]),
        0..6,
    );
    let change = (any::<prop::sample::Index>(), 0..3_u8, any::<u8>());
    let changes = prop_oneof![2 => Just(Vec::new()), 1 => collection::vec(change, 1..6)];
    (request, body, frames, -2..4_i64, changes).prop_map(
        |((method, path, headers), body, frames, off, changes)| {
            let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n").into_bytes();
            for header in headers {
                bytes.extend(header.chars().map(|char| char as u8).chain(*b"\r\n"));
            }
            if method != "GET" {
                // Now and then it is another length.
                let length = body.len() as i64 + if off < 0 { off } else { 0 };
                bytes.extend(format!("Content-Length: {length}\r\n\r\n").into_bytes());
                bytes.extend(body);
            } else {
                bytes.extend(b"\r\n");
            }
            for (first, text) in frames {
                bytes.extend(frame(first, &text));
            }
            for (at, how, byte) in changes {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes
        },
    )
}

/// Time for the server to answer something.
const WHILE_THERE: Duration = Duration::from_millis(50);

/// All that the server answers, up to its end.
fn answered_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let mut answer = Vec::new();
    // Some of it is answered only while the client is there.
    stream.set_read_timeout(Some(WHILE_THERE)).unwrap();
    // The server may have ended it meanwhile.
    if stream.write_all(bytes).is_err() {
        return answer;
    }
    let mut piece = [0; 4096];
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            return answer;
        }
        answer.extend_from_slice(&piece[..count]);
    }
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    if stream.shutdown(Shutdown::Write).is_ok()
        && let Err(error) = stream.read_to_end(&mut answer)
    {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is not ended: {}", bytes.escape_ascii());
    }
    answer
}

#[test]
fn whatever_comes_on_a_connection_ends_that_at_most() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    // On both cores.
    let mut witnesses: Vec<Client> =
        (0..4).map(|n| Client::connect(one.address(), &format!("witness-{n}"))).collect();
    for witness in &mut witnesses {
        witness.subscribe("public:witnesses");
    }
    let mut runner = TestRunner::deterministic();
    let (strategy, mut upgraded) = (connection(), 0);
    for round in 0..200 {
        if round % 20 == 0 {
            // Who answers no pings is not there for long.
            witnesses.iter_mut().for_each(Client::assert_quiet);
        }
        let bytes = strategy.new_tree(&mut runner).unwrap().current();
        let answer = answered_to(one.address(), &bytes);
        let is = |start: &[u8]| answer.starts_with(start);
        assert!(!is(b"HTTP/1.1 5") || is(b"HTTP/1.1 503"), "{}", bytes.escape_ascii());
        upgraded += usize::from(is(b"HTTP/1.1 101"));
    }
    assert!(upgraded > 20, "most are no strangers: {upgraded}");
    for n in 0..witnesses.len() {
        witnesses[n].ask("publish", json!({"channel": "public:witnesses", "data": n}));
        for witness in &mut witnesses {
            assert_eq!(witness.publication().1["data"], n);
        }
    }
    one.stop();
}
