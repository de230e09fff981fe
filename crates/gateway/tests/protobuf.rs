//! Clients that speak Protobuf, among those that speak JSON.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{collections::VecDeque, net::TcpStream};

use naru_gateway::Gateway;
use prost::Message as _;
use serde_json::{Value, json};
use support::{Client, Harbour, PATIENCE, token};
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

/// The fields that are used here, with their numbers as the protocol's document has them.
#[derive(Clone, PartialEq, prost::Message)]
struct Command {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "4")]
    connect: Option<Connect>,
    #[prost(message, optional, tag = "5")]
    subscribe: Option<Channel>,
    #[prost(message, optional, tag = "7")]
    publish: Option<Publish>,
    #[prost(message, optional, tag = "11")]
    ping: Option<Channel>,
    #[prost(message, optional, tag = "13")]
    rpc: Option<Rpc>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Connect {
    #[prost(string, tag = "1")]
    token: String,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Channel {
    #[prost(string, tag = "1")]
    channel: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Publish {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Rpc {
    #[prost(bytes = "vec", tag = "1")]
    data: Vec<u8>,
    #[prost(string, tag = "2")]
    method: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Reply {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "2")]
    error: Option<Error>,
    #[prost(message, optional, tag = "4")]
    push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    connect: Option<Connected>,
    #[prost(message, optional, tag = "6")]
    subscribe: Option<Subscribed>,
    #[prost(message, optional, tag = "8")]
    publish: Option<Channel>,
    #[prost(message, optional, tag = "13")]
    rpc: Option<Rpc>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Error {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Connected {
    #[prost(string, tag = "1")]
    client: String,
    #[prost(bytes = "vec", tag = "5")]
    data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "6")]
    subs: std::collections::BTreeMap<String, Subscribed>,
    #[prost(uint32, tag = "7")]
    ping: u32,
    #[prost(bool, tag = "8")]
    pong: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Subscribed {
    #[prost(bool, tag = "3")]
    recoverable: bool,
    #[prost(string, tag = "6")]
    epoch: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Push {
    #[prost(string, tag = "2")]
    channel: String,
    #[prost(message, optional, tag = "4")]
    publication: Option<Publication>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Publication {
    #[prost(bytes = "vec", tag = "4")]
    data: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    info: Option<Info>,
    #[prost(uint64, tag = "6")]
    offset: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Info {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(string, tag = "2")]
    client: String,
}

struct Speaker {
    socket: WebSocket<TcpStream>,
    waiting: VecDeque<Reply>,
    /// Passed over while a reply was looked for.
    pushes: VecDeque<Push>,
    last_id: u32,
    connected: Connected,
}

impl Speaker {
    fn open(gateway: &Gateway) -> Speaker {
        let address = gateway.address();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request =
            ClientRequestBuilder::new(format!("ws://{address}/connection/websocket").parse().unwrap())
                .with_sub_protocol("centrifuge-protobuf");
        let (socket, response) = tungstenite::client(request, stream).unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "centrifuge-protobuf");
        Speaker {
            socket,
            waiting: VecDeque::new(),
            pushes: VecDeque::new(),
            last_id: 0,
            connected: Connected::default(),
        }
    }

    fn connect(gateway: &Gateway, user: &str) -> Speaker {
        let mut speaker = Speaker::open(gateway);
        let connect = Connect { token: token(user), data: br#"{"device":"phone"}"#.to_vec() };
        let reply = speaker.ask(Command { connect: Some(connect), ..Default::default() });
        speaker.connected = reply.connect.unwrap_or_else(|| panic!("{:?}", reply.error));
        speaker
    }

    fn raw(&mut self, frame: Vec<u8>) {
        self.socket.send(Message::binary(frame)).unwrap();
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.last_id += 1;
        let command = Command { id: self.last_id, ..command };
        self.raw(command.encode_length_delimited_to_vec());
        loop {
            let reply = self.next();
            match reply.push {
                Some(push) => self.pushes.push_back(push),
                None => {
                    assert_eq!(reply.id, self.last_id, "{reply:?}");
                    return reply;
                }
            }
        }
    }

    fn next(&mut self) -> Reply {
        while self.waiting.is_empty() {
            match self.socket.read().unwrap() {
                Message::Binary(frame) => {
                    let mut rest = &frame[..];
                    while !rest.is_empty() {
                        self.waiting.push_back(Reply::decode_length_delimited(&mut rest).unwrap());
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        self.waiting.pop_front().unwrap()
    }

    fn publication(&mut self) -> (String, Publication) {
        let push = self.pushes.pop_front().unwrap_or_else(|| self.next().push.expect("a push"));
        (push.channel, push.publication.expect("a publication"))
    }

    fn subscribe(&mut self, channel: &str) {
        let subscribe = Some(Channel { channel: channel.into() });
        assert!(self.ask(Command { subscribe, ..Default::default() }).subscribe.is_some());
    }

    fn publish(&mut self, channel: &str, data: &[u8]) {
        let publish = Some(Publish { channel: channel.into(), data: data.into() });
        assert!(self.ask(Command { publish, ..Default::default() }).publish.is_some());
    }

    fn rpc(&mut self, method: &str, data: &Value) -> Reply {
        let rpc = Some(Rpc { data: data.to_string().into(), method: method.into() });
        self.ask(Command { rpc, ..Default::default() })
    }

    fn closed(&mut self) -> (u16, String) {
        loop {
            match self.socket.read() {
                Ok(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        }
    }
}

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
    let ping = |id| Command { id, ping: Some(Channel::default()), ..Default::default() };
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
