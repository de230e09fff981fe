//! Damage to what is stored: never passed over in silence (R4).

use std::path::Path;

use super::crash::number_from;
use super::{Random, Records, data, open, segment};
use crate::error::OpenError;
use crate::faults::{Disk, Keep};
use crate::frame::{Header, find_header};
use crate::segment::{FOOT_BYTES, HEAD_BYTES};
use crate::verify::verify;
use crate::vfs::Vfs;

/// A folder of three segments and a spare.
struct Stored {
    disk: Disk,
    records: Records,
    /// Where the last frame begins in the tail, and how many records come before it.
    last_frame: (usize, usize),
    /// Where the frames of the tail end; the last byte may be a zero.
    end: usize,
}

const TAIL: u64 = 3;
/// Bits of each byte that are flipped in one run of the test, one at a time; `NARU_BITS=8` flips every one.
const BITS: u64 = 2;

fn stored(closed: bool) -> Stored {
    let disk = Disk::new(5);
    let mut random = Random(11);
    let mut opened = open(&disk).unwrap();
    let end = |disk: &Disk| used(&disk.contents(&segment(TAIL)).unwrap_or_default());
    let mut last_frame = (0, 0);
    let mut count = 0;
    while end(&disk) < HEAD_BYTES + 2500 {
        last_frame = (end(&disk).max(HEAD_BYTES), count);
        let records = random.records();
        count += records.len();
        opened.commit(&records).unwrap();
    }
    if closed {
        last_frame = (end(&disk), count);
        opened.mark().unwrap();
    }
    let head = opened.tail.head();
    let end = HEAD_BYTES + opened.tail.end().since(head.start).unwrap() as usize;
    drop(opened);
    disk.power_on(Keep::Nothing);
    let records = open(&disk.copy()).unwrap().records;
    assert_eq!(records.len(), count);
    Stored { disk, records, last_frame, end }
}

/// Where the frames of a segment, or the bytes of another file, end.
fn used(bytes: &[u8]) -> usize {
    let frames = bytes.len().saturating_sub(if bytes.len() > HEAD_BYTES { FOOT_BYTES } else { 0 });
    bytes[..frames].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

enum Outcome {
    Refused(OpenError),
    Cut(Records),
    Whole,
}

/// Opens a copy in which this file holds other bytes.
fn with(stored: &Stored, path: &Path, bytes: &[u8]) -> Outcome {
    let disk = stored.disk.copy();
    disk.overwrite(path, bytes).unwrap();
    match open(&disk) {
        Err(error) => Outcome::Refused(error),
        Ok(opened) if opened.recovery.torn.is_some() => Outcome::Cut(opened.records),
        Ok(opened) => {
            assert!(opened.records == stored.records, "{} was changed, and nothing said", path.display());
            Outcome::Whole
        }
    }
}

#[test]
fn a_flipped_bit_in_any_byte_is_refused_or_cut_off_the_very_end_or_was_of_no_use() {
    let bits = number_from("NARU_BITS").unwrap_or(BITS).clamp(1, 8);
    for closed in [false, true] {
        let stored = stored(closed);
        let mut random = Random(13);
        let (mut refused, mut cut, mut whole) = (0, 0, 0);
        for (path, _) in stored.disk.files() {
            let mut bytes = stored.disk.contents(&path).unwrap();
            let used = if path == segment(TAIL) { stored.end } else { used(&bytes) };
            for at in 0..bytes.len() {
                let first = random.below(8);
                for bit in (first..first + bits).map(|bit| bit % 8) {
                    bytes[at] ^= 1 << bit;
                    let place = format!("{} byte {at} bit {bit}", path.display());
                    match with(&stored, &path, &bytes) {
                        Outcome::Refused(error) => {
                            let text = error.to_string();
                            assert!(text.contains(path.to_str().unwrap()), "{place}: {text}");
                            refused += 1;
                        }
                        Outcome::Cut(records) => {
                            let (start, before) = stored.last_frame;
                            assert!(path == segment(TAIL) && at >= start, "{place}");
                            let kept = if at >= used { stored.records.len() } else { before };
                            assert!(records == stored.records[..kept], "{place}");
                            cut += 1;
                        }
                        Outcome::Whole => {
                            let spare = path == segment(TAIL + 1);
                            assert!(spare || (path != segment(TAIL) && at >= used), "{place}");
                            whole += 1;
                        }
                    }
                    bytes[at] ^= 1 << bit;
                }
            }
        }
        println!("{} flips: {refused} refused, {cut} cut, {whole} of no use", refused + cut + whole);
        assert!(
            refused > 15_000 * bits && cut > 500 * bits && whole > 4000 * bits,
            "{refused} {cut} {whole}"
        );
    }
}

#[test]
fn a_frame_cut_short_at_any_byte_is_cut_off_and_said() {
    let stored = stored(false);
    let path = segment(TAIL);
    let whole = stored.disk.contents(&path).unwrap();
    let (start, before) = stored.last_frame;
    for at in start + 1..used(&whole) {
        let mut bytes = whole.clone();
        bytes[at..].fill(0);
        let Outcome::Cut(records) = with(&stored, &path, &bytes) else {
            panic!("byte {at} is not a torn end")
        };
        assert!(records == stored.records[..before], "byte {at}");
    }
}

#[test]
fn an_older_frame_in_the_place_of_the_last_is_refused() {
    let stored = stored(false);
    let path = segment(TAIL);
    let mut bytes = stored.disk.contents(&path).unwrap();
    let (start, _) = stored.last_frame;
    let second = find_header(&bytes[HEAD_BYTES + 1..start], salt(&bytes)).unwrap().0 + HEAD_BYTES + 1;
    bytes[start..].fill(0);
    bytes.copy_within(HEAD_BYTES..second, start);
    assert!(matches!(with(&stored, &path, &bytes), Outcome::Refused(_)));
}

#[test]
fn what_a_torn_record_holds_is_not_taken_for_a_later_frame() {
    let stored = stored(false);
    let mut opened = open(&stored.disk).unwrap();
    let path = segment(TAIL);
    let before = stored.disk.contents(&path).unwrap();
    let last = opened.recovery.last;
    let header = Header { length: 100, count: 1, first: last.plus(9), durable: last.plus(8), chain: 0 };
    opened.commit(&[header.encode(salt(&before)).to_vec()]).unwrap();
    let mut bytes = stored.disk.contents(&path).unwrap();
    let end = used(&bytes);
    bytes[end - 1] ^= 1;
    let Outcome::Cut(records) = with(&stored, &path, &bytes) else { panic!("not a torn end") };
    assert!(records == stored.records);
}

#[test]
fn what_is_cut_off_is_kept_beside_and_only_the_newest_few() {
    let stored = stored(false);
    let path = segment(TAIL);
    let mut bytes = stored.disk.contents(&path).unwrap();
    let end = used(&bytes);
    bytes[end - 1] ^= 1;
    stored.disk.overwrite(&path, &bytes).unwrap();
    for old in
        ["torn-0000000000000001", "torn-0000000000000002", "torn-0000000000000003", "torn-0000000000000004"]
    {
        stored.disk.create(&data().join("shard-00").join(old)).unwrap();
    }
    let torn = open(&stored.disk).unwrap().recovery.torn.unwrap();
    let start = stored.last_frame.0;
    assert_eq!((torn.path, torn.offset, torn.bytes), (path, start as u64, (end - start) as u64));
    assert_eq!(stored.disk.contents(&torn.copy).unwrap(), bytes[start..end]);
    let kept = stored.disk.files().into_iter().filter(|(path, _)| path.to_str().unwrap().contains("torn-"));
    assert_eq!(kept.count(), 4);
}

#[test]
fn a_file_of_another_length_is_refused() {
    let stored = stored(false);
    for number in 1..=TAIL {
        let path = segment(number);
        let whole = stored.disk.contents(&path).unwrap();
        for length in [0, 1, 4095, 4096, 4097, whole.len() - 512, whole.len() - 1] {
            let Outcome::Refused(error) = with(&stored, &path, &whole[..length]) else {
                panic!("segment {number} of {length} bytes was taken");
            };
            let said = error.to_string();
            assert!(said.contains(segment(number).to_str().unwrap()), "{said}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(matches!(with(&stored, &path, &longer), Outcome::Refused(_)));
    }
}

#[test]
fn lost_and_swapped_sectors_are_refused() {
    let stored = stored(true);
    for number in 1..=TAIL {
        let path = segment(number);
        let whole = stored.disk.contents(&path).unwrap();
        // The last sector alone proves nothing: see the crate's documentation.
        let last = (used(&whole) - 1) / 512 - usize::from(number == TAIL);
        for sector in 0..=last {
            let (start, end) = (sector * 512, (sector + 1) * 512);
            let mut lost = whole.clone();
            lost[start..end].fill(0);
            assert!(
                lost == whole || matches!(with(&stored, &path, &lost), Outcome::Refused(_)),
                "{number} {sector}"
            );
            let mut swapped = whole.clone();
            let other = if sector == 0 { 512 } else { start - 512 };
            swapped.copy_within(start..end, other);
            swapped[start..end].copy_from_slice(&whole[other..other + 512]);
            let outcome = with(&stored, &path, &swapped);
            assert!(swapped == whole || matches!(outcome, Outcome::Refused(_)), "{number} {sector}");
        }
    }
}

#[test]
fn segments_that_are_missing_old_or_anothers_are_refused() {
    let stored = stored(false);
    for number in 1..=TAIL {
        let disk = stored.disk.copy();
        disk.remove(&segment(number)).unwrap();
        let said = open(&disk).err().unwrap().to_string();
        assert!(said.contains(segment(number).to_str().unwrap()), "{said}");
    }
    let first = stored.disk.contents(&segment(1)).unwrap();
    for number in 2..=TAIL {
        assert!(matches!(with(&stored, &segment(number), &first), Outcome::Refused(_)));
    }
    // An earlier state of a sealed segment: whole frames, but too few.
    let mut old = first.clone();
    let half = find_header(&first[HEAD_BYTES + 600..], salt(&first)).unwrap().0 + HEAD_BYTES + 600;
    old[half..].fill(0);
    let Outcome::Refused(OpenError::Damaged(damage)) = with(&stored, &segment(1), &old) else {
        panic!("an old copy was taken")
    };
    assert_eq!((damage.path, damage.offset), (segment(1), half as u64));
    assert!(damage.records.is_some());
}

fn salt(segment: &[u8]) -> u64 {
    crate::segment::SegmentHead::decode(segment).unwrap().salt
}

#[test]
fn only_the_foot_before_a_segment_that_was_just_begun_may_be_missing() {
    let stored = stored(false);
    let damaged = |disk: &Disk| {
        let damages = verify(disk, data()).unwrap().damages;
        damages.iter().map(|damage| damage.path.clone()).collect::<Vec<_>>()
    };
    let without_foot = |disk: &Disk, number: u64| {
        let mut bytes = disk.contents(&segment(number)).unwrap();
        let foot = bytes.len() - FOOT_BYTES;
        bytes[foot..].fill(0);
        disk.overwrite(&segment(number), &bytes).unwrap();
    };
    let written = stored.disk.copy();
    without_foot(&written, TAIL - 1);
    assert_eq!(damaged(&written), [segment(TAIL - 1)], "there are frames behind it");
    // A crash after the tail's head was written.
    let begun = stored.disk.copy();
    let mut tail = begun.contents(&segment(TAIL)).unwrap();
    tail[HEAD_BYTES..].fill(0);
    begun.overwrite(&segment(TAIL), &tail).unwrap();
    assert_eq!(damaged(&begun), [] as [std::path::PathBuf; 0]);
    without_foot(&begun, TAIL - 1);
    assert_eq!(damaged(&begun), [] as [std::path::PathBuf; 0]);
    open(&begun.copy()).unwrap();
    without_foot(&begun, TAIL - 2);
    assert_eq!(damaged(&begun), [segment(TAIL - 2)]);
}

#[test]
fn data_without_its_format_file_is_refused() {
    let stored = stored(false);
    let format = data().join("FORMAT");
    stored.disk.remove(&format).unwrap();
    let said = open(&stored.disk).err().unwrap().to_string();
    assert!(said.contains(format.to_str().unwrap()), "{said}");
}
