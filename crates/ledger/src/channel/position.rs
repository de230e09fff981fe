//! Where something stands in a channel, and how that travels with what is published.

use crate::Epoch;

/// A place in what was published on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPosition {
    /// That of the publication; 0 before the first.
    pub offset: u64,
    /// Offsets of another one mean nothing in this one.
    pub epoch: Epoch,
}

/// What stands in front of a message with a position.
const MARK: &[u8] = b"naru:";

/// What subscribers hear: `naru:<offset>:<epoch>`, a line feed, and the payload as it was given.
pub fn positioned(position: &StreamPosition, payload: &[u8]) -> Vec<u8> {
    let StreamPosition { offset, epoch } = position;
    let mut message = format!("naru:{offset}:{epoch}\n").into_bytes();
    message.extend_from_slice(payload);
    message
}

/// The position of a message, and where its payload begins. None: it has none, and is all payload. A payload that somebody
/// published as it is and that looks like one cannot be told from one; who may publish on a channel is believed.
pub fn split_position(message: &[u8]) -> Option<(StreamPosition, usize)> {
    /// Of the longest line there can be.
    const LINE_BYTES_MAX: usize = 5 + 20 + 1 + crate::limits::EPOCH_BYTES_MAX + 1;

    if !message.starts_with(MARK) {
        return None;
    }
    let head = &message[..message.len().min(LINE_BYTES_MAX)];
    let end = head.iter().position(|byte| *byte == b'\n')?;
    let line = str::from_utf8(&head[MARK.len()..end]).ok()?;
    let (offset, epoch) = line.split_once(':')?;
    let is_plain = offset.bytes().all(|byte| byte.is_ascii_digit()) && !offset.starts_with('0');
    let offset = is_plain.then(|| offset.parse().ok()).flatten()?;
    let epoch = Epoch::parse(epoch).ok()?;
    Some((StreamPosition { offset, epoch }, end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(offset: u64, epoch: &str) -> StreamPosition {
        StreamPosition { offset, epoch: Epoch::parse(epoch).unwrap() }
    }

    #[test]
    fn what_is_no_position_is_all_payload() {
        for message in [
            "",
            "naru:",
            "naru:1:e",
            "naru:0:e\n",
            "naru:01:e\n",
            "naru:+1:e\n",
            "naru:1:\n",
            "naru:1\n",
            "naru:18446744073709551616:e\n",
            "{\"naru\":{}}",
            "Naru:1:e\n",
            " naru:1:e\n",
        ] {
            assert_eq!(split_position(message.as_bytes()), None, "{message:?}");
        }
        assert_eq!(split_position(&[b"naru:1:".as_slice(), &[b'e'; 33], b"\n"].concat()), None);
    }

    #[test]
    fn a_position_may_be_as_long_as_it_can_be_and_the_payload_empty() {
        let position = at(u64::MAX, &"e".repeat(32));
        let message = positioned(&position, b"");
        assert_eq!(split_position(&message), Some((position, message.len())));
    }

    proptest! {
        #[test]
        fn a_position_is_read_as_it_was_written_in_front_of_any_payload(
            offset in 1..=u64::MAX, epoch in "[a-z0-9:]{1,32}", payload in any::<Vec<u8>>(),
        ) {
            let position = at(offset, &epoch);
            let message = positioned(&position, &payload);
            let (read, begin) = split_position(&message).unwrap();
            prop_assert_eq!(read, position);
            prop_assert_eq!(&message[begin..], &payload[..]);
        }

        #[test]
        fn no_bytes_are_too_strange(message in any::<Vec<u8>>(), begins in any::<bool>()) {
            let message = if begins { [MARK, &message].concat() } else { message };
            if let Some((position, begin)) = split_position(&message) {
                prop_assert_eq!(positioned(&position, &message[begin..]), message);
            }
        }
    }
}
