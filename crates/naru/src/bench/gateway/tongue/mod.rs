//! What servers speak inside a WebSocket. Commands are appended as one message each; what a server sends is taken
//! apart and read strictly. What comes all the time is recognised by its bytes instead: [`super::known`].

mod json;
mod plain;
mod protobuf;
mod socket_io;

use std::borrow::Cow;

use clap::ValueEnum;

use super::frame;

/// A protocol of the servers that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Dialect {
    /// The Centrifuge client protocol, as Naru and Centrifugo speak it.
    Centrifuge,
    /// A few JSON members, as bench/peers/bun.js has them.
    Plain,
    /// Socket.IO 4, as bench/peers/socket_io.js has it.
    SocketIo,
}

/// How the Centrifuge client protocol is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

/// A dialect in its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    Json,
    Protobuf,
    Plain,
    SocketIo,
}

/// Where in a channel a subscriber stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: String,
    pub(super) offset: u64,
}

/// What a server says.
#[derive(Debug, PartialEq)]
pub(super) enum Heard<'a> {
    /// Something was published in a channel.
    Message { channel: Cow<'a, str>, data: Cow<'a, [u8]> },
    /// A command was answered, and not with an error.
    Answer { id: u32, granted: Granted },
    /// To be answered with [`Tongue::pong`].
    Ping,
    /// Nothing that concerns us.
    Nothing,
}

/// What an answer gives.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Granted {
    /// Where its channel stands, or one that the server has subscribed us to, if positions are kept there.
    pub(super) position: Option<Position>,
    /// What was missed had been kept.
    pub(super) recovered: bool,
    /// What was missed: the data of each.
    pub(super) missed: Vec<Vec<u8>>,
}

impl Tongue {
    pub(super) fn of(dialect: Dialect, encoding: Encoding) -> Self {
        match (dialect, encoding) {
            (Dialect::Centrifuge, Encoding::Json) => Tongue::Json,
            (Dialect::Centrifuge, Encoding::Protobuf) => Tongue::Protobuf,
            (Dialect::Plain, _) => Tongue::Plain,
            (Dialect::SocketIo, _) => Tongue::SocketIo,
        }
    }

    /// As reports have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tongue::Json => "centrifuge, json",
            Tongue::Protobuf => "centrifuge, protobuf",
            Tongue::Plain => "plain",
            Tongue::SocketIo => "socket.io",
        }
    }

    /// Where servers have their WebSocket.
    pub(super) fn path(self) -> &'static str {
        match self {
            Tongue::Json | Tongue::Protobuf => "/connection/websocket",
            Tongue::Plain => "/",
            Tongue::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        }
    }

    pub(super) fn subprotocol(self) -> Option<&'static str> {
        match self {
            Tongue::Protobuf => Some("centrifuge-protobuf"),
            Tongue::Json | Tongue::Plain | Tongue::SocketIo => None,
        }
    }

    pub(super) fn opcode(self) -> u8 {
        if self == Tongue::Protobuf { frame::BINARY } else { frame::TEXT }
    }

    /// Signs in; `at` is a channel that the server subscribes us to, and where we stand in it. Without a command the
    /// server takes us as we are.
    pub(super) fn connect(self, id: u32, token: &str, at: Option<(&str, &Position)>, out: &mut Vec<u8>) {
        match self {
            Tongue::Json => json::connect(id, token, at, out),
            Tongue::Protobuf => protobuf::connect(id, token, at, out),
            Tongue::Plain => {}
            Tongue::SocketIo => socket_io::connect(out),
        }
    }

    /// `at` is where we stand in the channel, if we come back to it.
    pub(super) fn subscribe(self, id: u32, channel: &str, at: Option<&Position>, out: &mut Vec<u8>) {
        match self {
            Tongue::Json => json::subscribe(id, channel, at, out),
            Tongue::Protobuf => protobuf::subscribe(id, channel, at, out),
            Tongue::Plain => plain::subscribe(id, channel, out),
            Tongue::SocketIo => socket_io::subscribe(id, channel, out),
        }
    }

    /// `data` is JSON.
    pub(super) fn publish(self, id: u32, channel: &str, data: &[u8], out: &mut Vec<u8>) {
        match self {
            Tongue::Json => json::publish(id, channel, data, out),
            Tongue::Protobuf => protobuf::publish(id, channel, data, out),
            Tongue::Plain => plain::publish(id, channel, data, out),
            Tongue::SocketIo => socket_io::publish(id, channel, data, out),
        }
    }

    /// Calls what only the Centrifuge client protocol has; `data` is JSON.
    pub(super) fn rpc(self, id: u32, method: &str, data: &[u8], out: &mut Vec<u8>) {
        match self {
            Tongue::Json => json::rpc(id, method, data, out),
            Tongue::Protobuf => protobuf::rpc(id, method, data, out),
            Tongue::Plain | Tongue::SocketIo => unreachable!("options refuse people and rooms there"),
        }
    }

    /// The answer to a ping, as a message.
    pub(super) fn pong(self) -> &'static [u8] {
        match self {
            Tongue::Json | Tongue::Plain => b"{}",
            Tongue::Protobuf => &[0],
            Tongue::SocketIo => b"3",
        }
    }

    /// Calls `each` for all that stands in one message.
    pub(super) fn split(
        self,
        message: &[u8],
        mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Tongue::Json => json::split(message).try_for_each(each),
            Tongue::Protobuf => protobuf::split(message, each),
            Tongue::Plain | Tongue::SocketIo => each(message),
        }
    }

    /// Reads a part of a message.
    ///
    /// # Errors
    ///
    /// It is not what the protocol says, or tells of an error.
    pub(super) fn read(self, part: &[u8]) -> anyhow::Result<Heard<'_>> {
        match self {
            Tongue::Json => json::read(part),
            Tongue::Protobuf => protobuf::read(part),
            Tongue::Plain => plain::read(part),
            Tongue::SocketIo => socket_io::read(part),
        }
    }

    /// The command that a part answers, if it is the answer to a publish in the form that is usual.
    pub(super) fn answered(self, part: &[u8]) -> Option<u32> {
        match self {
            Tongue::Json => number_between(part, br#"{"id":"#, br#","publish":{}}"#),
            Tongue::Protobuf => protobuf::answered(part),
            Tongue::Plain => number_between(part, br#"{"id":"#, b"}"),
            Tongue::SocketIo => number_between(part, b"43", b"[]"),
        }
    }
}

fn number_between(part: &[u8], before: &[u8], behind: &[u8]) -> Option<u32> {
    std::str::from_utf8(part.strip_prefix(before)?.strip_suffix(behind)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_answer_is_recognised_as_it_is_read() {
        for (tongue, part) in [
            (Tongue::Json, &br#"{"id":70000,"publish":{}}"#[..]),
            (Tongue::Protobuf, &[0x08, 0xf0, 0xa2, 0x04, 0x42, 0]),
            (Tongue::Plain, br#"{"id":70000}"#),
            (Tongue::SocketIo, b"4370000[]"),
        ] {
            assert_eq!(tongue.answered(part), Some(70000), "{tongue:?}");
            let read = tongue.read(part).unwrap();
            assert_eq!(read, Heard::Answer { id: 70000, granted: Granted::default() }, "{tongue:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for part in [&br#"{"id":7,"error":{"code":103}}"#[..], br#"{"push":{}}"#, b"", b"{}"] {
            assert_eq!(Tongue::Json.answered(part), None);
        }
        for part in [&[][..], &[0x08], &[0x08, 0x80], &[0x08, 7, 0x12, 0], &[0x22, 0]] {
            assert_eq!(Tongue::Protobuf.answered(part), None);
        }
    }
}
