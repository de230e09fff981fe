//! A client that speaks Protobuf, and what it says and hears.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::TcpStream,
};

use naru_gateway::Gateway;
use prost::Message as _;
use serde_json::Value;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use super::{PATIENCE, token};

/// The fields that tests use, with their numbers as the protocol's document has them; here and below.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Command {
    #[prost(uint32, tag = "1")]
    pub(crate) id: u32,
    #[prost(message, optional, tag = "4")]
    pub(crate) connect: Option<Connect>,
    #[prost(message, optional, tag = "5")]
    pub(crate) subscribe: Option<Subscribe>,
    #[prost(message, optional, tag = "7")]
    pub(crate) publish: Option<Publish>,
    #[prost(message, optional, tag = "11")]
    pub(crate) ping: Option<Nothing>,
    #[prost(message, optional, tag = "13")]
    pub(crate) rpc: Option<Rpc>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Nothing {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Connect {
    #[prost(string, tag = "1")]
    pub(crate) token: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) data: Vec<u8>,
    #[prost(map = "string, string", tag = "6")]
    pub(crate) headers: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Subscribe {
    #[prost(string, tag = "1")]
    pub(crate) channel: String,
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Publish {
    #[prost(string, tag = "1")]
    pub(crate) channel: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) data: Vec<u8>,
}

/// What is asked and what is answered.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Rpc {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) data: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) method: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Reply {
    #[prost(uint32, tag = "1")]
    pub(crate) id: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) error: Option<Fault>,
    #[prost(message, optional, tag = "4")]
    pub(crate) push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    pub(crate) connect: Option<Connected>,
    #[prost(message, optional, tag = "6")]
    pub(crate) subscribe: Option<Subscribed>,
    #[prost(message, optional, tag = "8")]
    pub(crate) publish: Option<Nothing>,
    #[prost(message, optional, tag = "13")]
    pub(crate) rpc: Option<Rpc>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Fault {
    #[prost(uint32, tag = "1")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Connected {
    #[prost(string, tag = "1")]
    pub(crate) client: String,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "6")]
    pub(crate) subs: BTreeMap<String, Subscribed>,
    #[prost(uint32, tag = "7")]
    pub(crate) ping: u32,
    #[prost(bool, tag = "8")]
    pub(crate) pong: bool,
    #[prost(string, tag = "9")]
    pub(crate) session: String,
    #[prost(string, tag = "10")]
    pub(crate) node: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Subscribed {
    #[prost(bool, tag = "3")]
    pub(crate) recoverable: bool,
    #[prost(string, tag = "6")]
    pub(crate) epoch: String,
    #[prost(bytes = "vec", tag = "11")]
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Push {
    #[prost(string, tag = "2")]
    pub(crate) channel: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) publication: Option<Publication>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Publication {
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) data: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub(crate) info: Option<Info>,
    #[prost(uint64, tag = "6")]
    pub(crate) offset: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Info {
    #[prost(string, tag = "1")]
    pub(crate) user: String,
    #[prost(string, tag = "2")]
    pub(crate) client: String,
}

/// What is posted for a client over plain HTTP.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Emulation {
    #[prost(string, tag = "1")]
    pub(crate) node: String,
    #[prost(string, tag = "2")]
    pub(crate) session: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) data: Vec<u8>,
}

/// A client over WebSocket, with one command under way.
pub(crate) struct Speaker {
    socket: WebSocket<TcpStream>,
    waiting: VecDeque<Reply>,
    /// Passed over while a reply was looked for.
    pushes: VecDeque<Push>,
    last_id: u32,
    pub(crate) connected: Connected,
}

impl Speaker {
    pub(crate) fn open(gateway: &Gateway) -> Speaker {
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

    pub(crate) fn connect(gateway: &Gateway, user: &str) -> Speaker {
        let mut speaker = Speaker::open(gateway);
        let data = br#"{"device":"phone"}"#.to_vec();
        let connect = Connect { token: token(user), data, ..Default::default() };
        let reply = speaker.ask(Command { connect: Some(connect), ..Default::default() });
        speaker.connected = reply.connect.unwrap_or_else(|| panic!("{:?}", reply.error));
        speaker
    }

    pub(crate) fn raw(&mut self, frame: Vec<u8>) {
        self.socket.send(Message::binary(frame)).unwrap();
    }

    pub(crate) fn ask(&mut self, command: Command) -> Reply {
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

    pub(crate) fn next(&mut self) -> Reply {
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

    /// The next one that was published, and where.
    pub(crate) fn publication(&mut self) -> (String, Publication) {
        let push = self.pushes.pop_front().unwrap_or_else(|| self.next().push.expect("a push"));
        (push.channel, push.publication.expect("a publication"))
    }

    pub(crate) fn subscribe(&mut self, channel: &str) {
        let subscribe = Some(Subscribe { channel: channel.into(), ..Default::default() });
        assert!(self.ask(Command { subscribe, ..Default::default() }).subscribe.is_some());
    }

    pub(crate) fn publish(&mut self, channel: &str, data: &[u8]) {
        let publish = Some(Publish { channel: channel.into(), data: data.into() });
        assert!(self.ask(Command { publish, ..Default::default() }).publish.is_some());
    }

    pub(crate) fn rpc(&mut self, method: &str, data: &Value) -> Reply {
        let rpc = Some(Rpc { data: data.to_string().into(), method: method.into() });
        self.ask(Command { rpc, ..Default::default() })
    }

    pub(crate) fn closed(&mut self) -> (u16, String) {
        loop {
            match self.socket.read() {
                Ok(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        }
    }
}
