use std::ops::Range;

use bytes::Bytes;
use naru_fanout::Publication;
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

    /// The frame for the channel's subscribers.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }

    pub(crate) fn channel(&self) -> Bytes {
        self.frame.slice(self.channel.clone())
    }

    pub(crate) fn payload(&self) -> Bytes {
        self.frame.slice(self.payload.clone())
    }
}

impl Publication for Message {
    fn bytes(&self) -> usize {
        self.frame.len()
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
}
