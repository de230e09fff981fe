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

use crate::error::{Damage, OpenError};
use crate::folder::is_zero_from;
use crate::frame::{BadFrame, Frame, Kind, find_header};
use crate::lsn::Lsn;
use crate::segment::{HEAD_BYTES, SegmentFoot, SegmentHead, file_name, file_number};
use crate::tail::{Place, SegmentPlan, Tail};
use crate::vfs::{Vfs, VfsFile};

/// Copies of torn frames that are kept.
const TORN_FILES_MAX: usize = 4;
const TORN_PREFIX: &str = "torn-";
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

struct Segment {
    path: PathBuf,
    file: Box<dyn VfsFile>,
    head: SegmentHead,
}

/// How far a segment could be read.
struct End {
    place: Place,
    /// Where the last whole frame begins.
    last_frame: Option<u64>,
    /// Why there is no further frame.
    bad: BadFrame,
}

/// Reads the log in `shard`, repairs its end, and answers where to go on writing.
pub(crate) fn recover(
    fs: &Arc<dyn Vfs>,
    shard: &Path,
    plan: SegmentPlan,
    replay: &mut dyn FnMut(Lsn, &[u8]),
) -> Result<(Tail, Recovery), OpenError> {
    let (mut segments, unused) = segments(&**fs, shard)?;
    let mut recovery = Recovery { segments: segments.len() as u64, ..Recovery::default() };
    let mut place = Place { offset: 0, next: Lsn::new(1), chain: 0 };
    let mut bytes = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        if segment.head.first != place.next || segment.head.chain != place.chain {
            let before = index.checked_sub(1).map_or(segment, |before| &segments[before]);
            return Err(unreadable(before, place, segment.head.first.before()).into());
        }
        read(segment, &mut bytes)?;
        let end = scan(&bytes, segment, place, &mut recovery, replay);
        place = end.place;
        if index + 1 == segments.len() {
            let before = index.checked_sub(1).map(|before| &segments[before]);
            recovery.torn = repair(&**fs, shard, before, segment, &bytes, &end)?;
        }
    }
    recovery.last = place.next.before();

    for path in unused {
        fs.remove(&path).map_err(OpenError::io("remove", &path))?;
    }
    fs.sync_folder(shard).map_err(OpenError::io("sync", shard))?;
    let tail = segments.pop().expect("`segments` answers at least one");
    Ok((Tail::new(fs.clone(), shard.to_owned(), plan, tail.head, tail.file, place), recovery))
}

/// The segments in order, the last being the tail, and the files behind it that were never used.
fn segments(fs: &dyn Vfs, shard: &Path) -> Result<(Vec<Segment>, Vec<PathBuf>), OpenError> {
    let names = fs.list(shard).map_err(OpenError::io("read", shard))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    numbers.sort_unstable();
    let mut segments: Vec<Segment> = Vec::new();
    let mut unused: Vec<PathBuf> = Vec::new();
    for number in numbers {
        let path = shard.join(file_name(number));
        let file = fs.open(&path).map_err(OpenError::io("open", &path))?;
        let length = file.bytes().map_err(OpenError::io("read", &path))?;
        let mut start = vec![0; length.min(HEAD_BYTES as u64) as usize];
        file.read_at(&mut start, 0).map_err(OpenError::io("read", &path))?;
        let damage = |offset, what| Damage { path: path.clone(), offset, records: None, what };
        match SegmentHead::decode(&start) {
            None => {
                if !is_zero_from(&*file, HEAD_BYTES as u64).map_err(OpenError::io("read", &path))? {
                    return Err(damage(
                        0,
                        "the head of the segment is unreadable, and there is data behind it",
                    )
                    .into());
                }
                unused.push(path);
            }
            Some(head) => {
                if let Some(path) = unused.pop() {
                    let what = "the segment is empty, though a later one has data";
                    return Err(Damage { path, offset: 0, records: None, what }.into());
                }
                if head.number != number || !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&head.bytes) {
                    return Err(damage(0, "the head of the segment belongs to another file").into());
                }
                if head.bytes != length {
                    return Err(damage(length, "the file has not the length it was made with").into());
                }
                let expected = segments.last().map_or(1, |before| before.head.number + 1);
                if number != expected {
                    let path = shard.join(file_name(expected));
                    let what = "the segment is missing, though a later one is there";
                    return Err(Damage { path, offset: 0, records: None, what }.into());
                }
                segments.push(Segment { path, file, head });
            }
        }
    }
    if segments.is_empty() {
        let what = "the segment is missing or its head is unreadable";
        return Err(Damage { path: shard.join(file_name(1)), offset: 0, records: None, what }.into());
    }
    Ok((segments, unused))
}

fn read(segment: &Segment, bytes: &mut Vec<u8>) -> Result<(), OpenError> {
    bytes.resize(segment.head.bytes as usize, 0);
    segment.file.read_at(bytes, 0).map_err(OpenError::io("read", &segment.path))
}

/// Refuses a tail whose foot says that another segment follows: that one is gone, or its head is.
fn refuse_lost_successor(tail: &Segment, shard: &Path, bytes: &[u8]) -> Result<(), Damage> {
    let offset = tail.head.frames_end();
    let foot = &bytes[offset as usize..];
    if foot.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    if SegmentFoot::decode(foot).is_none() {
        let what = "the foot of the segment is unreadable";
        return Err(Damage { path: tail.path.clone(), offset, records: None, what });
    }
    let path = shard.join(file_name(tail.head.number + 1));
    let what =
        "the segment is missing or its head is unreadable, though the one before says that it was begun";
    Err(Damage { path, offset: 0, records: None, what })
}

/// Hands on every record from the start of a segment to the first place without a good frame.
fn scan(
    bytes: &[u8],
    segment: &Segment,
    start: Place,
    recovery: &mut Recovery,
    replay: &mut dyn FnMut(Lsn, &[u8]),
) -> End {
    let mut place = Place { offset: HEAD_BYTES as u64, ..start };
    let mut last_frame = None;
    loop {
        let rest = &bytes[place.offset as usize..segment.head.frames_end() as usize];
        let frame = match Frame::decode(rest, segment.head.salt, place.next, place.chain) {
            Ok(frame) => frame,
            Err(bad) => return End { place, last_frame, bad },
        };
        for (lsn, kind, body) in frame.records() {
            recovery.clean = kind == Kind::Mark;
            if kind == Kind::Data {
                recovery.records += 1;
                replay(lsn, body);
            }
        }
        last_frame = Some(place.offset);
        place.offset += u64::from(frame.header.length);
        place.next = place.next.plus(u64::from(frame.header.count));
        place.chain = frame.crc;
    }
}

/// Judges the end of the tail, cuts what was torn, and syncs what is kept.
fn repair(
    fs: &dyn Vfs,
    shard: &Path,
    before: Option<&Segment>,
    tail: &Segment,
    bytes: &[u8],
    end: &End,
) -> Result<Option<Torn>, OpenError> {
    refuse_lost_successor(tail, shard, bytes)?;
    let offset = end.place.offset as usize;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1).max(offset);
    let torn = if used == offset {
        None
    } else {
        refuse_damage(tail, &bytes[..used], end)?;
        let copy = keep_copy(fs, shard, end.place.next, &bytes[offset..used])?;
        let zeros = vec![0; used - offset];
        tail.file.write_at(&zeros, offset as u64).map_err(OpenError::io("write", &tail.path))?;
        Some(Torn {
            path: tail.path.clone(),
            offset: offset as u64,
            bytes: zeros.len() as u64,
            first: end.place.next,
            copy,
        })
    };
    // What the last run wrote last may be in memory only: it was killed before its sync, or the sync failed and the
    // kernel holds the pages as clean. Written again and synced, it is on disk before anybody is shown it.
    let again = end.last_frame.map_or(0..HEAD_BYTES, |start| start as usize..offset);
    let start = again.start as u64;
    tail.file.write_at(&bytes[again], start).map_err(OpenError::io("write", &tail.path))?;
    tail.file.sync().map_err(OpenError::io("sync", &tail.path))?;
    if let (None, Some(before)) = (end.last_frame, before) {
        let foot = tail.head.foot_before().encode();
        before
            .file
            .write_at(&foot, before.head.frames_end())
            .map_err(OpenError::io("write", &before.path))?;
        before.file.sync().map_err(OpenError::io("sync", &before.path))?;
    }
    Ok(torn)
}

/// Passes only if what stands at the end may be a frame that was in flight.
fn refuse_damage(tail: &Segment, bytes: &[u8], end: &End) -> Result<(), Damage> {
    let offset = end.place.offset as usize;
    let search_from = match end.bad {
        BadFrame::Header => offset + 1,
        // Its own records may hold anything, even what looks like a header.
        BadFrame::Body(header) => offset + header.length as usize,
        BadFrame::Misplaced | BadFrame::Record => {
            let what = "there is a frame that does not belong here";
            return Err(Damage { path: tail.path.clone(), offset: end.place.offset, records: None, what });
        }
    };
    let mut from = search_from;
    while let Some((at, header)) = bytes.get(from..).and_then(|rest| find_header(rest, tail.head.salt)) {
        if header.durable >= end.place.next {
            return Err(unreadable(tail, end.place, header.durable));
        }
        from += at + 1;
    }
    Ok(())
}

/// Damage from this place on, where records up to `last` are known to have been synced.
fn unreadable(segment: &Segment, place: Place, last: Lsn) -> Damage {
    Damage {
        path: segment.path.clone(),
        offset: place.offset,
        records: (place.next <= last).then_some((place.next, last)),
        what: "acknowledged records are unreadable",
    }
}

/// Copies a torn frame aside and forgets the oldest of such copies.
fn keep_copy(fs: &dyn Vfs, shard: &Path, first: Lsn, bytes: &[u8]) -> Result<PathBuf, OpenError> {
    let name = format!("{TORN_PREFIX}{:016}", first.number());
    let names = fs.list(shard).map_err(OpenError::io("read", shard))?;
    let mut old: Vec<_> = names.iter().filter(|old| old.starts_with(TORN_PREFIX) && **old != name).collect();
    old.sort_unstable();
    let surplus = (old.len() + 1).saturating_sub(TORN_FILES_MAX);
    for old in old.into_iter().take(surplus) {
        let path = shard.join(old);
        fs.remove(&path).map_err(OpenError::io("remove", &path))?;
    }
    let path = shard.join(&name);
    let file = fs.create(&path).map_err(OpenError::io("create", &path))?;
    file.write_at(bytes, 0).map_err(OpenError::io("write", &path))?;
    file.sync().map_err(OpenError::io("sync", &path))?;
    fs.sync_folder(shard).map_err(OpenError::io("sync", shard))?;
    Ok(path)
}
