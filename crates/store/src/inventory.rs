//! Which segment files there are, and that none is missing.

use std::path::{Path, PathBuf};

use crate::error::{Damage, OpenError};
use crate::folder::is_zero_from;
use crate::recovery::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::segment::{HEAD_BYTES, SegmentHead, file_name, file_number};
use crate::vfs::{Vfs, VfsFile};

/// A segment file whose head is whole.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn VfsFile>,
    pub(crate) head: SegmentHead,
}

/// The segments in order, the last being the tail, and the files behind it that were never used.
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
