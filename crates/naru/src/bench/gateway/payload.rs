//! What a message carries: a JSON text, so that every dialect and encoding takes it as it is.

use anyhow::{Context as _, bail, ensure};

use crate::bench::frame::{Stamp, shown};

/// What begins a payload, and stands nowhere else in what servers send.
pub(super) const MARK: &[u8; 4] = b"\"~nb";

/// Bytes of a [`Stamp`], in hexadecimal digits.
const STAMP_BYTES: usize = 8 + 16 + 16;

/// A mark, a stamp, and the quote that ends it.
pub(super) const PAYLOAD_BYTES_MIN: usize = MARK.len() + STAMP_BYTES + 1;

/// Where the stamp ends.
pub(super) const HEAD_BYTES: usize = MARK.len() + STAMP_BYTES;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What each byte is worth as a digit; more than 15 if it is none.
const VALUES: [u8; 256] = {
    let (mut values, mut at) = ([u8::MAX; 256], 0);
    while at < DIGITS.len() {
        values[DIGITS[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// All payloads of a run, but for the stamps.
#[derive(Clone)]
pub(super) struct Payload {
    bytes: Vec<u8>,
}

impl Payload {
    pub(super) fn new(bytes: usize) -> Self {
        let mut payload = MARK.to_vec();
        payload.extend((MARK.len()..bytes - 1).map(|at| b'a' + (at % 26) as u8));
        payload.push(b'"');
        Payload { bytes: payload }
    }

    /// The payload with this stamp.
    pub(super) fn stamped(&mut self, stamp: Stamp) -> &[u8] {
        let (publisher, numbers) = self.bytes[MARK.len()..HEAD_BYTES].split_at_mut(8);
        let (sequence, sent_ns) = numbers.split_at_mut(16);
        write_hex(stamp.publisher.into(), publisher);
        write_hex(stamp.sequence, sequence);
        write_hex(stamp.sent_ns, sent_ns);
        &self.bytes
    }

    /// Reads a payload back, of which every byte must be what it was.
    pub(super) fn read(&self, payload: &[u8]) -> anyhow::Result<Stamp> {
        let stamp = payload.get(..HEAD_BYTES).and_then(|head| read_stamp(head.strip_prefix(MARK)?));
        let stamp = stamp.with_context(|| format!("a payload was altered: {}", shown(payload)))?;
        ensure!(
            payload[HEAD_BYTES..] == self.bytes[HEAD_BYTES..],
            "a payload was altered: {}",
            shown(payload)
        );
        Ok(stamp)
    }
}

/// Reads a stamp from the bytes behind a mark.
pub(super) fn read_stamp(bytes: &[u8]) -> Option<Stamp> {
    let (publisher, numbers) = bytes.get(..STAMP_BYTES)?.split_at(8);
    let (sequence, sent_ns) = numbers.split_at(16);
    Some(Stamp {
        publisher: read_hex(publisher)? as u32,
        sequence: read_hex(sequence)?,
        sent_ns: read_hex(sent_ns)?,
    })
}

fn write_hex(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number & 15) as usize];
        number >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    let (mut number, mut seen) = (0, 0);
    for digit in digits {
        let value = VALUES[usize::from(*digit)];
        seen |= value;
        number = number << 4 | u64::from(value & 15);
    }
    (seen < 16).then_some(number)
}

/// The number that is due next from each publisher: everything arrives once, in order, with no gap.
pub(super) struct Order(Box<[u64]>);

impl Order {
    pub(super) fn new(publishers: u32) -> Self {
        Order(vec![0; publishers as usize].into())
    }

    pub(super) fn check(&mut self, stamp: Stamp) -> anyhow::Result<()> {
        let Stamp { publisher, sequence, .. } = stamp;
        let Some(due) = self.0.get_mut(publisher as usize) else {
            bail!("a stranger: a message of publisher {publisher}, which does not exist");
        };
        if sequence != *due {
            let what = if sequence > *due { "lost or out of order" } else { "repeated or out of order" };
            bail!("{what}: message {sequence} of publisher {publisher} came when {due} was due");
        }
        *due += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { publisher: 7, sequence: 0x1234_5678_9abc, sent_ns: u64::MAX - 5 };

    #[test]
    fn a_payload_is_json_of_the_size_asked_for_and_reads_back() {
        for bytes in [PAYLOAD_BYTES_MIN, 64, 1000] {
            let mut payload = Payload::new(bytes);
            let written = payload.stamped(STAMP).to_vec();
            assert_eq!(written.len(), bytes);
            serde_json::from_slice::<String>(&written).unwrap();
            assert_eq!(payload.read(&written).unwrap(), STAMP);
        }
    }

    #[test]
    fn a_wrong_byte_anywhere_but_in_the_stamp_is_an_error() {
        let mut payload = Payload::new(64);
        let written = payload.stamped(STAMP).to_vec();
        for at in (0..MARK.len()).chain(HEAD_BYTES..64) {
            let mut wrong = written.clone();
            wrong[at] ^= 1;
            payload.read(&wrong).unwrap_err();
        }
        payload.read(&written[..63]).unwrap_err();
        payload.read(&[&written[..], b"x"].concat()).unwrap_err();
    }

    #[test]
    fn a_gap_a_repeat_and_a_stranger_are_errors() {
        let check = |messages: &[(u32, u64)]| {
            let mut order = Order::new(2);
            messages
                .iter()
                .try_for_each(|&(publisher, sequence)| order.check(Stamp { publisher, sequence, sent_ns: 0 }))
        };
        check(&[(0, 0), (1, 0), (1, 1), (0, 1)]).unwrap();
        for wrong in
            [&[(0, 1)][..], &[(0, 0), (0, 2)], &[(0, 0), (0, 0)], &[(1, 0), (1, 1), (1, 0)], &[(2, 0)]]
        {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }
}
