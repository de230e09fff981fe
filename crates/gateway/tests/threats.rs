//! What strangers and users try: what is compressed, malformed or nested, and finding out what is not for them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::io::{Read, Write};

use naru_gateway::{RoomRules, namespaces};
use serde_json::{Value, json};
use support::{Client, Harbour};

/// A frame of text from a client, with these bits of the first byte.
fn frame(first: u8, text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    // The mask is four zeros: it changes nothing.
    [&[first, 0x80 | length, 0, 0, 0, 0], text].concat()
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
