//! Which segment files there are, also those whose heads are damaged: what a head says stands in the foot before it too.

use std::path::{Path, PathBuf};

use super::{lenient, salt};
use crate::address::Address;
use crate::error::{Damage, OpenError};
use crate::folder::is_zero_from;
use crate::frame::{FRAME_BYTES_MAX, Frame, Header};
use crate::listed::Listed;
use crate::recovery::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::segment::{FOOT_BYTES, HEAD_BYTES, SegmentFoot, SegmentHead, file_name, file_number};
use crate::vfs::{Vfs, VfsFile};

/// Nobody writes so many bytes: an address beyond is damage.
const ADDRESS_MAX: u64 = 1 << 62;

/// Bytes of a head that say something.
const FIELDS_BYTES: usize = 60;

/// A segment file whose place in the log is known.
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) head: SegmentHead,
    /// The head is damaged, and what it said was found elsewhere.
    pub(super) is_restored: bool,
    /// What the file says of the one behind it.
    pub(super) foot: Foot,
}

/// What stands where a foot does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foot {
    /// Nothing yet.
    Blank,
    Whole(SegmentFoot),
    Damaged,
}

impl Foot {
    pub(super) fn whole(self) -> Option<SegmentFoot> {
        match self {
            Foot::Whole(foot) => Some(foot),
            Foot::Blank | Foot::Damaged => None,
        }
    }
}

/// The segments in order, and what is wrong with their heads and lengths. What was never used is not among them.
pub(super) fn find(
    fs: &dyn Vfs,
    shard: &Path,
    damages: &mut Listed<Damage>,
) -> Result<Vec<Segment>, OpenError> {
    let names = fs.list(shard).map_err(OpenError::io("read", shard))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    numbers.sort_unstable();
    let mut segments: Vec<Segment> = Vec::new();
    for number in numbers {
        let path = shard.join(file_name(number));
        let before = segments.last().filter(|before| before.head.number + 1 == number);
        let foot = before.and_then(|before| before.foot.whole());
        let mut note =
            |offset, what| damages.push(Damage { path: path.clone(), offset, records: None, what });
        let Ok(file) = fs.open_to_read(&path) else {
            note(0, "the file cannot be opened");
            continue;
        };
        let length = file.bytes().unwrap_or(0);
        let (head, is_restored) = match whole_head(&*file, number) {
            Some(head) => (head, false),
            None => {
                // Between the head and the first frame there is the foot before: without that it was never used.
                if foot.is_none() && is_zero_from(&*file, HEAD_BYTES as u64).unwrap_or(false) {
                    continue;
                }
                let Some(head) = restored_head(&*file, number, length, foot) else {
                    note(0, "the head of the segment is unreadable, and so is what is behind it");
                    continue;
                };
                note(0, "the head of the segment is unreadable; what it said was found elsewhere");
                (head, true)
            }
        };
        if length < head.bytes {
            note(length, "the file ends too early");
        }
        let foot = foot_of(&*file, &head);
        segments.push(Segment { path, head, is_restored, foot });
    }
    Ok(segments)
}

fn start_of(file: &dyn VfsFile, bytes: usize) -> Vec<u8> {
    let mut start = vec![0; bytes];
    lenient::read(file, &mut start);
    start
}

fn whole_head(file: &dyn VfsFile, number: u64) -> Option<SegmentHead> {
    SegmentHead::decode(&start_of(file, HEAD_BYTES)).filter(|head| head.number == number && is_possible(head))
}

fn is_possible(head: &SegmentHead) -> bool {
    (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&head.bytes) && head.start.position() < ADDRESS_MAX
}

/// The head as the foot before says it was, or as it must have been by what is left of it and of the first frame.
fn restored_head(
    file: &dyn VfsFile,
    number: u64,
    length: u64,
    foot: Option<SegmentFoot>,
) -> Option<SegmentHead> {
    let bytes = length.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    let head = match foot {
        Some(SegmentFoot { next, next_salt: salt, next_first: first, end: start, chain }) => {
            SegmentHead { number: next, salt, first, bytes, chain, start }
        }
        None => {
            let mut start = start_of(file, HEAD_BYTES);
            let frame = frame_of(file, length);
            with_one_bit_flipped_back(&mut start)
                .or_else(|| by_the_first_frame(&start, &frame, number, bytes))?
        }
    };
    (head.number == number && is_possible(&head)).then_some(head)
}

/// The first frame, and as much behind it as it takes to be sure of it.
fn frame_of(file: &dyn VfsFile, length: u64) -> Vec<u8> {
    let bytes = length.min(HEAD_BYTES as u64 + FRAME_BYTES_MAX as u64) as usize;
    start_of(file, bytes).split_off(HEAD_BYTES.min(bytes))
}

/// The head, if a single bit of what it says has flipped.
fn with_one_bit_flipped_back(head: &mut [u8]) -> Option<SegmentHead> {
    (0..FIELDS_BYTES * 8).find_map(|bit| {
        head[bit / 8] ^= 1 << (bit % 8);
        let whole = SegmentHead::decode(head);
        head[bit / 8] ^= 1 << (bit % 8);
        whole
    })
}

/// The head, if the first frame is whole by a salt that its header was written with.
fn by_the_first_frame(head: &[u8], frame: &[u8], number: u64, bytes: u64) -> Option<SegmentHead> {
    let salt = salt::of_header(frame)?;
    let Header { first, chain, .. } = Header::decode(frame, salt)?;
    Frame::decode(frame, salt, first, chain).ok()?;
    let start = if number == 1 { Address::ZERO } else { SegmentHead::as_it_stands(head)?.start };
    Some(SegmentHead { number, salt, first, bytes, chain, start })
}

fn foot_of(file: &dyn VfsFile, head: &SegmentHead) -> Foot {
    let mut bytes = [0; FOOT_BYTES];
    if file.read_at(&mut bytes, head.frames_end()).is_err() {
        return Foot::Damaged;
    }
    let whole = SegmentFoot::decode(&bytes).filter(|foot| foot.next == head.number + 1);
    match whole {
        Some(foot) if foot.end.since(head.start).is_some() && foot.end.position() < ADDRESS_MAX => {
            Foot::Whole(foot)
        }
        None if bytes.iter().all(|byte| *byte == 0) => Foot::Blank,
        _ => Foot::Damaged,
    }
}
