//! Reading the log back: what is whole, what was torn by a crash, and what is damaged.
//!
//! Segments before the tail must be whole. In the tail, at the first place where no good frame stands:
//!
//! - nothing but zeros: a clean end;
//! - something that no crash of ours leaves there (a frame of another place, a bad record in a good frame), or a
//!   later frame header that says these records were synced: damage, and opening is refused;
//! - otherwise one frame was in flight and nobody was told of it: it is copied aside, cut, and reported.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Address;
use crate::error::{Damage, OpenError};
use crate::frame::{BadFrame, Frame, Kind};
use crate::inventory::{Segment, segments};
use crate::lsn::Lsn;
use crate::repair::repair;
use crate::segment::HEAD_BYTES;
use crate::segments::Known;
use crate::tail::{Place, SegmentPlan, Tail};
use crate::vfs::Vfs;

/// No segment is smaller or larger; a head that says so is not ours.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 2 * HEAD_BYTES as u64;
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What was found on opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records handed to the caller.
    pub records: u64,
    /// The highest number given so far, or [`Lsn::ZERO`].
    pub last: Lsn,
    /// Segment files read.
    pub segments: u64,
    /// Whether the last run closed the log, or went idle and said so, before it ended.
    pub clean: bool,
    /// What was cut off the end, if a crash had torn it. Worth a warning.
    pub torn: Option<Torn>,
}

/// A frame that a crash tore, cut off the log. None of its records had been acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub path: PathBuf,
    /// Where it began.
    pub offset: u64,
    /// Bytes cut.
    pub bytes: u64,
    /// The first of its records.
    pub first: Lsn,
    /// Where the bytes were copied to.
    pub copy: PathBuf,
}

/// A log read back.
pub(crate) struct Recovered {
    pub(crate) tail: Tail,
    pub(crate) recovery: Recovery,
    /// All segments, the tail last.
    pub(crate) segments: Vec<Known>,
}

/// How far a segment could be read.
pub(crate) struct End {
    pub(crate) place: Place,
    /// Where the last whole frame begins.
    pub(crate) last_frame: Option<u64>,
    /// Why there is no further frame.
    pub(crate) bad: BadFrame,
}

/// Reads the log in `shard`, repairs its end, and answers where to go on writing.
pub(crate) fn recover(
    fs: &Arc<dyn Vfs>,
    shard: &Path,
    plan: SegmentPlan,
    replay: &mut dyn FnMut(Lsn, Address, &[u8]),
) -> Result<Recovered, OpenError> {
    let (mut segments, unused) = segments(&**fs, shard)?;
    let mut recovery = Recovery { segments: segments.len() as u64, ..Recovery::default() };
    let mut place = Place { offset: HEAD_BYTES as u64, next: Lsn::new(1), chain: 0 };
    let mut known: Vec<Known> = Vec::new();
    let mut bytes = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &segments[before]);
        let head = &segment.head;
        let start = known.last().map_or(Address::ZERO, |before| before.end);
        if head.first != place.next || head.chain != place.chain || head.start != start {
            return Err(unreadable(before.unwrap_or(segment), place, head.first.before()).into());
        }
        read(segment, &mut bytes)?;
        let end = scan(&bytes, segment, place, &mut recovery, replay);
        place = end.place;
        let last = (index + 1 < segments.len()).then(|| place.next.before());
        known.push(Known { head: *head, end: start.plus(place.offset - HEAD_BYTES as u64), last, live: 0 });
        if index + 1 == segments.len() {
            recovery.torn = repair(&**fs, shard, before, segment, &bytes, &end)?;
        }
    }
    recovery.last = place.next.before();

    for path in unused {
        fs.remove(&path).map_err(OpenError::io("remove", &path))?;
    }
    fs.sync_folder(shard).map_err(OpenError::io("sync", shard))?;
    let tail = segments.pop().expect("`segments` answers at least one");
    let tail = Tail::new(fs.clone(), shard.to_owned(), plan, tail.head, tail.file, place);
    Ok(Recovered { tail, recovery, segments: known })
}

fn read(segment: &Segment, bytes: &mut Vec<u8>) -> Result<(), OpenError> {
    bytes.resize(segment.head.bytes as usize, 0);
    segment.file.read_at(bytes, 0).map_err(OpenError::io("read", &segment.path))
}

/// Hands on every record from the start of a segment to the first place without a good frame.
fn scan(
    bytes: &[u8],
    segment: &Segment,
    start: Place,
    recovery: &mut Recovery,
    replay: &mut dyn FnMut(Lsn, Address, &[u8]),
) -> End {
    let mut place = Place { offset: HEAD_BYTES as u64, ..start };
    let mut last_frame = None;
    loop {
        let rest = &bytes[place.offset as usize..segment.head.frames_end() as usize];
        let frame = match Frame::decode(rest, segment.head.salt, place.next, place.chain) {
            Ok(frame) => frame,
            Err(bad) => return End { place, last_frame, bad },
        };
        let base = segment.head.start.plus(place.offset - HEAD_BYTES as u64);
        for record in frame.records() {
            recovery.clean = record.kind == Kind::Mark;
            if record.kind == Kind::Data {
                recovery.records += 1;
                replay(record.lsn, base.plus(record.at as u64), record.body);
            }
        }
        last_frame = Some(place.offset);
        place.offset += u64::from(frame.header.length);
        place.next = place.next.plus(u64::from(frame.header.count));
        place.chain = frame.crc;
    }
}

/// Damage from this place on, where records up to `last` are known to have been synced.
pub(crate) fn unreadable(segment: &Segment, place: Place, last: Lsn) -> Damage {
    Damage {
        path: segment.path.clone(),
        offset: place.offset,
        records: (place.next <= last).then_some((place.next, last)),
        what: "acknowledged records are unreadable",
    }
}
