//! Messages as the subscribers of one topic get them.

use std::{borrow::Cow, cell::OnceCell};

use bytes::Bytes;
use naru_fanout::{Publication, SharedBytes, Writer, limits::SHARED_BYTES_MIN};
use naru_resp::{ReplyWriter, Version};

use crate::message::Message;

/// One message, or several that follow each other, for the subscribers of a channel or a pattern.
pub(crate) enum Frame<'a> {
    One(One<'a>),
    Run(Run<'a>),
}

impl<'a> Frame<'a> {
    /// Of `messages`, which are not none, for who subscribed to their channel or by `pattern`.
    pub(crate) fn new(messages: &'a [Message], pattern: Option<&'a [u8]>) -> Self {
        match messages {
            [message] => Frame::One(One::new(message, pattern)),
            messages => Frame::Run(Run { messages, pattern, encoded: Default::default() }),
        }
    }

    /// Appends it in the peer's protocol.
    pub(crate) fn write(&self, version: Version, writer: &mut Writer<'_>) {
        match self {
            Frame::One(one) => one.write(version, writer),
            Frame::Run(run) => writer.share(run.bytes(version)),
        }
    }

    /// Appends it in the peer's protocol, copied whole.
    pub(crate) fn copy_to(&self, version: Version, out: &mut Vec<u8>) {
        match self {
            Frame::One(one) => one.copy_to(version, out),
            Frame::Run(run) => out.extend_from_slice(run.bytes(version)),
        }
    }
}

fn kind(version: Version) -> u8 {
    match version {
        Version::Resp2 => b'*',
        Version::Resp3 => b'>',
    }
}

/// Messages that follow each other, encoded together once for each protocol that one of the subscribers speaks.
pub(crate) struct Run<'a> {
    messages: &'a [Message],
    pattern: Option<&'a [u8]>,
    /// In RESP2, in RESP3.
    encoded: [OnceCell<Bytes>; 2],
}

impl Run<'_> {
    fn bytes(&self, version: Version) -> &Bytes {
        let slot = &self.encoded[usize::from(version == Version::Resp3)];
        slot.get_or_init(|| {
            let added = self.pattern.map_or(0, |glob| glob.len() + 32);
            let mut out =
                Vec::with_capacity(self.messages.iter().map(|message| message.frame().len() + added).sum());
            for message in self.messages {
                One::new(message, self.pattern).copy_to(version, &mut out);
            }
            out.into()
        })
    }
}

/// One message, in RESP2. RESP3 differs in the first byte only.
pub(crate) struct One<'a> {
    head: Cow<'a, [u8]>,
    /// What is too large to be copied behind the head, and what follows it.
    large: Option<(SharedBytes, &'static [u8])>,
}

impl<'a> One<'a> {
    fn new(message: &'a Message, pattern: Option<&[u8]>) -> Self {
        match pattern {
            None if message.frame().len() < SHARED_BYTES_MIN => {
                One { head: Cow::Borrowed(message.frame()), large: None }
            }
            None => {
                let (head, rest) = (Cow::Borrowed(&message.frame()[..1]), message.frame().slice(1..));
                One { head, large: Some((SharedBytes::new(rest), b"")) }
            }
            Some(glob) => One::of_pattern(message, glob),
        }
    }

    fn of_pattern(message: &Message, glob: &[u8]) -> Self {
        let (channel, payload) = (message.channel(), message.payload());
        let mut head = Vec::with_capacity(glob.len() + channel.len() + 100);
        let mut writer = ReplyWriter::new(&mut head, Version::Resp2);
        if payload.len() < SHARED_BYTES_MIN {
            writer.pattern_message(glob, channel, &payload);
            return One { head: Cow::Owned(head), large: None };
        }
        writer.push(4);
        writer.bulk("pmessage");
        writer.bulk(glob);
        writer.bulk(channel);
        head.push(b'$');
        head.extend_from_slice(itoa::Buffer::new().format(payload.len()).as_bytes());
        head.extend_from_slice(b"\r\n");
        One { head: Cow::Owned(head), large: Some((SharedBytes::new(payload), b"\r\n")) }
    }

    fn write(&self, version: Version, writer: &mut Writer<'_>) {
        writer.encode(|out| {
            out.push(kind(version));
            out.extend_from_slice(&self.head[1..]);
        });
        if let Some((shared, tail)) = &self.large {
            writer.share_with_many(shared);
            if !tail.is_empty() {
                writer.copy(tail);
            }
        }
    }

    fn copy_to(&self, version: Version, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.head);
        if let Some((shared, tail)) = &self.large {
            out.extend_from_slice(shared.bytes());
            out.extend_from_slice(tail);
        }
        out[start] = kind(version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_pattern_message_reads_like_a_copied_one() {
        for size in [10, SHARED_BYTES_MIN, SHARED_BYTES_MIN + 1] {
            let payload = vec![b'p'; size];
            let frame = One::of_pattern(&Message::new(b"chan", &payload), b"ch*");
            let mut copied = Vec::new();
            frame.copy_to(Version::Resp3, &mut copied);
            let mut expected = Vec::new();
            ReplyWriter::new(&mut expected, Version::Resp3).pattern_message("ch*", "chan", &payload);
            assert_eq!(copied, expected);
        }
    }

    #[test]
    fn a_run_reads_like_its_messages_one_by_one() {
        let messages: Vec<Message> = (0..5u8).map(|number| Message::new(b"chan", &[number; 9])).collect();
        for version in [Version::Resp2, Version::Resp3] {
            for pattern in [None, Some(&b"c*"[..])] {
                let (mut together, mut apart) = (Vec::new(), Vec::new());
                Frame::new(&messages, pattern).copy_to(version, &mut together);
                for message in &messages {
                    Frame::new(std::slice::from_ref(message), pattern).copy_to(version, &mut apart);
                }
                assert_eq!(together, apart);
            }
        }
    }
}
