//! Records of a frame that is damaged. Each has a checksum of its own; which number it has follows from where the whole
//! ones begin and end.

use std::collections::HashMap;

use super::checksums::Checksums;
use crate::frame::{Kind, RECORD_EXTRA_BYTES, RECORD_HEAD_BYTES, is_record_check, record_head, split_record};
use crate::lsn::Lsn;

/// A record that stands in a damaged frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loose<'a> {
    pub(super) lsn: Lsn,
    /// None if it is not as it was appended.
    pub(super) kind: Option<Kind>,
    pub(super) body: &'a [u8],
    /// Where the body begins among the bytes.
    pub(super) at: usize,
}

/// The records in these bytes that can be told, in order. The first is `first`; `count` is how many they are if the last
/// one ends where the bytes do.
pub(super) fn records(bytes: &[u8], first: Lsn, count: Option<u64>) -> Vec<Loose<'_>> {
    let Some(count) = count else { return whole_from(bytes, 0, first) };
    if let Some(records) = by_their_lengths(bytes, first, count) {
        return records;
    }
    let mut records = whole_from(bytes, 0, first);
    let from = records.last().map_or(0, |last| last.at + last.body.len() + 4);
    let missing = count.saturating_sub(records.len() as u64);
    if let Some((start, found)) = up_to_the_end(&Checksums::of(bytes), from + 1, missing) {
        records.extend(whole_from(bytes, start, first.plus(count - found)));
    }
    records
}

/// The first place from `from` on where whole records begin, fewer than `missing`, that follow each other to the end of
/// the bytes; and how many they are.
fn up_to_the_end(bytes: &Checksums<'_>, from: usize, missing: u64) -> Option<(usize, u64)> {
    let end = bytes.bytes.len();
    // Places that whole records lead from to the end, and how many. From the back, so that none is looked at twice, and
    // only what ends at one of these is checked at all.
    let mut leading = HashMap::from([(end, 0)]);
    let mut found = None;
    for start in (from..end).rev() {
        let Some((_, covered)) = record_head(&bytes.bytes[start..]) else { continue };
        let check = start + covered;
        let Some(&behind) = leading.get(&(check + 4)) else { continue };
        if is_record_check(&bytes.bytes[check..check + 4], bytes.crc(start..check)) {
            leading.insert(start, behind + 1);
            if behind + 1 < missing {
                found = Some((start, behind + 1));
            }
        }
    }
    found
}

/// All of them, if their lengths lead from the first to the end.
fn by_their_lengths(bytes: &[u8], first: Lsn, count: u64) -> Option<Vec<Loose<'_>>> {
    let mut records = Vec::new();
    let mut start = 0;
    for index in 0..count {
        let length = u32::from_le_bytes(bytes.get(start..start + 4)?.try_into().ok()?) as usize;
        let end = start.checked_add(RECORD_EXTRA_BYTES)?.checked_add(length)?;
        let record = bytes.get(start..end)?;
        let at = start + RECORD_HEAD_BYTES;
        let kind = split_record(record).map(|(kind, ..)| kind);
        records.push(Loose { lsn: first.plus(index), kind, body: &bytes[at..at + length], at });
        start = end;
    }
    (start == bytes.len()).then_some(records)
}

/// Whole records, one behind the other, from this place on.
fn whole_from(bytes: &[u8], mut start: usize, first: Lsn) -> Vec<Loose<'_>> {
    let mut records = Vec::new();
    while let Some((kind, body, _)) = bytes.get(start..).and_then(split_record) {
        let lsn = first.plus(records.len() as u64);
        records.push(Loose { lsn, kind: Some(kind), body, at: start + RECORD_HEAD_BYTES });
        start += RECORD_EXTRA_BYTES + body.len();
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::push_record;

    /// What clients store may look like heads of records everywhere, each of them as long as all that follows.
    #[test]
    fn bytes_that_look_like_many_long_records_are_gone_over_a_few_times_only() {
        const BYTES: usize = 1 << 20;
        let mut bytes = vec![0xff; BYTES];
        for start in (100..BYTES - 100).step_by(5) {
            let length = (BYTES - start - RECORD_EXTRA_BYTES) as u32;
            bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
            bytes[start + 4] = 0;
        }
        let checksums = Checksums::of(&bytes);
        assert_eq!(up_to_the_end(&checksums, 1, 100), None);
        // Two hundred thousand of them, half as long as all on average.
        let gone_over = checksums.gone_over.get();
        assert!(gone_over < 400 * BYTES, "{gone_over}");
    }

    /// A long row of records that breaks off is not followed from each of them.
    #[test]
    fn records_that_lead_nowhere_are_not_checked() {
        let mut bytes = Vec::new();
        for _ in 0..10_000 {
            push_record(&mut bytes, Kind::Data, &[7; 50]);
        }
        let end = bytes.len() - 20;
        let checksums = Checksums::of(&bytes[..end]);
        assert_eq!(up_to_the_end(&checksums, 1, 10_000), None);
        assert_eq!(checksums.gone_over.get(), end);
    }

    /// Ten records, and where each begins.
    fn ten() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let starts = (0..10u8).map(|number| {
            let start = bytes.len();
            push_record(&mut bytes, Kind::Data, &vec![number; 10 + usize::from(number)]);
            start
        });
        let starts = starts.collect();
        (bytes, starts)
    }

    fn whole(bytes: &[u8], count: Option<u64>) -> Vec<(u64, u8)> {
        let records = records(bytes, Lsn::new(100), count);
        let whole = records.iter().filter(|record| record.kind.is_some());
        whole.map(|record| (record.lsn.number(), record.body[0])).collect()
    }

    #[test]
    fn a_flipped_bit_costs_its_record_and_no_other() {
        let (mut bytes, starts) = ten();
        for at in 0..bytes.len() {
            bytes[at] ^= 1 << (at % 8);
            let lost = starts.iter().rposition(|start| *start <= at).unwrap() as u8;
            let expected: Vec<_> = (0..10)
                .filter(|number| *number != lost)
                .map(|number| (100 + u64::from(number), number))
                .collect();
            assert_eq!(whole(&bytes, Some(10)), expected, "byte {at}");
            bytes[at] ^= 1 << (at % 8);
        }
    }

    #[test]
    fn a_lost_run_costs_what_is_in_it() {
        let (mut bytes, starts) = ten();
        bytes[starts[3] + 2..starts[6] + 2].fill(0);
        assert_eq!(
            whole(&bytes, Some(10)),
            [0, 1, 2, 7, 8, 9].map(|number| (100 + u64::from(number), number))
        );
        // Where they end is not known, so those behind have no number.
        assert_eq!(whole(&bytes, None), [(100, 0), (101, 1), (102, 2)]);
    }

    #[test]
    fn any_bytes_are_no_panic() {
        for bytes in [&[][..], &[0; 3], &[0; 9], &[255; 40], &[1, 0, 0, 0, 0, 9]] {
            assert!(whole(bytes, Some(3)).is_empty() && whole(bytes, None).is_empty());
        }
    }
}
