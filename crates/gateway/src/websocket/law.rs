//! What must hold for whatever a client's WebSocket brings: run by tests on made-up bytes and on the seeds, in `fuzz/` on what
//! libFuzzer finds.

use std::io::{self, Read, Write};

use tungstenite::{Error, Message, protocol::WebSocketContext};

use super::{decoder, ending};
use crate::{frame_end::FrameEnd, limits::MESSAGE_BYTES_MAX};

/// Reads bytes as what comes behind a handshake, cut as the first of them says: that ends, and a decoder that is given up between
/// messages, as a silent client's is, makes of it what one does that is kept; whatever is answered by itself included.
///
/// # Panics
///
/// If the law does not hold.
#[cfg_attr(not(feature = "laws"), expect(unreachable_pub, reason = "public for the fuzzer"))]
pub fn hold_frames(data: &[u8]) {
    let Some((cut, frames)) = data.split_first() else { return };
    let kept = decoded(frames, usize::from(*cut) + 1, false);
    assert_eq!(decoded(frames, usize::from(*cut) + 1, true), kept);
    // How it was cut is nothing a client is told.
    assert_eq!(decoded(frames, usize::MAX, true), kept);
    assert!(kept.messages.iter().map(Message::len).sum::<usize>() <= data.len(), "nothing is inflated");
}

#[derive(Debug, Default, PartialEq)]
struct Decoded {
    messages: Vec<Message>,
    /// How the connection ended, in words.
    ended: Option<String>,
    written: Vec<u8>,
}

/// As a session's WebSocket does it.
fn decoded(frames: &[u8], piece: usize, is_given_up: bool) -> Decoded {
    let mut decoded = Decoded::default();
    let (mut context, mut frame_end): (Option<Box<WebSocketContext>>, _) = (None, FrameEnd::default());
    for bytes in frames.chunks(piece.min(frames.len()).max(1)) {
        let is_between_messages = frame_end.is_at_end_of(bytes);
        let mut pipe = Pipe { read: bytes, written: &mut decoded.written };
        let decoder = context.get_or_insert_with(|| decoder(MESSAGE_BYTES_MAX));
        loop {
            match decoder.read(&mut pipe) {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => decoded.messages.push(message),
                Ok(Message::Close(_)) => {
                    decoder
                        .flush(&mut pipe)
                        .unwrap_or_else(|error| assert!(matches!(error, Error::ConnectionClosed)));
                    decoded.ended = Some("closed by the client".to_owned());
                    return decoded;
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    decoded.ended = Some(format!("{:?}", ending(&error)));
                    return decoded;
                }
            }
        }
        if is_between_messages && is_given_up {
            context = None;
        }
    }
    decoded
}

struct Pipe<'a> {
    read: &'a [u8],
    written: &'a mut Vec<u8>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.read.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.read.read(into) }
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_law_holds_for_the_fuzzers_seeds() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/frames");
        let seeds: Vec<_> = fs::read_dir(seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            hold_frames(&fs::read(seed).unwrap());
        }
    }

    /// A frame that is mostly one.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![8 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a]),
            1 => prop::sample::select(vec![0x88, 0xc1, 0x83, 0x09]), 1 => any::<u8>()];
        let payload = prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..40), 4 => "[a-z가-힣]{0,40}".prop_map(String::into_bytes),
            1 => prop::collection::vec(Just(b'x'), 120..400)];
        (first, payload, any::<[u8; 4]>(), 0..40_u8).prop_map(|(first, payload, mask, odd)| {
            let length = payload.len();
            let mut frame = vec![first];
            match length {
                // Longer forms than are needed, and one without a mask, are met now and then.
                0..126 if odd > 1 => frame.push(0x80 | length as u8),
                0..0x1_0000 if odd > 0 => {
                    frame.push(0x80 | 126);
                    frame.extend((length as u16).to_be_bytes());
                }
                _ => {
                    frame.push(0x80 | 127);
                    frame.extend((length as u64).to_be_bytes());
                }
            }
            if odd == 2 {
                frame[1] &= 0x7f;
            } else {
                frame.extend(mask);
            }
            frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
            frame
        })
    }

    proptest! {
        #[test]
        fn the_law_holds_for_made_up_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
            hold_frames(&data);
        }

        #[test]
        fn the_law_holds_for_made_up_frames(cut in any::<u8>(), frames in prop::collection::vec(frame(), 0..8), end in 0..5_usize) {
            let mut data: Vec<u8> = [cut].into_iter().chain(frames.concat()).collect();
            data.truncate(data.len().saturating_sub(end).max(1));
            hold_frames(&data);
        }
    }
}
