//! The segments that the log's owner knows of, and reading from their files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::address::Address;
use crate::error::{Damage, ReadError};
use crate::lsn::Lsn;
use crate::segment::{HEAD_BYTES, SegmentHead, file_name};
use crate::vfs::{Vfs, VfsFile};

/// Files kept open for reading; the one not read for longest is closed for another.
const FILES_OPEN_MAX: usize = 64;

/// For how long its owner needs something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Until it is counted as dead, or [all that is held so](crate::Log::count_loose_dead) is.
    Loose,
    /// Until it is counted as dead.
    Firm,
}

/// Bytes that their owner needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) loose: u64,
    pub(crate) firm: u64,
}

impl Live {
    pub(crate) fn bytes(self) -> u64 {
        self.loose + self.firm
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Live::default()
    }

    pub(crate) fn of(&mut self, hold: Hold) -> &mut u64 {
        match hold {
            Hold::Loose => &mut self.loose,
            Hold::Firm => &mut self.firm,
        }
    }

    fn add(&mut self, more: Live) {
        self.loose += more.loose;
        self.firm += more.firm;
    }
}

/// What is known of one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) head: SegmentHead,
    /// Where its frames end; of the tail, where they end as far as they are written.
    pub(crate) end: Address,
    /// Its last record, once it is sealed.
    pub(crate) last: Option<Lsn>,
    /// Bytes in it that its owner still needs.
    pub(crate) live: Live,
    /// The last record that may have made bytes in it dead. Until that is on disk, a power cut makes them live again.
    pub(crate) died: Lsn,
}

impl Known {
    fn key(&self) -> (Address, u64) {
        (self.head.start, self.head.number)
    }
}

/// A segment that is full, as seen by who wants its space back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its number; later ones are higher.
    pub number: u64,
    /// Its first byte's address.
    pub start: Address,
    /// The address behind its last byte.
    pub end: Address,
    /// Bytes in it that were counted as live.
    pub live: u64,
}

impl Sealed {
    /// The part of it that is live, 0 to 1.
    pub fn live_share(&self) -> f64 {
        let bytes = self.end.since(self.start).expect("a segment ends behind its start").max(1);
        self.live as f64 / bytes as f64
    }
}

/// A segment file that nobody needs any more.
pub(crate) struct Removal {
    path: PathBuf,
    /// Closed together with the unlinking: the last to close a file waits for its space to be given back.
    file: Option<Box<dyn VfsFile>>,
}

impl Removal {
    pub(crate) fn carry_out(self, fs: &dyn Vfs) {
        // A file that stays is found dead again after the next start.
        let _ = fs.remove(&self.path);
        drop(self.file);
    }
}

/// The segments, by where they begin. There may be gaps, where dead ones were.
pub(crate) struct Segments {
    fs: Arc<dyn Vfs>,
    shard: PathBuf,
    /// A segment may be empty, when a frame did not fit even there: the number tells it from the next.
    known: BTreeMap<(Address, u64), Known>,
    files: RefCell<OpenFiles>,
    /// Something has changed since [`Segments::take_dead`] last looked.
    may_be_dead: bool,
}

/// Open files by number of segment, each with when it was last used.
#[derive(Default)]
struct OpenFiles {
    clock: u64,
    files: BTreeMap<u64, (u64, Box<dyn VfsFile>)>,
}

impl Segments {
    pub(crate) fn new(fs: Arc<dyn Vfs>, shard: PathBuf, known: Vec<Known>) -> Self {
        let known = known.into_iter().map(|segment| (segment.key(), segment)).collect();
        Self { fs, shard, known, files: RefCell::default(), may_be_dead: true }
    }

    /// Everything up to `end` is written, the last of it to the segment with this head; `live` bytes of what is new
    /// there are live as of record `now`.
    pub(crate) fn written(&mut self, tail: SegmentHead, end: Address, live: Live, now: Lsn) {
        if let Some(mut last) = self.known.last_entry() {
            let last = last.get_mut();
            if last.head.number == tail.number {
                last.end = end;
                last.live.add(live);
                last.died = now;
                return;
            }
            last.end = tail.start;
            last.last = Some(tail.first.before());
            self.may_be_dead = true;
        }
        let tail = Known { head: tail, end, last: None, live, died: now };
        self.known.insert(tail.key(), tail);
    }

    /// Counts bytes of a segment as live.
    pub(crate) fn count_live(&mut self, address: Address, bytes: u64, hold: Hold) -> Result<(), Damage> {
        let end = address.checked_add(bytes);
        let found = self.known.range_mut(..=(address, u64::MAX)).next_back().map(|(_, segment)| segment);
        match found {
            Some(segment) if end.is_some_and(|end| end <= segment.end) => {
                *segment.live.of(hold) += bytes;
                Ok(())
            }
            before => {
                let number = before.map_or(1, |before| before.head.number + 1);
                let what = "the segment is missing, or the one before it was cut, though what is stored refers to it";
                Err(Damage { path: self.shard.join(file_name(number)), offset: 0, records: None, what })
            }
        }
    }

    /// Counts bytes of a segment as dead, as of record `now`, that were counted as live.
    pub(crate) fn count_dead(&mut self, address: Address, bytes: u64, hold: Hold, now: Lsn) {
        let Some((_, segment)) = self.known.range_mut(..=(address, u64::MAX)).next_back() else { return };
        let live = segment.live.of(hold);
        debug_assert!(address < segment.end && *live >= bytes, "only what was live can die");
        *live = live.saturating_sub(bytes);
        segment.died = now;
        self.may_be_dead |= segment.live.is_zero();
    }

    /// Counts everything that is held loosely as dead by this record.
    pub(crate) fn count_loose_dead(&mut self, now: Lsn) {
        for segment in self.known.values_mut().filter(|segment| segment.live.loose > 0) {
            segment.live.loose = 0;
            segment.died = now;
        }
        self.may_be_dead = true;
    }

    /// The sealed segments, oldest first.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = Sealed> + '_ {
        self.known.values().filter(|segment| segment.last.is_some()).map(|segment| {
            let Known { head, end, live, .. } = *segment;
            Sealed { number: head.number, start: head.start, end, live: live.bytes() }
        })
    }

    /// Bytes of the files of sealed segments in which nothing is live and that wait for checkpoints: of their records some are behind
    /// `replayed_from`.
    pub(crate) fn dead_behind(&self, replayed_from: Lsn) -> u64 {
        let dead = self.known.values().filter(|segment| {
            segment.live.is_zero() && segment.last.is_some_and(|last| last > replayed_from)
        });
        dead.map(|segment| segment.head.bytes).sum()
    }

    /// The heads of all segments, the tail last.
    pub(crate) fn heads(&self) -> Vec<SegmentHead> {
        self.known.values().map(|segment| segment.head).collect()
    }

    /// Bytes of all segment files.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.known.values().map(|segment| segment.head.bytes).sum()
    }

    /// Forgets the segments without live bytes whose records are all at or below `replayed_from`, and which died by
    /// records up to `synced`, and answers what there is to unlink.
    pub(crate) fn take_dead(&mut self, replayed_from: Lsn, synced: Lsn) -> Vec<Removal> {
        if !std::mem::take(&mut self.may_be_dead) {
            return Vec::new();
        }
        let is_ripe = |segment: &Known| {
            segment.live.is_zero() && segment.last.is_some_and(|last| last <= replayed_from)
        };
        self.may_be_dead = self.known.values().any(|segment| is_ripe(segment) && segment.died > synced);
        let is_dead = |segment: &Known| is_ripe(segment) && segment.died <= synced;
        let dead: Vec<_> =
            self.known.values().filter(|segment| is_dead(segment)).map(|segment| segment.head).collect();
        let files = &mut self.files.get_mut().files;
        dead.into_iter()
            .map(|head| {
                self.known.remove(&(head.start, head.number));
                let file = files.remove(&head.number).map(|(_, file)| file);
                Removal { path: self.shard.join(file_name(head.number)), file }
            })
            .collect()
    }

    /// What may be unlinked has changed.
    pub(crate) fn look_again(&mut self) {
        self.may_be_dead = true;
    }

    /// The segment that has this byte.
    pub(crate) fn find(&self, address: Address) -> Option<&Known> {
        let (_, segment) = self.known.range(..=(address, u64::MAX)).next_back()?;
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
        let file = fs.open_to_read(path)?;
        let outcome = read(&*file);
        self.files.insert(number, (self.clock, file));
        outcome
    }
}
