//! The segments that the log's owner knows of, and reading from their files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::address::Address;
use crate::error::ReadError;
use crate::segment::{HEAD_BYTES, SegmentHead, file_name};
use crate::vfs::{Vfs, VfsFile};

/// Files kept open for reading; the one not read for longest is closed for another.
const FILES_OPEN_MAX: usize = 64;

/// What is known of one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) head: SegmentHead,
    /// Where its frames end; of the tail, where they end as far as they are written.
    pub(crate) end: Address,
}

/// The segments, by where they begin. There may be gaps, where dead ones were.
pub(crate) struct Segments {
    fs: Arc<dyn Vfs>,
    shard: PathBuf,
    known: BTreeMap<Address, Known>,
    files: RefCell<OpenFiles>,
}

/// Open files by number of segment, each with when it was last used.
#[derive(Default)]
struct OpenFiles {
    clock: u64,
    files: BTreeMap<u64, (u64, Box<dyn VfsFile>)>,
}

impl Segments {
    pub(crate) fn new(fs: Arc<dyn Vfs>, shard: PathBuf, known: Vec<Known>) -> Self {
        let known = known.into_iter().map(|segment| (segment.head.start, segment)).collect();
        Self { fs, shard, known, files: RefCell::default() }
    }

    /// Everything up to `end` is written, the last of it to the segment with this head.
    pub(crate) fn written(&mut self, tail: SegmentHead, end: Address) {
        if let Some(mut last) = self.known.last_entry() {
            let last = last.get_mut();
            if last.head.number == tail.number {
                last.end = end;
                return;
            }
            last.end = tail.start;
        }
        self.known.insert(tail.start, Known { head: tail, end });
    }

    /// The segment that has this byte.
    pub(crate) fn find(&self, address: Address) -> Option<&Known> {
        let (_, segment) = self.known.range(..=address).next_back()?;
        (address < segment.end).then_some(segment)
    }

    /// Fills the buffer from the file that has these bytes.
    pub(crate) fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), ReadError> {
        let absent = ReadError::Absent { address, bytes: buffer.len() };
        let Some(segment) = self.find(address) else { return Err(absent) };
        if address.checked_add(buffer.len() as u64).is_none_or(|end| end > segment.end) {
            return Err(absent);
        }
        let start = segment.head.start;
        let offset =
            address.since(start).expect("`find` answers a segment that begins before") + HEAD_BYTES as u64;
        let number = segment.head.number;
        self.files
            .borrow_mut()
            .with(&*self.fs, &self.shard.join(file_name(number)), number, |file| file.read_at(buffer, offset))
            .map_err(|source| ReadError::Io { path: self.shard.join(file_name(number)), offset, source })
    }
}

impl OpenFiles {
    fn with<T>(
        &mut self,
        fs: &dyn Vfs,
        path: &std::path::Path,
        number: u64,
        read: impl FnOnce(&dyn VfsFile) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        self.clock += 1;
        if let Some((used, file)) = self.files.get_mut(&number) {
            *used = self.clock;
            return read(&**file);
        }
        if self.files.len() >= FILES_OPEN_MAX {
            let oldest = self.files.iter().min_by_key(|(_, (used, _))| *used).map(|(number, _)| *number);
            oldest.map(|number| self.files.remove(&number));
        }
        let file = fs.open(path)?;
        let outcome = read(&*file);
        self.files.insert(number, (self.clock, file));
        outcome
    }
}
