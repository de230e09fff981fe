use bytes::Bytes;
use naru_ledger::channel::{Answer, Published, StreamPosition, positioned};
use naru_resp::ReplyWriter;

use crate::{command::write_channel_answer, message::Message};

/// What is published once it counts, and then answered with how many heard it.
pub(crate) struct Publication {
    channel: Bytes,
    payload: Bytes,
    position: Option<StreamPosition>,
}

impl Publication {
    pub(crate) fn new(channel: &str, payload: Bytes, position: Option<StreamPosition>) -> Publication {
        Publication { channel: Bytes::copy_from_slice(channel.as_bytes()), payload, position }
    }

    pub(crate) fn channel(&self) -> &Bytes {
        &self.channel
    }

    /// What subscribers hear.
    pub(crate) fn message(&self) -> Message {
        match &self.position {
            Some(position) => Message::new(&self.channel, &positioned(position, &self.payload)),
            None => Message::new(&self.channel, &self.payload),
        }
    }

    /// The answer, once it is known how many heard it.
    pub(crate) fn write_answer(self, receivers: usize, writer: &mut ReplyWriter<'_, Vec<u8>>) {
        let published = Published { receivers: receivers as u64, position: self.position, repeat: false };
        write_channel_answer(&Answer::Published(published), writer);
    }
}
