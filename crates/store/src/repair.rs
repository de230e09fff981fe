//! The end of the log after a crash: judged, cut where it was torn, and synced.

use std::path::{Path, PathBuf};

use crate::error::{Damage, OpenError};
use crate::frame::{BadFrame, find_header};
use crate::inventory::Segment;
use crate::lsn::Lsn;
use crate::recovery::{End, Torn, unreadable};
use crate::segment::{HEAD_BYTES, SegmentFoot, file_name};
use crate::vfs::Vfs;

/// Copies of torn frames that are kept.
const TORN_FILES_MAX: usize = 4;
const TORN_PREFIX: &str = "torn-";

/// Judges the end of the tail, cuts what was torn, and syncs what is kept. Records up to `proven` must be there.
pub(crate) fn repair(
    fs: &dyn Vfs,
    shard: &Path,
    before: Option<&Segment>,
    tail: &Segment,
    bytes: &[u8],
    end: &End,
    proven: Lsn,
) -> Result<Option<Torn>, OpenError> {
    refuse_lost_successor(tail, shard, bytes)?;
    if end.place.next <= proven {
        return Err(unreadable(tail, end.place, proven).into());
    }
    let file = tail.open(fs)?;
    let offset = end.place.offset as usize;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1).max(offset);
    let torn = if used == offset {
        // The start that cut something here may have failed to sync it; what reads as zeros is on disk all the same then.
        let cut = cut_before(fs, shard, end.place.next)?.min(tail.head.frames_end() - end.place.offset);
        let zeros = vec![0; cut as usize];
        file.write_at(&zeros, offset as u64).map_err(OpenError::io("write", &tail.path))?;
        None
    } else {
        refuse_damage(tail, &bytes[..used], end)?;
        let copy = keep_copy(fs, shard, end.place.next, &bytes[offset..used])?;
        let zeros = vec![0; used - offset];
        file.write_at(&zeros, offset as u64).map_err(OpenError::io("write", &tail.path))?;
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
    let again = end.unsynced.map_or(0..HEAD_BYTES, |start| start as usize..offset);
    let start = again.start as u64;
    file.write_at(&bytes[again], start).map_err(OpenError::io("write", &tail.path))?;
    file.sync().map_err(OpenError::io("sync", &tail.path))?;
    if let (None, Some(before)) = (end.unsynced, before) {
        let foot = tail.head.foot_before().encode();
        let file = before.open(fs)?;
        file.write_at(&foot, before.head.frames_end()).map_err(OpenError::io("write", &before.path))?;
        file.sync().map_err(OpenError::io("sync", &before.path))?;
    }
    Ok(torn)
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

/// How many bytes an earlier start has copied aside from where this record will stand.
fn cut_before(fs: &dyn Vfs, shard: &Path, first: Lsn) -> Result<u64, OpenError> {
    let path = shard.join(torn_name(first));
    if !fs.exists(&path).map_err(OpenError::io("read", &path))? {
        return Ok(0);
    }
    let file = fs.open(&path).map_err(OpenError::io("open", &path))?;
    file.bytes().map_err(OpenError::io("read", &path))
}

fn torn_name(first: Lsn) -> String {
    format!("{TORN_PREFIX}{:016}", first.number())
}

/// Copies a torn frame aside and forgets the oldest of such copies.
fn keep_copy(fs: &dyn Vfs, shard: &Path, first: Lsn, bytes: &[u8]) -> Result<PathBuf, OpenError> {
    let name = torn_name(first);
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
