//! What holds for a client's parser.

use naru_measured::peak_bytes;
use naru_resp::{MalformedReply, ReplyLimits, ReplyParser, Value};

use super::cuts;

/// A value takes more room in memory than its three bytes on the wire: this much for each of them, with what vectors
/// keep in reserve.
const BYTES_FOR_ONE: usize = 40;

/// Checks them all. The first byte chooses the limits and how the others are cut.
pub(crate) fn hold(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    for limits in [ReplyLimits::default(), tiny(choice)] {
        let whole = read(bytes, limits, [bytes.len()]);
        same(&read(bytes, limits, cuts(bytes, 0)), &whole);
        same(&read(bytes, limits, cuts(bytes, choice)), &whole);
        drop(whole);
        let (read, peak) = peak_bytes(|| read(bytes, limits, [bytes.len()]));
        assert!(
            peak <= BYTES_FOR_ONE * bytes.len() + 64 * 1024,
            "{peak} bytes of memory for {} received and {} values",
            bytes.len(),
            read.0.len()
        );
    }
}

/// Limits that a few bytes reach.
fn tiny(choice: u8) -> ReplyLimits {
    let choice = usize::from(choice);
    ReplyLimits {
        bulk_bytes_max: choice % 16,
        elements_max: choice % 5,
        line_bytes_max: 4 + choice % 32,
        depth_max: choice % 4,
    }
}

type Read = (Vec<Value>, Option<MalformedReply>);

/// Doubles may be NaN, which equals nothing: what is shown is compared.
fn same(one: &Read, other: &Read) {
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

/// What was read up to the end or to an error.
pub(crate) fn read(bytes: &[u8], limits: ReplyLimits, ends: impl IntoIterator<Item = usize>) -> Read {
    let mut parser = ReplyParser::new(limits);
    let (mut at, mut values) = (0, Vec::new());
    for end in ends {
        loop {
            match parser.next(&bytes[at..end]) {
                Ok(None) => break,
                Ok(Some((value, consumed))) => {
                    assert!((1..=end - at).contains(&consumed), "{consumed} of {} bytes", end - at);
                    values.push(value);
                    at += consumed;
                }
                Err(malformed) => return (values, Some(malformed)),
            }
        }
    }
    (values, None)
}
