//! How a connection is spoken to: in which encoding, and in which frames of its transport.

use bytes::Bytes;
use memchr::{memchr, memmem};
use prost::{Message as _, decode_length_delimiter, length_delimiter_len};

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

const CHUNK_END: &[u8] = b"\r\n";

/// What an answer of HTTP begins with, and what ends its head.
const HEAD_BEGIN: &[u8] = b"HTTP/";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// What ends a body of chunks.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

const FINAL_TEXT: u8 = 0x81;
const FINAL_BINARY: u8 = 0x82;

impl Flavour {
    /// How many there are: each one's number is below.
    pub(crate) const COUNT: usize = 5;

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

impl Flavour {
    /// Where the frame ends of which `at` is in the midst; `at` itself between two. `frames` begins with one, or with the head of
    /// the answer that they are in.
    pub(crate) fn end_of_frame_at(self, frames: &[u8], at: usize, is_bare: bool) -> Option<usize> {
        let mut end = 0;
        while end < at {
            end += self.first_frame_bytes(frames.get(end..)?, is_bare)?;
        }
        Some(end)
    }

    fn first_frame_bytes(self, frames: &[u8], is_bare: bool) -> Option<usize> {
        let through = |end: &[u8]| Some(memmem::find(frames, end)? + end.len());
        if frames.starts_with(HEAD_BEGIN) {
            return through(HEAD_END);
        }
        match self {
            Flavour::WebSocketJson | Flavour::WebSocketProtobuf => websocket_bytes(frames),
            Flavour::StreamJson | Flavour::StreamProtobuf | Flavour::Events if !is_bare => {
                chunk_bytes(frames)
            }
            Flavour::StreamJson => through(b"\n"),
            Flavour::StreamProtobuf => {
                let held = decode_length_delimiter(frames).ok()?;
                held.checked_add(length_delimiter_len(held))
            }
            Flavour::Events => through(b"\n\n"),
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

/// How long the frame is that stands first, of those that [`websocket`] makes.
fn websocket_bytes(frames: &[u8]) -> Option<usize> {
    match *frames.get(1)? {
        126 => Some(4 + usize::from(u16::from_be_bytes(frames.get(2..4)?.try_into().ok()?))),
        127 => usize::try_from(u64::from_be_bytes(frames.get(2..10)?.try_into().ok()?)).ok()?.checked_add(10),
        short => Some(2 + usize::from(short)),
    }
}

/// A finished chunk of an HTTP body (RFC 9112, section 7.1).
fn chunk(mut frame: Vec<u8>) -> Bytes {
    let head = format!("{:x}\r\n", frame.len() - HEAD_BYTES_MAX);
    let start = HEAD_BYTES_MAX.checked_sub(head.len()).expect("no message is that long");
    frame[start..HEAD_BYTES_MAX].copy_from_slice(head.as_bytes());
    frame.extend_from_slice(CHUNK_END);
    Bytes::from(frame).slice(start..)
}

/// How long the chunk is that stands first, of those that [`chunk`] makes.
fn chunk_bytes(frames: &[u8]) -> Option<usize> {
    let digits = memmem::find(frames, CHUNK_END)?;
    let held = usize::from_str_radix(str::from_utf8(&frames[..digits]).ok()?, 16).ok()?;
    held.checked_add(digits + 2 * CHUNK_END.len())
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

    const ALL: [Flavour; Flavour::COUNT] = [
        Flavour::WebSocketJson,
        Flavour::WebSocketProtobuf,
        Flavour::StreamJson,
        Flavour::StreamProtobuf,
        Flavour::Events,
    ];

    #[test]
    fn frames_of_every_length_are_read_by_a_client() {
        for length in [0, 1, 98, 99, 100, 101, 102, 103, 104, 105, 125, 126, 65_400, 65_534, 65_536, 70_000] {
            let data = Bytes::from(format!("\"{}\"", "x".repeat(length)));
            let reply = Reply::to(1, Outcome::Rpc(RpcResult { data }));
            for flavour in ALL {
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
    fn a_frame_that_was_cut_ends_where_the_next_begins() {
        let data = |length| Bytes::from(format!("\"{}\"", "x".repeat(length)));
        let replies: Vec<Reply> = [0, 90, 120, 300, 70_000]
            .into_iter()
            .map(|length| Reply::to(1, Outcome::Rpc(RpcResult { data: data(length) })))
            .collect();
        for (flavour, is_bare) in ALL.into_iter().flat_map(|flavour| [(flavour, false), (flavour, true)]) {
            let is_websocket = matches!(flavour, Flavour::WebSocketJson | Flavour::WebSocketProtobuf);
            if is_bare && is_websocket {
                continue;
            }
            let head: &[u8] = if is_websocket { b"" } else { b"HTTP/1.1 200 OK\r\na: b\r\n\r\n" };
            let (mut frames, mut ends) = (head.to_vec(), vec![0, head.len()]);
            for reply in &replies {
                let frame = flavour.frame(reply);
                frames.extend_from_slice(&if is_bare { bare(&frame) } else { frame });
                ends.push(frames.len());
            }
            for at in (0..400).chain(frames.len() - 10..=frames.len()) {
                let end = ends.iter().copied().find(|end| *end >= at);
                assert_eq!(flavour.end_of_frame_at(&frames, at, is_bare), end, "{flavour:?} {is_bare} {at}");
            }
        }
    }

    #[test]
    fn what_begins_with_no_frame_ends_nowhere() {
        for flavour in [Flavour::StreamJson, Flavour::StreamProtobuf, Flavour::Events] {
            assert_eq!(flavour.end_of_frame_at(b"xyz\r\n{}", 1, false), None);
            assert_eq!(flavour.end_of_frame_at(b"ffffffffffffffff\r\n{}", 1, false), None);
            assert_eq!(flavour.end_of_frame_at(b"\xff", 1, true), None, "{flavour:?}");
        }
        assert_eq!(Flavour::WebSocketJson.end_of_frame_at(b"\x81", 1, false), None);
        assert_eq!(Flavour::WebSocketJson.end_of_frame_at(b"\x81\x00", 3, false), None);
    }

    #[test]
    fn a_ping_is_an_empty_message() {
        for flavour in ALL {
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
