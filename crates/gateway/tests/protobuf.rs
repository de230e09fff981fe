//! Clients that speak Protobuf, among those that speak JSON.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use prost::Message as _;
use serde_json::{Value, json};
use support::{
    Client, Harbour,
    protobuf::{Command, Connected, Nothing, Publication, Rpc, Speaker},
};

#[test]
fn both_hear_each_other_and_only_protobuf_carries_what_is_no_json() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    alice.subscribe("public:news");
    let mut bob = Speaker::connect(&one, "bob");
    bob.subscribe("public:news");
    let mut carol = Speaker::connect(&two, "carol");
    carol.subscribe("public:news");

    alice.ask("publish", json!({"channel": "public:news", "data": {"n": 1}}));
    for speaker in [&mut bob, &mut carol] {
        let (channel, publication) = speaker.publication();
        assert_eq!((&*channel, &publication.data[..]), ("public:news", &br#"{"n":1}"#[..]));
        let info = publication.info.unwrap();
        assert!(info.user == "alice" && !info.client.is_empty());
    }
    assert_eq!(alice.publication().1["data"], json!({"n": 1}));

    carol.publish("public:news", b"[ 1,\n2 ]");
    assert_eq!(alice.publication().1["data"], json!([1, 2]));
    assert_eq!(bob.publication().1.data, b"[ 1,\n2 ]");
    assert_eq!(carol.publication().1.info.unwrap().client, carol.connected.client);

    carol.publish("public:news", b"\0\xff");
    assert_eq!(bob.publication().1.data, b"\0\xff");
    assert_eq!(alice.closed(), Some((3506, "inappropriate protocol".into())));
    assert_eq!(harbour.redis(&[b"PUBLISH", b"public:news", b"hi"]), ":2");
    assert_eq!(bob.publication().1, Publication { data: b"hi".to_vec(), info: None, offset: 0 });
    one.stop();
    two.stop();
}

#[test]
fn conversations_are_the_same_in_protobuf() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Speaker::connect(&one, "bob");
    let Connected { data, subs, ping, pong, .. } = &bob.connected;
    assert_eq!(serde_json::from_slice::<Value>(data).unwrap(), json!({"server": "one"}));
    assert!(subs["inbox:bob"].recoverable && !subs["inbox:bob"].epoch.is_empty());
    assert_eq!((*ping, *pong), (25, true));

    alice.send("bob", "1", "hi");
    let (channel, publication) = bob.publication();
    assert_eq!((&*channel, publication.offset), ("inbox:bob", 1));
    let entry: Value = serde_json::from_slice(&publication.data).unwrap();
    assert_eq!(entry["body"], json!({"text": "hi"}));

    let sent = bob.rpc("send", &json!({"to": "@alice", "id": "1", "body": [2]}));
    // His own other devices get it, and so does he.
    let result: Value = serde_json::from_slice(&sent.rpc.unwrap().data).unwrap();
    assert_eq!(result["seq"], 2, "{result}");
    assert_eq!(alice.pushed(|push| push["pub"]["data"]["from"] == "bob")["pub"]["data"]["body"], json!([2]));
    one.stop();
}

#[test]
fn a_frame_holds_several_commands_and_a_bad_one_ends_the_connection() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut bob = Speaker::connect(&one, "bob");
    let ping = |id| Command { id, ping: Some(Nothing {}), ..Default::default() };
    let frame = [ping(7), ping(3)].map(|command| command.encode_length_delimited_to_vec()).concat();
    bob.raw(frame);
    for id in [7, 3] {
        let reply = bob.next();
        assert_eq!((reply.id, reply.error.unwrap().code), (id, 108));
    }
    let not_json = bob.ask(Command {
        rpc: Some(Rpc { data: b"\xff".to_vec(), method: "send".into() }),
        ..Default::default()
    });
    assert_eq!(not_json.error.unwrap().code, 107);
    for frame in [&b""[..], b"\0", b"\x05", b"{}", b"\x02\x08"] {
        let mut bob = Speaker::connect(&one, "bob");
        bob.raw(frame.to_vec());
        assert_eq!(bob.closed(), (3501, "bad request".into()), "{frame:?}");
    }
    one.stop();
}
