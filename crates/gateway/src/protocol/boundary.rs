//! Where a frame ends among others: for who drops those behind one that has left in part.

use memchr::memmem;
use prost::{decode_length_delimiter, length_delimiter_len};

use super::flavour::{CHUNK_END, Flavour};

/// What an answer of HTTP begins with, and what ends its head.
const HEAD_BEGIN: &[u8] = b"HTTP/";
const HEAD_END: &[u8] = b"\r\n\r\n";

impl Flavour {
    /// Where the frame ends of which `at` is in the midst; `at` itself between two. `frames` begins with one, or with the head of
    /// the answer that they are in: that is never between two, since no frame is understood without it.
    pub(crate) fn end_of_frame_at(self, frames: &[u8], at: usize, is_bare: bool) -> Option<usize> {
        let mut end = 0;
        while end < at || end == 0 && frames.starts_with(HEAD_BEGIN) {
            end += self.first_frame_bytes(frames.get(end..)?, is_bare)?;
        }
        Some(end)
    }

    fn first_frame_bytes(self, frames: &[u8], is_bare: bool) -> Option<usize> {
        let through = |end: &[u8]| Some(memmem::find(frames, end)? + end.len());
        if frames.starts_with(HEAD_BEGIN) {
            return through(HEAD_END);
        }
        match self {
            Flavour::WebSocketJson | Flavour::WebSocketProtobuf => websocket_bytes(frames),
            Flavour::StreamJson | Flavour::StreamProtobuf | Flavour::Events if !is_bare => {
                chunk_bytes(frames)
            }
            Flavour::StreamJson => through(b"\n"),
            Flavour::StreamProtobuf => {
                let held = decode_length_delimiter(frames).ok()?;
                held.checked_add(length_delimiter_len(held))
            }
            Flavour::Events => through(b"\n\n"),
        }
    }
}

/// How long the frame is that stands first, of those that [`Flavour::frame`] makes.
fn websocket_bytes(frames: &[u8]) -> Option<usize> {
    match *frames.get(1)? {
        126 => Some(4 + usize::from(u16::from_be_bytes(frames.get(2..4)?.try_into().ok()?))),
        127 => usize::try_from(u64::from_be_bytes(frames.get(2..10)?.try_into().ok()?)).ok()?.checked_add(10),
        short => Some(2 + usize::from(short)),
    }
}

/// How long the chunk is that stands first, of those that [`Flavour::frame`] makes.
fn chunk_bytes(frames: &[u8]) -> Option<usize> {
    let digits = memmem::find(frames, CHUNK_END)?;
    let held = usize::from_str_radix(str::from_utf8(&frames[..digits]).ok()?, 16).ok()?;
    held.checked_add(digits + 2 * CHUNK_END.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::{
        flavour::bare,
        reply::{Outcome, Reply, RpcResult},
    };

    #[test]
    fn a_frame_that_was_cut_ends_where_the_next_begins() {
        let data = |length| Bytes::from(format!("\"{}\"", "x".repeat(length)));
        let replies: Vec<Reply> = [0, 90, 120, 300, 70_000]
            .into_iter()
            .map(|length| Reply::to(1, Outcome::Rpc(RpcResult { data: data(length) })))
            .collect();
        for (flavour, is_bare) in
            Flavour::ALL.into_iter().flat_map(|flavour| [(flavour, false), (flavour, true)])
        {
            let is_websocket = matches!(flavour, Flavour::WebSocketJson | Flavour::WebSocketProtobuf);
            if is_bare && is_websocket {
                continue;
            }
            let head: &[u8] = if is_websocket { b"" } else { b"HTTP/1.1 200 OK\r\na: b\r\n\r\n" };
            let (mut frames, mut ends) = (head.to_vec(), vec![head.len()]);
            for reply in &replies {
                let frame = flavour.frame(reply);
                frames.extend_from_slice(&if is_bare { bare(&frame) } else { frame });
                ends.push(frames.len());
            }
            for at in (0..400).chain(frames.len() - 10..=frames.len()) {
                let end = ends.iter().copied().find(|end| *end >= at);
                assert_eq!(flavour.end_of_frame_at(&frames, at, is_bare), end, "{flavour:?} {is_bare} {at}");
            }
        }
    }

    #[test]
    fn what_begins_with_no_frame_ends_nowhere() {
        for flavour in [Flavour::StreamJson, Flavour::StreamProtobuf, Flavour::Events] {
            assert_eq!(flavour.end_of_frame_at(b"xyz\r\n{}", 1, false), None);
            assert_eq!(flavour.end_of_frame_at(b"ffffffffffffffff\r\n{}", 1, false), None);
            assert_eq!(flavour.end_of_frame_at(b"\xff", 1, true), None, "{flavour:?}");
        }
        assert_eq!(Flavour::WebSocketJson.end_of_frame_at(b"\x81", 1, false), None);
        assert_eq!(Flavour::WebSocketJson.end_of_frame_at(b"\x81\x00", 3, false), None);
    }
}
