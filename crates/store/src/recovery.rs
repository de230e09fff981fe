//! Reading the log back: what is whole, what was torn by a crash, and what is damaged.
//!
//! The newest checkpoint that is whole says from where to replay; before that nothing is read but the segments' heads,
//! and segments may be missing that nobody needed. Segments from there to the tail must be whole. In the tail, at the first place where no good frame stands:
//!
//! - nothing but zeros: a clean end;
//! - something that no crash of ours leaves there (a frame of another place, a bad record in a good frame), or a
//!   later frame header or a checkpoint that says these records were synced: damage, and opening is refused;
//! - otherwise it was not synced yet, and at [`Level::Always`] nobody was told of it: it is copied aside, cut, and
//!   reported. There is one such frame at that level, and what was written in a second or so at the others.
//!
//! [`Level::Always`]: crate::Level::Always

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Address;
use crate::checkpoint::{self, Choice};
use crate::error::{Damage, OpenError};
use crate::folder::is_zero_from;
use crate::frame::{BadFrame, Frame, Kind};
use crate::inventory::{Segment, first_replayed, not_replayed, segments};
use crate::lsn::Lsn;
use crate::repair::repair;
use crate::segment::HEAD_BYTES;
use crate::segments::{Known, Live};
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
    /// The checkpoint it began with, if there is one.
    pub checkpoint: Option<Lsn>,
    /// Newer checkpoints that could not be read, so that more was replayed. Worth a warning; they are removed when
    /// the next one is made.
    pub damaged_checkpoints: Vec<Damage>,
    /// What was cut off the end, if a crash had torn it. Worth a warning.
    pub torn: Option<Torn>,
}

/// What a crash tore, cut off the log: it was not synced. At [`crate::Level::Always`] none of it had been acknowledged.
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

/// What takes back in what was stored: the pieces of a checkpoint, if there is one, then every record behind it.
pub trait Load {
    /// The next piece, as it was pushed.
    fn piece(&mut self, piece: &[u8]);

    /// The next record, and the address of its first byte.
    fn record(&mut self, lsn: Lsn, address: Address, record: &[u8]);
}

/// A log read back.
pub(crate) struct Recovered {
    pub(crate) tail: Tail,
    pub(crate) recovery: Recovery,
    /// All segments, the tail last.
    pub(crate) segments: Vec<Known>,
    /// The checkpoints that can be used, newest last.
    pub(crate) checkpoints: Vec<Lsn>,
}

/// How far a segment could be read.
pub(crate) struct End {
    pub(crate) place: Place,
    /// Where the first whole frame begins that may not be on disk yet; none if there is no frame.
    pub(crate) unsynced: Option<u64>,
    /// Why there is no further frame.
    pub(crate) bad: BadFrame,
}

/// Reads the log in `shard`, repairs its end, and answers where to go on writing.
pub(crate) fn recover(
    fs: &Arc<dyn Vfs>,
    shard: &Path,
    plan: SegmentPlan,
    load: &mut dyn Load,
) -> Result<Recovered, OpenError> {
    let (lsns, mut unused) = checkpoint::list(&**fs, shard)?;
    let Choice { used, older, damaged } = checkpoint::choose(&**fs, shard, &lsns)?;
    let from = used.map_or(Lsn::ZERO, |used| used.lsn);
    let (segments, spare) = segments(&**fs, shard)?;
    unused.extend(spare);
    // Without a checkpoint, it is the damage to them that makes what is gone missed.
    let first = first_replayed(shard, &segments, from).map_err(|missing| {
        if used.is_none() { damaged.first().cloned().unwrap_or(missing) } else { missing }
    })?;
    if used.is_some() {
        checkpoint::read(&**fs, shard, from, &mut |piece| load.piece(piece))?;
    }
    let mut recovery = Recovery {
        segments: (segments.len() - first) as u64,
        checkpoint: used.map(|used| used.lsn),
        damaged_checkpoints: damaged,
        ..Recovery::default()
    };
    let mut known = not_replayed(&**fs, &segments[..first], &segments[first].head)?;
    let begin = segments[first].head;
    let mut place = Place { offset: HEAD_BYTES as u64, next: begin.first, chain: begin.chain };
    let mut start = begin.start;
    let mut bytes = Vec::new();
    for (index, segment) in segments.iter().enumerate().skip(first) {
        let before = index.checked_sub(1).map(|before| &segments[before]);
        let before = before.filter(|before| before.head.number + 1 == segment.head.number);
        let head = &segment.head;
        if head.first != place.next || head.chain != place.chain || head.start != start {
            return Err(unreadable(before.unwrap_or(segment), place, head.first.before()).into());
        }
        read(&**fs, segment, &mut bytes)?;
        let end = scan(&bytes, segment, place, from, &mut recovery, load);
        place = end.place;
        start = start.plus(place.offset - HEAD_BYTES as u64);
        let is_tail = index + 1 == segments.len();
        let last = (!is_tail).then(|| place.next.before());
        known.push(Known { head: *head, end: start, last, live: Live::default(), died: Lsn::ZERO });
        if is_tail {
            let proven = used.map_or(Lsn::ZERO, |used| used.end);
            recovery.torn = repair(&**fs, shard, before, segment, &bytes, &end, proven)?;
        }
    }
    recovery.last = place.next.before();

    for path in unused {
        fs.remove(&path).map_err(OpenError::io("remove", &path))?;
    }
    fs.sync_folder(shard).map_err(OpenError::io("sync", shard))?;
    let tail = segments.last().expect("`segments` answers at least one");
    let tail = Tail::new(fs.clone(), shard.to_owned(), plan, tail.head, tail.open(&**fs)?, place);
    let checkpoints = older.into_iter().chain(used.map(|used| used.lsn)).collect();
    Ok(Recovered { tail, recovery, segments: known, checkpoints })
}

fn read(fs: &dyn Vfs, segment: &Segment, bytes: &mut Vec<u8>) -> Result<(), OpenError> {
    let (file, length) = (segment.open(fs)?, segment.head.bytes as usize);
    let unreadable = || OpenError::io("read", &segment.path);
    if is_zero_from(&*file, HEAD_BYTES as u64).map_err(unreadable())? {
        // Zeros that are made new take no memory until they are written to.
        *bytes = vec![0; length];
        return file.read_at(&mut bytes[..HEAD_BYTES], 0).map_err(unreadable());
    }
    bytes.resize(length, 0);
    file.read_at(bytes, 0).map_err(unreadable())
}

/// Hands on every record behind `from`, from the start of a segment to the first place without a good frame.
fn scan(
    bytes: &[u8],
    segment: &Segment,
    start: Place,
    from: Lsn,
    recovery: &mut Recovery,
    load: &mut dyn Load,
) -> End {
    let mut place = Place { offset: HEAD_BYTES as u64, ..start };
    // Frames that none after them says to be synced, with their last records.
    let mut unsynced: VecDeque<(u64, Lsn)> = VecDeque::new();
    loop {
        let rest = &bytes[place.offset as usize..segment.head.frames_end() as usize];
        let frame = match Frame::decode(rest, segment.head.salt, place.next, place.chain) {
            Ok(frame) => frame,
            Err(bad) => {
                let unsynced = unsynced.front().map(|(offset, _)| *offset);
                return End { place, unsynced, bad };
            }
        };
        let base = segment.head.start.plus(place.offset - HEAD_BYTES as u64);
        for record in frame.records() {
            recovery.clean = record.kind == Kind::Mark;
            if record.kind == Kind::Data && record.lsn > from {
                recovery.records += 1;
                load.record(record.lsn, base.plus(record.at as u64), record.body);
            }
        }
        while unsynced.front().is_some_and(|(_, last)| *last <= frame.header.durable) {
            unsynced.pop_front();
        }
        let offset = place.offset;
        place.offset += u64::from(frame.header.length);
        place.next = place.next.plus(u64::from(frame.header.count));
        unsynced.push_back((offset, place.next.before()));
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
