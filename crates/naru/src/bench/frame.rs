use std::sync::Arc;

use anyhow::bail;
use naru_resp::encode_request;

use super::{nats, protocol::Protocol};

/// Bytes of a [`Stamp`] at the front of each payload.
pub(super) const STAMP_BYTES: usize = 4 + 8 + 8;

/// How much of a stranger's bytes an error shows.
const SHOWN_BYTES: usize = 80;

/// Tells one message from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// From 0.
    pub(super) publisher: u32,
    /// Counts one publisher's messages on one channel, from 0.
    pub(super) sequence: u64,
    /// When it was handed to the socket, in nanoseconds of the run's clock.
    pub(super) sent_ns: u64,
}

impl Stamp {
    fn to_bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..4].copy_from_slice(&self.publisher.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[12..].copy_from_slice(&self.sent_ns.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; STAMP_BYTES]) -> Self {
        let [p0, p1, p2, p3, q0, q1, q2, q3, q4, q5, q6, q7, t0, t1, t2, t3, t4, t5, t6, t7] = *bytes;
        Stamp {
            publisher: u32::from_le_bytes([p0, p1, p2, p3]),
            sequence: u64::from_le_bytes([q0, q1, q2, q3, q4, q5, q6, q7]),
            sent_ns: u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
        }
    }
}

/// What all messages of a channel look like, on the way in or on the way out, but for the stamp in front of the payload:
/// so they are made by one copy and read back by comparing, without an allocation.
pub(super) struct Frame {
    /// Up to the stamp.
    head: Vec<u8>,
    /// From behind the stamp to the end.
    tail: Vec<u8>,
    /// What may stand between two messages to a subscriber: the server asks for a sign of life.
    asks: Option<&'static [u8]>,
}

impl Frame {
    /// The command that publishes `payload_bytes` to `channel`.
    pub(super) fn publish(protocol: Protocol, channel: &str, payload_bytes: usize) -> Self {
        match protocol {
            Protocol::Resp => Self::of_strings(["PUBLISH", channel], payload_bytes),
            Protocol::Nats => Self::of_line(&format!("PUB {channel} {payload_bytes}"), payload_bytes),
        }
    }

    /// What a subscriber of `channel` receives then.
    pub(super) fn message(protocol: Protocol, channel: &str, payload_bytes: usize) -> Self {
        match protocol {
            Protocol::Resp => Self::of_strings(["message", channel], payload_bytes),
            Protocol::Nats => {
                let line = format!("MSG {channel} {} {payload_bytes}", nats::FIRST_SUBSCRIPTION);
                Frame { asks: Some(nats::PING), ..Self::of_line(&line, payload_bytes) }
            }
        }
    }

    /// Redis's form: an array of strings, the last of which is the payload.
    fn of_strings(words: [&str; 2], payload_bytes: usize) -> Self {
        let mut bytes = Vec::new();
        encode_request([words[0].as_bytes(), words[1].as_bytes(), &payload(payload_bytes)], &mut bytes);
        Self::of(bytes, payload_bytes)
    }

    /// NATS's form: a line, and the payload.
    fn of_line(line: &str, payload_bytes: usize) -> Self {
        let bytes = [line.as_bytes(), b"\r\n", &payload(payload_bytes), b"\r\n"].concat();
        Self::of(bytes, payload_bytes)
    }

    /// `bytes` end with a payload and the end of a line.
    fn of(mut bytes: Vec<u8>, payload_bytes: usize) -> Self {
        assert!(payload_bytes >= STAMP_BYTES, "the options are checked");
        let stamp_at = bytes.len() - 2 - payload_bytes;
        let tail = bytes.split_off(stamp_at + STAMP_BYTES);
        bytes.truncate(stamp_at);
        Frame { head: bytes, tail, asks: None }
    }

    /// Appends it with `stamp`.
    pub(super) fn write(&self, stamp: Stamp, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&stamp.to_bytes());
        out.extend_from_slice(&self.tail);
    }
}

fn payload(payload_bytes: usize) -> Vec<u8> {
    (0..payload_bytes).map(|at| b'a' + (at % 26) as u8).collect()
}

/// What a subscriber is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Message(Stamp),
    /// The server wants a sign of life.
    Asked,
}

/// Reads one subscriber's messages, cut anywhere, and compares every byte with what it must be.
pub(super) struct FrameReader {
    frame: Arc<Frame>,
    /// The start of a frame that was cut before the end of its stamp.
    cut: Vec<u8>,
    stamp: Stamp,
    /// What is missing of the tail of the frame with `stamp`; 0 between frames.
    tail_missing: usize,
}

impl FrameReader {
    pub(super) fn new(frame: Arc<Frame>) -> Self {
        let cut = Vec::with_capacity(frame.head.len() + STAMP_BYTES);
        FrameReader { frame, cut, stamp: Stamp { publisher: 0, sequence: 0, sent_ns: 0 }, tail_missing: 0 }
    }

    /// Calls `each` for everything that `input` completes.
    pub(super) fn read(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(Heard) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        loop {
            if self.tail_missing == 0 {
                let first = self.cut.first().or(input.first());
                if let Some(asks) = self.frame.asks.filter(|asks| asks.first() == first) {
                    let Some(behind) = self.read_ask(asks, input)? else { return Ok(()) };
                    input = behind;
                    each(Heard::Asked)?;
                    continue;
                }
                let Some(behind) = self.read_head(input)? else { return Ok(()) };
                input = behind;
            }
            let tail = &self.frame.tail[self.frame.tail.len() - self.tail_missing..];
            let (here, behind) = input.split_at(tail.len().min(input.len()));
            if *here != tail[..here.len()] {
                bail!("a payload was altered: {}", shown(here));
            }
            self.tail_missing -= here.len();
            if self.tail_missing > 0 {
                return Ok(());
            }
            each(Heard::Message(self.stamp))?;
            input = behind;
        }
    }

    /// Reads the word that asks for a sign of life; what lies behind it, or `None` if it is not all there.
    fn read_ask<'a>(&mut self, asks: &[u8], input: &'a [u8]) -> anyhow::Result<Option<&'a [u8]>> {
        let (here, behind) = input.split_at(input.len().min(asks.len() - self.cut.len()));
        self.cut.extend_from_slice(here);
        if !asks.starts_with(&self.cut) {
            bail!("the server sent a subscriber something else than its messages: {}", shown(&self.cut));
        }
        if self.cut.len() < asks.len() {
            return Ok(None);
        }
        self.cut.clear();
        Ok(Some(behind))
    }

    /// Reads up to the end of the stamp; what lies behind it, or `None` if it is not all there.
    fn read_head<'a>(&mut self, input: &'a [u8]) -> anyhow::Result<Option<&'a [u8]>> {
        let wanted = self.frame.head.len() + STAMP_BYTES - self.cut.len();
        let Some((here, behind)) = input.split_at_checked(wanted) else {
            self.cut.extend_from_slice(input);
            return Ok(None);
        };
        let whole = if self.cut.is_empty() {
            here
        } else {
            self.cut.extend_from_slice(here);
            &self.cut
        };
        let (head, stamp) = whole.split_last_chunk().expect("it is a head and a stamp long");
        if *head != self.frame.head {
            bail!("the server sent a subscriber something else than its messages: {}", shown(whole));
        }
        self.stamp = Stamp::from_bytes(stamp);
        self.tail_missing = self.frame.tail.len();
        self.cut.clear();
        Ok(Some(behind))
    }
}

/// The start of foreign bytes, for an error.
pub(super) fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(SHOWN_BYTES)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(sequence: u64) -> Stamp {
        Stamp { publisher: 7, sequence, sent_ns: u64::MAX - sequence }
    }

    fn stream(frame: &Frame, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        (0..count).for_each(|sequence| frame.write(stamp(sequence), &mut bytes));
        bytes
    }

    #[test]
    fn a_frame_is_what_goes_over_the_wire() {
        let mut bytes = Vec::new();
        let stamp = Stamp { publisher: 1, sequence: 2, sent_ns: 3 };
        let written = "\x01\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0";
        Frame::publish(Protocol::Resp, "c", 21).write(stamp, &mut bytes);
        assert_eq!(bytes, format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$21\r\n{written}u\r\n").as_bytes());
        bytes.clear();
        Frame::publish(Protocol::Nats, "c", 21).write(stamp, &mut bytes);
        assert_eq!(bytes, format!("PUB c 21\r\n{written}u\r\n").as_bytes());
        bytes.clear();
        Frame::message(Protocol::Nats, "c", 21).write(stamp, &mut bytes);
        assert_eq!(bytes, format!("MSG c 1 21\r\n{written}u\r\n").as_bytes());
    }

    #[test]
    fn messages_cut_anywhere_read_the_same() {
        for payload_bytes in [STAMP_BYTES, 64, 300] {
            for protocol in [Protocol::Resp, Protocol::Nats] {
                let frame = Arc::new(Frame::message(protocol, "news", payload_bytes));
                let bytes = stream(&frame, 5);
                let expected: Vec<_> = (0..5).map(|number| Heard::Message(stamp(number))).collect();
                for piece in 1..=bytes.len() {
                    assert_eq!(read_in_pieces(&frame, &bytes, piece), expected);
                }
            }
        }
    }

    #[test]
    fn a_sign_of_life_may_be_asked_for_between_messages() {
        let frame = Arc::new(Frame::message(Protocol::Nats, "news", 64));
        let bytes = [nats::PING, &stream(&frame, 1), nats::PING, nats::PING].concat();
        let expected = [Heard::Asked, Heard::Message(stamp(0)), Heard::Asked, Heard::Asked];
        for piece in 1..=bytes.len() {
            assert_eq!(read_in_pieces(&frame, &bytes, piece), expected);
        }
        assert!(FrameReader::new(frame).read(b"PONG\r\n", |_| Ok(())).is_err());
    }

    fn read_in_pieces(frame: &Arc<Frame>, bytes: &[u8], piece: usize) -> Vec<Heard> {
        let mut reader = FrameReader::new(frame.clone());
        let mut read = Vec::new();
        for part in bytes.chunks(piece) {
            let each = |heard| {
                read.push(heard);
                Ok(())
            };
            reader.read(part, each).unwrap();
        }
        read
    }

    #[test]
    fn a_wrong_byte_anywhere_but_in_the_stamp_is_an_error() {
        let frame = Arc::new(Frame::message(Protocol::Resp, "news", 64));
        let right = stream(&frame, 2);
        let stamp_at = frame.head.len();
        for at in (0..right.len() / 2).filter(|at| !(stamp_at..stamp_at + STAMP_BYTES).contains(at)) {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert!(FrameReader::new(frame.clone()).read(&wrong, |_| Ok(())).is_err(), "byte {at}");
        }
    }
}
