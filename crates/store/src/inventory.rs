//! Which segment files there are, and that none is missing.

use std::path::{Path, PathBuf};

use crate::error::{Damage, OpenError};
use crate::folder::is_zero_from;
use crate::lsn::Lsn;
use crate::recovery::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::segment::{FOOT_BYTES, HEAD_BYTES, SegmentFoot, SegmentHead, file_name, file_number};
use crate::segments::{Known, Live};
use crate::vfs::{Vfs, VfsFile};

/// A segment file whose head is whole.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) head: SegmentHead,
}

/// The segments in order, the last being the tail, and the files behind it that were never used. There may be gaps.
pub(crate) fn segments(fs: &dyn Vfs, shard: &Path) -> Result<(Vec<Segment>, Vec<PathBuf>), OpenError> {
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
                segments.push(Segment { path, head });
            }
        }
    }
    if segments.is_empty() {
        let what = "the segment is missing or its head is unreadable";
        return Err(Damage { path: shard.join(file_name(1)), offset: 0, records: None, what }.into());
    }
    Ok((segments, unused))
}

impl Segment {
    pub(crate) fn open(&self, fs: &dyn Vfs) -> Result<Box<dyn VfsFile>, OpenError> {
        fs.open(&self.path).map_err(OpenError::io("open", &self.path))
    }

    fn foot(&self, fs: &dyn Vfs) -> Result<SegmentFoot, OpenError> {
        let offset = self.head.frames_end();
        let mut bytes = [0; FOOT_BYTES];
        self.open(fs)?.read_at(&mut bytes, offset).map_err(OpenError::io("read", &self.path))?;
        let foot = SegmentFoot::decode(&bytes).filter(|foot| foot.next == self.head.number + 1);
        foot.ok_or_else(|| {
            let what = "the foot of the segment is unreadable, and the one behind it is not there to ask";
            Damage { path: self.path.clone(), offset, records: None, what }.into()
        })
    }
}

/// The first segment of those that must be replayed after record `from`: the one that has the record behind it. From
/// there on none may be missing; before, those may be gone that nobody needed.
pub(crate) fn first_replayed(shard: &Path, segments: &[Segment], from: Lsn) -> Result<usize, Damage> {
    let missing = |number| {
        let what = "the segment is missing, though what is in it is needed";
        Damage { path: shard.join(file_name(number)), offset: 0, records: None, what }
    };
    let first = if from == Lsn::ZERO {
        (segments[0].head.number == 1).then_some(0).ok_or_else(|| missing(1))?
    } else {
        let behind = segments.iter().position(|segment| segment.head.first.before() > from);
        let first = behind.unwrap_or(segments.len()).checked_sub(1);
        first.ok_or_else(|| missing(segments[0].head.number.saturating_sub(1)))?
    };
    for pair in segments[first..].windows(2) {
        if pair[1].head.number != pair[0].head.number + 1 {
            return Err(missing(pair[0].head.number + 1));
        }
    }
    Ok(first)
}

/// What is known of the segments that are not replayed, without reading them: `next` is the one behind the last.
pub(crate) fn not_replayed(
    fs: &dyn Vfs,
    segments: &[Segment],
    next: &SegmentHead,
) -> Result<Vec<Known>, OpenError> {
    let nexts = segments.iter().skip(1).map(|segment| &segment.head).chain([next]);
    segments
        .iter()
        .zip(nexts)
        .map(|(segment, next)| {
            let head = segment.head;
            let foot = if next.number == head.number + 1 { next.foot_before() } else { segment.foot(fs)? };
            let frames = foot.end.since(head.start);
            let fits = frames.is_some_and(|bytes| bytes <= head.frames_end() - HEAD_BYTES as u64);
            if !fits || foot.next_first < head.first || next.start < foot.end || next.first < foot.next_first
            {
                let what = "the segment and the one behind it do not belong together";
                return Err(Damage { path: segment.path.clone(), offset: 0, records: None, what }.into());
            }
            Ok(Known {
                head,
                end: foot.end,
                last: Some(foot.next_first.before()),
                live: Live::default(),
                died: Lsn::ZERO,
            })
        })
        .collect()
}
