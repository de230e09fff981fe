//! A finished WebSocket frame of the server's side (RFC 6455, section 5.2): one text message, not masked.

use bytes::Bytes;
use serde::Serialize;

/// The longest header of a frame that is not masked.
const HEADER_BYTES_MAX: usize = 10;

const FINAL_TEXT: u8 = 0x81;

/// The protocol's ping, `{}`.
pub(crate) const PING: Bytes = Bytes::from_static(&[FINAL_TEXT, 2, b'{', b'}']);

/// Encodes a message and puts it into a frame.
pub(crate) fn text(message: &impl Serialize) -> Bytes {
    let mut frame = vec![0; HEADER_BYTES_MAX];
    serde_json::to_writer(&mut frame, message).expect("our messages have text keys and no failing parts");
    let payload_bytes = frame.len() - HEADER_BYTES_MAX;
    let start = HEADER_BYTES_MAX - header_bytes(payload_bytes);
    let header = &mut frame[start..HEADER_BYTES_MAX];
    header[0] = FINAL_TEXT;
    match header.len() {
        2 => header[1] = payload_bytes as u8,
        4 => {
            header[1] = 126;
            header[2..].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
    Bytes::from(frame).slice(start..)
}

fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => HEADER_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tungstenite::protocol::{Message, Role, WebSocket};

    use super::*;

    #[test]
    fn frames_of_every_length_are_read_by_a_client() {
        for length in [0, 1, 123, 124, 125, 126, 65_533, 65_534, 70_000] {
            let message = "x".repeat(length);
            let mut client =
                WebSocket::from_raw_socket(Cursor::new(text(&message).to_vec()), Role::Client, None);
            assert_eq!(client.read().unwrap(), Message::text(format!("\"{message}\"")), "{length}");
        }
        let mut client = WebSocket::from_raw_socket(Cursor::new(PING.to_vec()), Role::Client, None);
        assert_eq!(client.read().unwrap(), Message::text("{}"));
    }
}
