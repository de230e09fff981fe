//! The two encodings of the protocol's messages, and how several stand in a frame.

use bytes::{Buf, Bytes};
use prost::Message;

use super::{command::Command, json};

/// What messages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// One object a line.
    Json,
    /// Each with its length before it.
    Protobuf,
}

/// A command cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a command cannot be read")]
pub(crate) struct Malformed;

/// The commands of one frame. After one that cannot be read there are none. An empty frame is one that cannot be read.
pub(crate) struct Commands {
    encoding: Encoding,
    /// What is not read yet; nothing after the last command.
    rest: Option<Bytes>,
}

impl Encoding {
    /// Whether one of a frame's commands ends a client's subscription to a channel.
    pub(crate) fn unsubscribes(self, frame: &Bytes, channel: &str) -> bool {
        let mut commands = self.commands(frame.clone()).map_while(Result::ok);
        commands.any(|command| command.unsubscribe.is_some_and(|it| it.channel == channel))
    }

    /// Reads a frame of commands.
    pub(crate) fn commands(self, frame: Bytes) -> Commands {
        Commands { encoding: self, rest: Some(frame) }
    }
}

impl Iterator for Commands {
    type Item = Result<Command, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = self.rest.take()?;
        let command = match self.encoding {
            Encoding::Json => self.line(frame),
            Encoding::Protobuf => self.delimited(frame),
        };
        if command.is_err() {
            self.rest = None;
        }
        Some(command)
    }
}

impl Commands {
    /// What is not read yet, as a frame; none if everything is.
    pub(crate) fn rest(&self) -> Option<Bytes> {
        self.rest.clone()
    }

    /// One a line; the last line may be ended. An empty line is a command that cannot be read.
    fn line(&mut self, mut frame: Bytes) -> Result<Command, Malformed> {
        let line = match memchr::memchr(b'\n', &frame) {
            Some(end) => {
                let line = frame.split_to(end);
                frame.advance(1);
                self.rest = (!frame.is_empty()).then_some(frame);
                line
            }
            None => frame,
        };
        json::read(&line).map_err(|_| Malformed)
    }

    fn delimited(&mut self, mut frame: Bytes) -> Result<Command, Malformed> {
        let command = Command::decode_length_delimited(&mut frame).map_err(|_| Malformed)?;
        self.rest = (!frame.is_empty()).then_some(frame);
        Ok(command)
    }
}
