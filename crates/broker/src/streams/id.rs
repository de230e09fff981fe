use naru_resp::parse_integer;
use serde::{Deserialize, Serialize};

use crate::c_string::{c_string, is_c_space};

/// An entry's id: milliseconds, and a number within them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct StreamId {
    pub(crate) millis: u64,
    pub(crate) sequence: u64,
}

/// Redis's text for an id that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("ERR Invalid stream ID specified as stream command argument")]
pub(crate) struct InvalidId;

impl StreamId {
    pub(crate) const MIN: StreamId = StreamId { millis: 0, sequence: 0 };
    pub(crate) const MAX: StreamId = StreamId { millis: u64::MAX, sequence: u64::MAX };

    /// Reads `millis-sequence` or `millis`, which then stands for the sequence given.
    pub(crate) fn parse(text: &[u8], missing_sequence: u64) -> Result<StreamId, InvalidId> {
        let (millis, sequence) = parts(text)?;
        let sequence = sequence.map_or(Some(missing_sequence), number).ok_or(InvalidId)?;
        Ok(StreamId { millis, sequence })
    }

    /// As it is written, without taking memory.
    pub(crate) fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; ID_BYTES_MAX], len: 0 };
        text.push(itoa::Buffer::new().format(self.millis).as_bytes());
        text.push(b"-");
        text.push(itoa::Buffer::new().format(self.sequence).as_bytes());
        text
    }

    /// The id right after this one; none after the last.
    pub(crate) fn next(self) -> Option<StreamId> {
        match self.sequence.checked_add(1) {
            Some(sequence) => Some(StreamId { sequence, ..self }),
            None => Some(StreamId { millis: self.millis.checked_add(1)?, sequence: 0 }),
        }
    }

    /// The id right before this one; none before the first.
    pub(crate) fn previous(self) -> Option<StreamId> {
        match self.sequence.checked_sub(1) {
            Some(sequence) => Some(StreamId { sequence, ..self }),
            None => Some(StreamId { millis: self.millis.checked_sub(1)?, sequence: u64::MAX }),
        }
    }
}

/// Two numbers of 64 bits and what is between them.
const ID_BYTES_MAX: usize = 20 + 1 + 20;

/// An id as it is written.
pub(crate) struct IdText {
    bytes: [u8; ID_BYTES_MAX],
    len: usize,
}

impl IdText {
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

impl AsRef<[u8]> for IdText {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// How many bytes Redis takes of an id.
const READ_BYTES_MAX: usize = 127;

/// The milliseconds, and what stands behind the first `-`.
fn parts(text: &[u8]) -> Result<(u64, Option<&[u8]>), InvalidId> {
    if text.len() > READ_BYTES_MAX {
        return Err(InvalidId);
    }
    let mut parts = c_string(text).splitn(2, |byte| *byte == b'-');
    let millis = parts.next().and_then(number).ok_or(InvalidId)?;
    Ok((millis, parts.next()))
}

/// A number as Redis writes it, or else as `strtoull` reads it: behind white space and a sign, of which a minus counts down
/// from 2^64.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_integer(text) {
        return u64::try_from(number).ok();
    }
    let start = text.iter().position(|byte| !is_c_space(*byte))?;
    let (is_negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if is_negative { number.wrapping_neg() } else { number })
}

/// The id that XADD asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdRequest {
    /// `*`
    Auto,
    /// `millis-*`
    AutoSequence(u64),
    /// The id itself.
    Exactly(StreamId),
}

impl IdRequest {
    pub(crate) fn parse(text: &[u8]) -> Result<IdRequest, InvalidId> {
        if text == b"*" {
            return Ok(IdRequest::Auto);
        }
        match parts(text)? {
            (millis, Some(b"*")) => Ok(IdRequest::AutoSequence(millis)),
            _ => StreamId::parse(text, 0).map(IdRequest::Exactly),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_parse_as_in_redis() {
        let id = |millis, sequence| Ok(StreamId { millis, sequence });
        assert_eq!(StreamId::parse(b"5", 0), id(5, 0));
        assert_eq!(StreamId::parse(b"5", u64::MAX), id(5, u64::MAX));
        assert_eq!(StreamId::parse(b"5-7", 0), id(5, 7));
        assert_eq!(StreamId::parse(b"18446744073709551615-18446744073709551615", 0), Ok(StreamId::MAX));
        for bad in
            ["", "-", "-1", "1-", "a", "1-a", "1-2-3", "18446744073709551616", "1 ", " ", "+", "++1", "5--3"]
        {
            assert_eq!(StreamId::parse(bad.as_bytes(), 0), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn ids_parse_as_strtoull_has_them() {
        let id = |millis, sequence| Ok(StreamId { millis, sequence });
        assert_eq!(StreamId::parse(b"+5", 0), id(5, 0));
        assert_eq!(StreamId::parse(b" 6-+1", 0), id(6, 1));
        assert_eq!(StreamId::parse(b"7-\t\x0b2", 0), id(7, 2));
        assert_eq!(StreamId::parse(b"01-01", 0), id(1, 1));
        assert_eq!(StreamId::parse(b"5- -3", 0), id(5, u64::MAX - 2));
        assert_eq!(StreamId::parse(b"5-1\0-x", 0), id(5, 1));
        assert_eq!(StreamId::parse(&[&[b'0'; 126][..], b"1"].concat(), 0), id(1, 0));
        assert_eq!(StreamId::parse(&[&[b'0'; 127][..], b"1"].concat(), 0), Err(InvalidId));
        assert_eq!(IdRequest::parse(b" +5-*"), Ok(IdRequest::AutoSequence(5)));
        assert_eq!(IdRequest::parse(b"-0-*"), Err(InvalidId));
    }

    #[test]
    fn an_id_is_written_as_it_is_read() {
        for id in [StreamId::MIN, StreamId::MAX, StreamId { millis: 17, sequence: 5 }] {
            assert_eq!(StreamId::parse(id.text().as_ref(), 1), Ok(id));
        }
        assert_eq!(StreamId::MAX.text().as_ref(), b"18446744073709551615-18446744073709551615");
    }

    #[test]
    fn the_neighbours_of_an_id_carry_over() {
        let edge = StreamId { millis: 4, sequence: u64::MAX };
        assert_eq!(edge.next(), Some(StreamId { millis: 5, sequence: 0 }));
        assert_eq!(edge.next().and_then(StreamId::previous), Some(edge));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
    }
}
