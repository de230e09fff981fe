//! Whether a client's WebSocket stands between two messages: then nothing has to be kept of it.

/// The longest header of a frame: RFC 6455, section 5.2.
const HEADER_BYTES_MAX: usize = 14;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Frames of this kind or a higher one stand between those of a message.
const CONTROL: u8 = 8;

/// Follows the frames of a stream, cut anywhere, by their headers alone. It does not look for what is wrong with them: that is the
/// decoder's.
#[derive(Default)]
pub(crate) struct FrameEnd {
    /// The start of a header that was cut.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: u8,
    /// What is missing of the frame behind its header.
    missing: u64,
    /// More of the message is to come in another frame.
    is_open: bool,
}

impl FrameEnd {
    /// Goes on with `bytes`; whether a message ends there, and none has begun.
    pub(crate) fn is_at_end_of(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let here = bytes.len().min(usize::try_from(self.missing).unwrap_or(usize::MAX));
            self.missing -= here as u64;
            bytes = &bytes[here..];
            let Some((first, behind)) = bytes.split_first() else { break };
            bytes = behind;
            self.header[usize::from(self.header_bytes)] = *first;
            self.header_bytes += 1;
            if let Some(length) = length(&self.header[..usize::from(self.header_bytes)]) {
                if self.header[0] & 0x0f < CONTROL {
                    self.is_open = self.header[0] & FINAL == 0;
                }
                self.missing = length;
                self.header_bytes = 0;
            }
        }
        self.missing == 0 && self.header_bytes == 0 && !self.is_open
    }
}

/// How long the frame behind a header is; none if the header is not whole.
fn length(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & MASKED == 0 { 0 } else { 4 };
    let (length, end) = match second & !MASKED {
        126 => (u64::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(header.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    (header.len() == end + mask).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..=125 => frame.push(MASKED | length as u8),
            126..=0xffff => {
                frame.push(MASKED | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(MASKED | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.resize(frame.len() + length, 0xff);
        frame
    }

    #[test]
    fn a_message_ends_where_its_last_frame_does_however_it_is_cut() {
        let messages = [
            frame(0x81, 0),
            frame(0x82, 125),
            frame(0x81, 126),
            frame(0x81, 70_000),
            // In fragments, with a ping between.
            [frame(0x01, 3), frame(0x89, 5), frame(0x00, 300), frame(0x80, 1)].concat(),
            frame(0x8a, 0),
        ];
        for piece in [1, 2, 7, 100, 1000, usize::MAX] {
            let mut end = FrameEnd::default();
            for message in &messages {
                let mut pieces = message.chunks(piece.min(message.len())).peekable();
                while let Some(bytes) = pieces.next() {
                    let is_last = pieces.peek().is_none();
                    let at_end = end.is_at_end_of(bytes);
                    assert!(at_end || !is_last);
                }
            }
            assert!(end.is_at_end_of(&messages.concat()));
            assert!(!end.is_at_end_of(&messages[1][..piece.min(100)]));
        }
    }

    #[test]
    fn before_the_last_frame_of_a_message_it_has_not_ended() {
        let mut end = FrameEnd::default();
        assert!(!end.is_at_end_of(&frame(0x01, 3)));
        assert!(!end.is_at_end_of(&frame(0x89, 0)));
        assert!(end.is_at_end_of(&frame(0x80, 0)));
        assert!(!end.is_at_end_of(&[0x81]));
        assert!(!end.is_at_end_of(&[0x81]));
        assert!(!end.is_at_end_of(&[1, 2, 3, 4]));
        assert!(end.is_at_end_of(&[0]));
    }
}
