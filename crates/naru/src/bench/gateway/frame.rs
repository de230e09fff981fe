//! WebSocket frames (RFC 6455, section 5.2) as a client writes and reads them, without a buffer for each message.

use anyhow::{bail, ensure};

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// What a client sends is masked. Nobody stands between us and the server who could be confused by what it looks like,
/// so one mask does for all frames.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// No server here has a longer message.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Appends a whole message.
pub(super) fn write(opcode: u8, message: &[u8], out: &mut Vec<u8>) {
    out.push(FINAL | opcode);
    match message.len() {
        length @ 0..=125 => out.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let start = out.len();
    out.extend_from_slice(message);
    for chunk in out[start..].chunks_mut(MASK.len()) {
        chunk.iter_mut().zip(MASK).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// What a server sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent<'a> {
    Message(&'a [u8]),
    /// To be answered with [`pong`].
    Ping(&'a [u8]),
}

/// Appends the answer to a ping of the WebSocket's own.
pub(super) fn pong(body: &[u8], out: &mut Vec<u8>) {
    write(PONG, body, out);
}

/// Reads a server's frames, cut anywhere.
#[derive(Default)]
pub(super) struct Frames {
    /// The start of a frame that was cut.
    cut: Vec<u8>,
}

impl Frames {
    /// Calls `each` for everything that `input` completes.
    pub(super) fn read(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(Sent<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while !self.cut.is_empty() {
            match parse(&self.cut)? {
                Parsed::Whole { opcode, body, .. } => {
                    hear(opcode, body, &mut each)?;
                    self.cut.clear();
                }
                Parsed::Needs(_) if input.is_empty() => return Ok(()),
                Parsed::Needs(bytes) => {
                    let (here, behind) = input.split_at(input.len().min(bytes - self.cut.len()));
                    self.cut.extend_from_slice(here);
                    input = behind;
                }
            }
        }
        while !input.is_empty() {
            match parse(input)? {
                Parsed::Whole { opcode, body, taken } => {
                    hear(opcode, body, &mut each)?;
                    input = &input[taken..];
                }
                Parsed::Needs(_) => {
                    self.cut.extend_from_slice(input);
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

enum Parsed<'a> {
    Whole {
        opcode: u8,
        body: &'a [u8],
        taken: usize,
    },
    /// So many bytes in all, as far as can be told.
    Needs(usize),
}

fn parse(bytes: &[u8]) -> anyhow::Result<Parsed<'_>> {
    let &[first, second, ..] = bytes else { return Ok(Parsed::Needs(2)) };
    ensure!(first & FINAL != 0, "the server sent a message in fragments");
    ensure!(first & 0x70 == 0, "the server sent a frame of an extension that nobody asked for");
    ensure!(second & MASKED == 0, "the server sent a frame with a mask");
    let (length, head) = match second {
        126 => match bytes.get(2..4) {
            Some(length) => (usize::from(u16::from_be_bytes(length.try_into()?)), 4),
            None => return Ok(Parsed::Needs(4)),
        },
        127 => match bytes.get(2..10) {
            Some(length) => (usize::try_from(u64::from_be_bytes(length.try_into()?))?, 10),
            None => return Ok(Parsed::Needs(10)),
        },
        length => (usize::from(length), 2),
    };
    ensure!(length <= MESSAGE_BYTES_MAX, "the server sent a message of {length} bytes");
    let taken = head + length;
    match bytes.get(head..taken) {
        Some(body) => Ok(Parsed::Whole { opcode: first & 0x0f, body, taken }),
        None => Ok(Parsed::Needs(taken)),
    }
}

fn hear(
    opcode: u8,
    body: &[u8],
    each: &mut impl FnMut(Sent<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match opcode {
        TEXT | BINARY => each(Sent::Message(body)),
        PING => each(Sent::Ping(body)),
        PONG => Ok(()),
        CLOSE => match body.split_first_chunk() {
            Some((code, reason)) => bail!(
                "the server closed the connection: {} {}",
                u16::from_be_bytes(*code),
                String::from_utf8_lossy(reason)
            ),
            None => bail!("the server closed the connection"),
        },
        _ => bail!("the server sent a frame of a kind that there is not: {opcode}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::{
        Message,
        protocol::{Role, WebSocket},
    };

    use super::*;

    /// A frame of the server's side.
    fn sent(opcode: u8, body: &[u8]) -> Vec<u8> {
        let mut socket = WebSocket::from_raw_socket(std::io::Cursor::new(Vec::new()), Role::Server, None);
        let message = match opcode {
            TEXT => Message::text(String::from_utf8(body.to_vec()).unwrap()),
            PING => Message::Ping(body.to_vec().into()),
            _ => Message::binary(body.to_vec()),
        };
        socket.send(message).unwrap();
        socket.get_ref().get_ref().clone()
    }

    #[test]
    fn a_server_reads_what_is_written() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let message = "x".repeat(length);
            let mut bytes = Vec::new();
            write(TEXT, message.as_bytes(), &mut bytes);
            let mut server = WebSocket::from_raw_socket(std::io::Cursor::new(bytes), Role::Server, None);
            assert_eq!(server.read().unwrap(), Message::text(message));
        }
    }

    #[test]
    fn frames_cut_anywhere_read_the_same() {
        let long = "y".repeat(70_000);
        let texts = ["", "a", &"b".repeat(126), &long, "c"];
        let mut bytes: Vec<_> = texts.iter().flat_map(|text| sent(TEXT, text.as_bytes())).collect();
        bytes.extend(sent(PING, b"p"));
        for piece in [1, 2, 3, 7, 125, 1000, bytes.len()] {
            let (mut frames, mut read, mut pings) = (Frames::default(), Vec::new(), 0);
            for part in bytes.chunks(piece) {
                let each = |sent: Sent<'_>| {
                    match sent {
                        Sent::Message(message) => read.push(String::from_utf8(message.to_vec())?),
                        Sent::Ping(_) => pings += 1,
                    }
                    Ok(())
                };
                frames.read(part, each).unwrap();
            }
            assert_eq!(read, texts);
            assert_eq!(pings, 1);
        }
    }

    #[test]
    fn what_no_server_may_send_is_an_error_and_a_close_says_why() {
        let error = |bytes: &[u8]| format!("{:#}", Frames::default().read(bytes, |_| Ok(())).unwrap_err());
        assert!(error(&[0x01, 1, b'a']).contains("fragments"));
        assert!(error(&[0xc1, 1, b'a']).contains("extension"));
        assert!(error(&[0x81, 0x81, 0, 0, 0, 0, b'a']).contains("mask"));
        assert!(error(&[0x83, 0]).contains("a kind that there is not"));
        assert!(error(b"\x88\x06\x0b\xc0slow").contains("3008 slow"));
    }
}
