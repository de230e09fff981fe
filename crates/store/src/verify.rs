//! Reading everything that is stored, to see whether it is whole, without changing anything.

use std::path::{Path, PathBuf};

use crate::checkpoint;
use crate::error::{Damage, OpenError};
use crate::folder;
use crate::frame::{BadFrame, Frame, Header, Kind, find_header};
use crate::listed::Listed;
use crate::lsn::Lsn;
use crate::segment::{HEAD_BYTES, SegmentFoot, SegmentHead, file_name, file_number};
use crate::vfs::Vfs;

/// What was found in a data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segment files with records.
    pub segments: u64,
    /// Records in them that are whole.
    pub records: u64,
    /// Bytes of the files that were read.
    pub bytes: u64,
    /// Checkpoints that are whole.
    pub checkpoints: u64,
    /// What is not as it was written, each with its file, place and records. Empty: a start finds all there is.
    pub damages: Listed<Damage>,
    /// A write that a crash tore at the very end, where it begins. No damage: the next start cuts it.
    pub torn: Option<(PathBuf, u64)>,
}

/// Reads every byte of every segment and checkpoint in a data folder that no process has open, and checks it against
/// its checksums. An error: the folder could not be read at all, or is none.
pub fn verify(fs: &dyn Vfs, data: &Path) -> Result<Verified, OpenError> {
    let folder = folder::open_existing(fs, data)?;
    let mut check = Check { found: Verified::default(), replayed: Lsn::ZERO, proven: Lsn::ZERO };
    check.checkpoints(fs, &folder.shard)?;
    check.segments(fs, &folder.shard)?;
    Ok(check.found)
}

struct Check {
    found: Verified,
    /// The newest whole checkpoint: segments below may be gone.
    replayed: Lsn,
    /// Records up to here were on disk.
    proven: Lsn,
}

/// What a segment must begin with, by the end of the one before.
struct Expected {
    number: u64,
    first: Lsn,
    chain: u32,
}

impl Check {
    fn checkpoints(&mut self, fs: &dyn Vfs, shard: &Path) -> Result<(), OpenError> {
        for lsn in checkpoint::list(fs, shard)?.0 {
            match checkpoint::read(fs, shard, lsn, &mut |_| {}) {
                Ok(summary) => {
                    self.found.checkpoints += 1;
                    self.found.bytes += summary.bytes;
                    self.replayed = self.replayed.max(summary.lsn);
                    self.proven = self.proven.max(summary.end);
                }
                Err(OpenError::Damaged(damage)) => self.found.damages.push(damage),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn segments(&mut self, fs: &dyn Vfs, shard: &Path) -> Result<(), OpenError> {
        let names = fs.list(shard).map_err(OpenError::io("read", shard))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| file_number(name)).collect();
        numbers.sort_unstable();
        let mut files = Vec::new();
        for number in numbers {
            let path = shard.join(file_name(number));
            let file = fs.open(&path).map_err(OpenError::io("open", &path))?;
            let length = file.bytes().map_err(OpenError::io("read", &path))?;
            let mut bytes = vec![0; length.min(HEAD_BYTES as u64) as usize];
            file.read_at(&mut bytes, 0).map_err(OpenError::io("read", &path))?;
            let head =
                SegmentHead::decode(&bytes).filter(|head| head.number == number && head.bytes == length);
            let is_unused =
                folder::is_zero_from(&*file, HEAD_BYTES as u64).map_err(OpenError::io("read", &path))?;
            files.push((number, path, head, is_unused));
        }
        while files.last().is_some_and(|(.., head, is_unused)| head.is_none() && *is_unused) {
            files.pop();
        }
        let count = files.len();
        let tail_is_unused = files.last().is_some_and(|(.., is_unused)| *is_unused);
        let mut expected: Option<Expected> = None;
        for (index, (number, path, head, _)) in files.into_iter().enumerate() {
            let Some(head) = head else {
                self.damage(&path, 0, None, "the head of the segment is unreadable");
                expected = None;
                continue;
            };
            self.follows(shard, &path, &head, expected.as_ref());
            let file = fs.open(&path).map_err(OpenError::io("open", &path))?;
            let mut bytes = vec![0; head.bytes as usize];
            file.read_at(&mut bytes, 0).map_err(OpenError::io("read", &path))?;
            self.found.segments += 1;
            self.found.bytes += head.bytes;
            let is_tail = index + 1 == count;
            // The tail may have been begun just now, which the one before does not say yet.
            let may_lack_foot = is_tail || (index + 2 == count && tail_is_unused);
            let (first, chain) = self.segment(&path, &head, &bytes, is_tail, may_lack_foot);
            expected = Some(Expected { number: number + 1, first, chain });
        }
        if count == 0 {
            self.damage(&shard.join(file_name(1)), 0, None, "the segment is missing");
        }
        Ok(())
    }

    /// Whether this is what comes behind the segment before it.
    fn follows(&mut self, shard: &Path, path: &Path, head: &SegmentHead, expected: Option<&Expected>) {
        let before = head.first.before();
        match expected.filter(|expected| expected.number == head.number) {
            Some(expected) if expected.first == head.first && expected.chain == head.chain => {}
            Some(_) => self.damage(path, 0, None, "the segment does not follow from the one before it"),
            // A gap is where dead segments were, if it is below the checkpoint.
            None if before <= self.replayed => {}
            None => {
                let missing = shard.join(file_name(head.number.saturating_sub(1)));
                let records = Some((self.replayed.plus(1), before));
                let what = "the segment is missing or unreadable, though what is in it is needed";
                self.damage(&missing, 0, records, what);
            }
        }
    }

    /// Reads all frames, those behind a damaged one too. Answers what the next segment must begin with.
    fn segment(
        &mut self,
        path: &Path,
        head: &SegmentHead,
        bytes: &[u8],
        is_tail: bool,
        may_lack_foot: bool,
    ) -> (Lsn, u32) {
        let frames = &bytes[..head.frames_end() as usize];
        let foot = &bytes[head.frames_end() as usize..];
        let whole_foot = SegmentFoot::decode(foot);
        // What is written of a foot when the power fails is as good as nothing, while there is a next segment to ask.
        let is_excused = may_lack_foot && (!is_tail || foot.iter().all(|byte| *byte == 0));
        if whole_foot.is_none() && !is_excused {
            self.damage(path, head.frames_end(), None, "the foot of the segment is unreadable");
        }
        if is_tail && let Some(foot) = &whole_foot {
            let what = "the segment is missing, though the one before says that it was begun";
            self.damage(&path.with_file_name(file_name(foot.next)), 0, None, what);
        }
        let (mut at, mut next, mut chain) = (HEAD_BYTES, head.first, head.chain);
        loop {
            let bad = match Frame::decode(&frames[at..], head.salt, next, chain) {
                Ok(frame) => {
                    self.found.records +=
                        frame.records().filter(|record| record.kind == Kind::Data).count() as u64;
                    at += frame.header.length as usize;
                    next = next.plus(u64::from(frame.header.count));
                    chain = frame.crc;
                    continue;
                }
                Err(bad) => bad,
            };
            let end = whole_foot.map_or(head.first, |foot| foot.next_first);
            if frames[at..].iter().all(|byte| *byte == 0) {
                let proven = if is_tail { self.proven } else { end.before() };
                if proven >= next {
                    self.unreadable(path, at, next, proven);
                }
                return (next.max(end), whole_foot.map_or(chain, |foot| foot.chain));
            }
            let later = later_frame(frames, at, head.salt, next, bad);
            let synced = later.map_or(self.proven, |(_, header)| header.durable.max(self.proven));
            let is_torn = is_tail && whole_foot.is_none() && synced < next && !is_impossible(bad);
            match later {
                _ if is_torn => {
                    self.found.torn = Some((path.to_owned(), at as u64));
                    return (next, chain);
                }
                Some((later, header)) => {
                    self.unreadable(path, at, next, header.first.before());
                    (at, next, chain) = (later, header.first, header.chain);
                }
                None => {
                    self.unreadable(path, at, next, end.before().max(self.proven));
                    return (next.max(end), whole_foot.map_or(chain, |foot| foot.chain));
                }
            }
        }
    }

    fn unreadable(&mut self, path: &Path, at: usize, first: Lsn, last: Lsn) {
        let records = (first <= last).then_some((first, last));
        self.damage(path, at as u64, records, "records are unreadable");
    }

    fn damage(&mut self, path: &Path, offset: u64, records: Option<(Lsn, Lsn)>, what: &'static str) {
        self.found.damages.push(Damage { path: path.to_owned(), offset, records, what });
    }
}

/// Whether no crash leaves this.
fn is_impossible(bad: BadFrame) -> bool {
    matches!(bad, BadFrame::Misplaced | BadFrame::Record)
}

/// The next frame behind a bad one that can be read on from.
fn later_frame(frames: &[u8], at: usize, salt: u64, next: Lsn, bad: BadFrame) -> Option<(usize, Header)> {
    let mut from = match bad {
        BadFrame::Body(header) => at + header.length as usize,
        BadFrame::Header | BadFrame::Misplaced | BadFrame::Record => at + 1,
    };
    while let Some((found, header)) = frames.get(from..).and_then(|rest| find_header(rest, salt)) {
        let place = from + found;
        if header.first >= next && Frame::decode(&frames[place..], salt, header.first, header.chain).is_ok() {
            return Some((place, header));
        }
        from = place + 1;
    }
    None
}
