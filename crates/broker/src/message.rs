use bytes::Bytes;
use naru_fanout::Publication;
use naru_resp::{ReplyWriter, Version};

/// A published message: one allocation that holds the frame its channel's subscribers get, in RESP2. RESP3 differs in
/// the first byte only.
#[derive(Clone)]
pub(crate) struct Message {
    frame: Bytes,
    /// Where the channel begins in the frame.
    channel_start: usize,
    channel_bytes: usize,
    payload_bytes: usize,
}

/// `*3`, the lengths' marks and all line ends.
const FRAME_BYTES: usize = 4 + 3 * (1 + 2 + 2);

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
        let digits = |text: &[u8]| text.len().checked_ilog10().unwrap_or(0) as usize + 1;
        let lengths_bytes = digits(kind.as_bytes()) + digits(channel) + digits(payload);
        let frame_bytes = FRAME_BYTES + lengths_bytes + kind.len() + channel.len() + payload.len();
        // Exactly as much as it needs can be shared without a second allocation.
        let mut frame = Vec::with_capacity(frame_bytes);
        let mut writer = ReplyWriter::new(&mut frame, Version::Resp2);
        writer.push(3);
        writer.bulk(kind);
        writer.bulk(channel);
        writer.bulk(payload);
        debug_assert_eq!(frame.len(), frame_bytes);
        let behind_channel = 2 + 1 + digits(payload) + 2 + payload.len() + 2;
        Message {
            channel_start: frame_bytes - behind_channel - channel.len(),
            channel_bytes: channel.len(),
            payload_bytes: payload.len(),
            frame: frame.into(),
        }
    }

    /// The frame for the channel's subscribers.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }

    pub(crate) fn payload(&self) -> Bytes {
        let end = self.frame.len() - 2;
        self.frame.slice(end - self.payload_bytes..end)
    }
}

impl Publication for Message {
    fn channel(&self) -> &[u8] {
        &self.frame[self.channel_start..][..self.channel_bytes]
    }

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
