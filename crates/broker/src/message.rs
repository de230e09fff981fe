use std::ops::Range;

use bytes::Bytes;
use naru_fanout::{Publication, Writer, limits::SHARED_BYTES_MIN};
use naru_resp::{ReplyWriter, Version};

/// A published message: one allocation that holds the frame its channel's subscribers get, in RESP2. RESP3 differs in
/// the first byte only.
#[derive(Clone)]
pub(crate) struct Message {
    frame: Bytes,
    channel: Range<usize>,
    payload: Range<usize>,
}

impl Message {
    /// For a channel.
    pub(crate) fn new(channel: &[u8], payload: &[u8]) -> Self {
        Self::of_kind("message", channel, payload)
    }

    /// For a shard channel.
    pub(crate) fn of_shard(channel: &[u8], payload: &[u8]) -> Self {
        Self::of_kind("smessage", channel, payload)
    }

    fn of_kind(kind: &str, channel: &[u8], payload: &[u8]) -> Self {
        // Two lengths of at most 20 digits, the kind and the separators.
        let mut frame = Vec::with_capacity(channel.len() + payload.len() + 80);
        let mut writer = ReplyWriter::new(&mut frame, Version::Resp2);
        writer.push(3);
        writer.bulk(kind);
        writer.bulk(channel);
        writer.bulk(payload);
        let payload_end = frame.len() - 2;
        let payload_start = payload_end - payload.len();
        // Between the two stand the channel's line end and the payload's length line.
        let digits = itoa::Buffer::new().format(payload.len()).len();
        let channel_end = payload_start - 2 - digits - 1 - 2;
        let channel_start = channel_end - channel.len();
        debug_assert_eq!(&frame[channel_start..channel_end], channel);
        Message {
            frame: frame.into(),
            channel: channel_start..channel_end,
            payload: payload_start..payload_end,
        }
    }

    pub(crate) fn channel(&self) -> Bytes {
        self.frame.slice(self.channel.clone())
    }

    fn payload(&self) -> Bytes {
        self.frame.slice(self.payload.clone())
    }
}

impl Publication for Message {
    fn bytes(&self) -> usize {
        self.frame.len()
    }
}

/// A message as the subscribers of one topic get it, in RESP2.
pub(crate) struct Frame {
    head: Bytes,
    /// A payload too large to be copied behind the head, and shared instead; a line end follows it.
    payload: Option<Bytes>,
}

impl Frame {
    /// For the subscribers of the channel.
    pub(crate) fn of_channel(message: &Message) -> Self {
        Frame { head: message.frame.clone(), payload: None }
    }

    /// For those who subscribed by the pattern `glob`.
    pub(crate) fn of_pattern(message: &Message, glob: &[u8]) -> Self {
        let (channel, payload) = (message.channel(), message.payload());
        let mut head = Vec::with_capacity(glob.len() + channel.len() + 100);
        let mut writer = ReplyWriter::new(&mut head, Version::Resp2);
        if payload.len() < SHARED_BYTES_MIN {
            writer.pattern_message(glob, &channel, &payload);
            return Frame { head: head.into(), payload: None };
        }
        writer.push(4);
        writer.bulk("pmessage");
        writer.bulk(glob);
        writer.bulk(&channel);
        head.push(b'$');
        head.extend_from_slice(itoa::Buffer::new().format(payload.len()).as_bytes());
        head.extend_from_slice(b"\r\n");
        Frame { head: head.into(), payload: Some(payload) }
    }

    /// Appends it in the peer's protocol.
    pub(crate) fn write(&self, version: Version, writer: &mut Writer<'_>) {
        let kind = match version {
            Version::Resp2 => b'*',
            Version::Resp3 => b'>',
        };
        if self.head.len() < SHARED_BYTES_MIN {
            writer.encode(|out| {
                out.push(kind);
                out.extend_from_slice(&self.head[1..]);
            });
        } else {
            writer.copy(&[kind]);
            writer.share(&self.head.slice(1..));
        }
        if let Some(payload) = &self.payload {
            writer.share(payload);
            writer.copy(b"\r\n");
        }
    }

    /// Appends it in the peer's protocol, copied whole.
    pub(crate) fn copy_to(&self, version: Version, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.head);
        if let Some(payload) = &self.payload {
            out.extend_from_slice(payload);
            out.extend_from_slice(b"\r\n");
        }
        if version == Version::Resp3 {
            out[start] = b'>';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_finds_its_channel_and_payload_again() {
        for (channel, payload) in [
            (&b""[..], &b""[..]),
            (b"a", b"x"),
            (b"news:today", &[0, 255, 13, 10]),
            (&[b'c'; 300], &[7; 12_345]),
        ] {
            let message = Message::new(channel, payload);
            assert_eq!(message.channel(), channel);
            assert_eq!(message.payload(), payload);
        }
    }

    #[test]
    fn a_shared_pattern_message_reads_like_a_copied_one() {
        for size in [10, SHARED_BYTES_MIN, SHARED_BYTES_MIN + 1] {
            let payload = vec![b'p'; size];
            let frame = Frame::of_pattern(&Message::new(b"chan", &payload), b"ch*");
            let mut copied = Vec::new();
            frame.copy_to(Version::Resp3, &mut copied);
            let mut expected = Vec::new();
            ReplyWriter::new(&mut expected, Version::Resp3).pattern_message("ch*", "chan", &payload);
            assert_eq!(copied, expected);
        }
    }
}
