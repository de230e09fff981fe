//! How a connection is spoken to: in which encoding, and in which frames of its transport.

use bytes::Bytes;
use memchr::memchr;
use prost::Message as _;

use super::{encoding::Encoding, json, reply::Reply};

/// An encoding on a transport. Whatever goes to many is made once for each that somebody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Text messages of JSON.
    WebSocketJson,
    /// Binary messages of Protobuf.
    WebSocketProtobuf,
    /// A chunk of HTTP for each message, a line of JSON.
    StreamJson,
    /// A chunk of HTTP for each message, with its length before it.
    StreamProtobuf,
    /// A chunk of HTTP for each message, as a server-sent event.
    Events,
}

/// The longest that stands before a message: the header of a WebSocket frame, or a chunk's length and the name of an
/// event's line.
const HEAD_BYTES_MAX: usize = 16;

/// What JSON has usually more than Protobuf has: names of fields, numbers as text.
const NAMES_BYTES: usize = 128;

pub(super) const CHUNK_END: &[u8] = b"\r\n";

/// What ends a body of chunks.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

const FINAL_TEXT: u8 = 0x81;
const FINAL_BINARY: u8 = 0x82;

impl Flavour {
    /// How many there are: each one's number is below.
    pub(crate) const COUNT: usize = 5;

    #[cfg(test)]
    pub(super) const ALL: [Flavour; Flavour::COUNT] = [
        Flavour::WebSocketJson,
        Flavour::WebSocketProtobuf,
        Flavour::StreamJson,
        Flavour::StreamProtobuf,
        Flavour::Events,
    ];

    /// What the messages are written in.
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Flavour::WebSocketJson | Flavour::StreamJson | Flavour::Events => Encoding::Json,
            Flavour::WebSocketProtobuf | Flavour::StreamProtobuf => Encoding::Protobuf,
        }
    }

    /// The protocol's ping, an empty message.
    pub(crate) fn ping(self) -> Bytes {
        Bytes::from_static(match self {
            Flavour::WebSocketJson => &[FINAL_TEXT, 2, b'{', b'}'],
            Flavour::WebSocketProtobuf => &[FINAL_BINARY, 1, 0],
            Flavour::StreamJson => b"3\r\n{}\n\r\n",
            Flavour::StreamProtobuf => b"1\r\n\0\r\n",
            Flavour::Events => b"a\r\ndata: {}\n\n\r\n",
        })
    }

    /// A message in a frame of its own. In JSON its payloads have to be JSON.
    pub(crate) fn frame(self, reply: &Reply) -> Bytes {
        let mut frame = Vec::with_capacity(HEAD_BYTES_MAX + reply.encoded_len() + NAMES_BYTES);
        frame.resize(HEAD_BYTES_MAX, 0);
        match self {
            Flavour::Events => frame.extend_from_slice(b"data: "),
            Flavour::WebSocketJson
            | Flavour::WebSocketProtobuf
            | Flavour::StreamJson
            | Flavour::StreamProtobuf => {}
        }
        match self.encoding() {
            Encoding::Json => json::write(&mut frame, reply),
            Encoding::Protobuf => reply.encode_length_delimited(&mut frame).expect("a vector grows"),
        }
        match self {
            Flavour::StreamJson => frame.push(b'\n'),
            Flavour::Events => frame.extend_from_slice(b"\n\n"),
            Flavour::WebSocketJson | Flavour::WebSocketProtobuf | Flavour::StreamProtobuf => {}
        }
        match self {
            Flavour::WebSocketJson => websocket(frame, FINAL_TEXT),
            Flavour::WebSocketProtobuf => websocket(frame, FINAL_BINARY),
            Flavour::StreamJson | Flavour::StreamProtobuf | Flavour::Events => chunk(frame),
        }
    }
}

/// A frame for who knows no chunks: what is in its one.
pub(crate) fn bare(frame: &Bytes) -> Bytes {
    let head = memchr(b'\n', frame).expect("a chunk begins with its length");
    frame.slice(head + 1..frame.len() - CHUNK_END.len())
}

/// A finished WebSocket frame of the server's side (RFC 6455, section 5.2): one message, not masked. What it holds stands
/// behind room for its header.
fn websocket(mut frame: Vec<u8>, opcode: u8) -> Bytes {
    let payload_bytes = frame.len() - HEAD_BYTES_MAX;
    let header_bytes = match payload_bytes {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    let start = HEAD_BYTES_MAX - header_bytes;
    let header = &mut frame[start..HEAD_BYTES_MAX];
    header[0] = opcode;
    match header_bytes {
        2 => header[1] = payload_bytes as u8,
        4 => {
            header[1] = 126;
            header[2..].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
    Bytes::from(frame).slice(start..)
}

/// A finished chunk of an HTTP body (RFC 9112, section 7.1).
fn chunk(mut frame: Vec<u8>) -> Bytes {
    let head = format!("{:x}\r\n", frame.len() - HEAD_BYTES_MAX);
    let start = HEAD_BYTES_MAX.checked_sub(head.len()).expect("no message is that long");
    frame[start..HEAD_BYTES_MAX].copy_from_slice(head.as_bytes());
    frame.extend_from_slice(CHUNK_END);
    Bytes::from(frame).slice(start..)
}

/// What a frame holds, as its transport's own reader finds it.
#[cfg(test)]
pub(super) fn held(flavour: Flavour, frame: &[u8]) -> Vec<u8> {
    use std::io::Cursor;

    use tungstenite::protocol::{Message, Role, WebSocket};

    let chunk = || {
        let head = frame.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let bytes = usize::from_str_radix(str::from_utf8(&frame[..head]).unwrap(), 16).unwrap();
        let (body, end) = frame[head + 2..].split_at(bytes);
        assert_eq!(end, b"\r\n");
        body.to_vec()
    };
    let message =
        || WebSocket::from_raw_socket(Cursor::new(frame.to_vec()), Role::Client, None).read().unwrap();
    match flavour {
        Flavour::WebSocketJson => match message() {
            Message::Text(text) => text.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        },
        Flavour::WebSocketProtobuf => match message() {
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        },
        Flavour::StreamJson => chunk().strip_suffix(b"\n").unwrap().to_vec(),
        Flavour::StreamProtobuf => chunk(),
        Flavour::Events => chunk().strip_prefix(b"data: ").unwrap().strip_suffix(b"\n\n").unwrap().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        message::Publication,
        push::Push,
        reply::{Outcome, RpcResult},
    };

    #[test]
    fn frames_of_every_length_are_read_by_a_client() {
        for length in [0, 1, 98, 99, 100, 101, 102, 103, 104, 105, 125, 126, 65_400, 65_534, 65_536, 70_000] {
            let data = Bytes::from(format!("\"{}\"", "x".repeat(length)));
            let reply = Reply::to(1, Outcome::Rpc(RpcResult { data }));
            for flavour in Flavour::ALL {
                assert!(held(flavour, &flavour.frame(&reply)).len() > length, "{flavour:?} {length}");
            }
        }
    }

    #[test]
    fn a_bare_frame_is_what_a_chunk_holds() {
        for flavour in [Flavour::StreamJson, Flavour::StreamProtobuf, Flavour::Events] {
            let data = Bytes::from(format!("\"{}\"", "x".repeat(300)));
            let frame = flavour.frame(&Reply::to(1, Outcome::Rpc(RpcResult { data })));
            let head = frame.windows(2).position(|pair| pair == b"\r\n").unwrap();
            assert_eq!(bare(&frame), frame[head + 2..frame.len() - 2]);
            assert_eq!(bare(&flavour.ping()).len(), flavour.ping().len() - 5);
        }
    }

    #[test]
    fn a_ping_is_an_empty_message() {
        for flavour in Flavour::ALL {
            assert_eq!(flavour.ping(), flavour.frame(&Reply::default()), "{flavour:?}");
        }
    }

    #[test]
    fn line_breaks_in_a_payload_do_not_end_a_line() {
        let publication = Publication { data: Bytes::from_static(b"[1,\r\n2]\n"), ..Default::default() };
        let push = Push::publication("a", publication).into();
        for flavour in [Flavour::WebSocketJson, Flavour::StreamJson, Flavour::Events] {
            let text = String::from_utf8(held(flavour, &flavour.frame(&push))).unwrap();
            assert_eq!(text, r#"{"push":{"channel":"a","pub":{"data":[1,2]}}}"#);
        }
    }
}
