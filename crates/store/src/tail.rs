//! The end of the log: where frames are written, one at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLockWriteGuard;

use crate::address::Address;
use crate::desk::Flight;
use crate::error::WriteError;
use crate::folder::is_zero_from;
use crate::lsn::Lsn;
use crate::segment::{FOOT_BYTES, HEAD_BYTES, SegmentHead, file_name};
use crate::vfs::{Vfs, VfsFile};

/// Where the next frame goes, in what it is chained to and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) next: Lsn,
    pub(crate) chain: u32,
}

/// How new segments are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentPlan {
    pub(crate) bytes: u64,
    /// Of the segment that is kept for a full disk.
    pub(crate) reserve_bytes: u64,
    pub(crate) salt: fn() -> u64,
}

/// How many zeros are written ahead of short frames at a time. A file system notes which of a file's allocated bytes have
/// ever been written, and a sync writes its notes too; where there are zeros already, it has only the frame to write.
const PAVED_BYTES: usize = 256 * 1024;

/// Frames longer than this are written where nothing was: their bytes outweigh the notes.
pub(crate) const SHORT_FRAME_BYTES_MAX: usize = 32 * 1024;

static ZEROS: [u8; PAVED_BYTES] = [0; PAVED_BYTES];

/// The file that is kept for a full disk.
const RESERVE_FILE: &str = "RESERVE";

impl SegmentPlan {
    /// The head of the first segment of a new log.
    pub(crate) fn first_head(&self) -> SegmentHead {
        self.head(1, Lsn::new(1), 0, Address::ZERO)
    }

    fn head(&self, number: u64, first: Lsn, chain: u32, start: Address) -> SegmentHead {
        SegmentHead { number, salt: (self.salt)(), first, bytes: self.bytes, chain, start }
    }

    /// The longest frame that the reserve can take.
    fn reserve_frame_bytes_max(&self) -> u64 {
        self.reserve_bytes - (HEAD_BYTES + FOOT_BYTES) as u64
    }
}

/// The segment that is written to, and the one that will follow it.
///
/// After an error it must not be used again: what of the frame is on disk is unknown.
pub(crate) struct Tail {
    fs: Arc<dyn Vfs>,
    shard: PathBuf,
    plan: SegmentPlan,
    head: SegmentHead,
    path: PathBuf,
    file: Box<dyn VfsFile>,
    place: Place,
    /// Up to here there are frames or written zeros.
    paved: u64,
    /// The last record that is synced.
    synced: Lsn,
    /// The next segment: allocated, its name synced, all zeros.
    spare: Option<Box<dyn VfsFile>>,
    /// A small segment that waits under another name until there is no space for a next one.
    reserve: Option<Box<dyn VfsFile>>,
}

impl Tail {
    pub(crate) fn new(
        fs: Arc<dyn Vfs>,
        shard: PathBuf,
        plan: SegmentPlan,
        head: SegmentHead,
        file: Box<dyn VfsFile>,
        place: Place,
    ) -> Self {
        let path = shard.join(file_name(head.number));
        let synced = place.next.before();
        Self {
            fs,
            shard,
            plan,
            head,
            path,
            file,
            place,
            paved: place.offset,
            synced,
            spare: None,
            reserve: None,
        }
    }

    /// The last record written, and perhaps not yet on disk.
    pub(crate) fn written(&self) -> Lsn {
        self.place.next.before()
    }

    /// The last record on disk.
    pub(crate) fn synced(&self) -> Lsn {
        self.synced
    }

    /// The folder of the segments.
    pub(crate) fn shard(&self) -> &Path {
        &self.shard
    }

    /// The segment that the last frame is in.
    pub(crate) fn head(&self) -> SegmentHead {
        self.head
    }

    /// Where the next frame begins.
    pub(crate) fn end(&self) -> Address {
        self.head.start.plus(self.place.offset - HEAD_BYTES as u64)
    }

    /// Writes the batch as one frame.
    pub(crate) fn write(&mut self, frame: &Flight) -> Result<(), WriteError> {
        let mut batch = frame.write();
        assert!(batch.first() == self.place.next, "frames are written in order");
        assert!(batch.base() == self.end(), "a frame begins where the one before ends");
        if !self.has_room(batch.frame_bytes()) {
            let bytes = batch.frame_bytes() as u64;
            drop(batch);
            self.roll(bytes)?;
            batch = frame.write();
        }
        let crc = batch.seal(self.head.salt, self.synced, self.place.chain);
        // Its records can be read while they are written.
        let batch = RwLockWriteGuard::downgrade(batch);
        self.file.write_at(batch.bytes(), self.place.offset).map_err(WriteError::io("write", &self.path))?;
        self.place.offset += batch.bytes().len() as u64;
        self.place.next = batch.next();
        self.place.chain = crc;
        Ok(())
    }

    /// Whether a frame of so many bytes fits into the segment that is written to.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.place.offset + bytes as u64 <= self.head.frames_end()
    }

    /// Makes the next syncs short, if the last frame was short and has gone beyond what is paved.
    pub(crate) fn pave(&mut self) -> Result<(), WriteError> {
        let from = self.place.offset;
        if from <= self.paved {
            return Ok(());
        }
        let to = self.head.frames_end().min(from + PAVED_BYTES as u64);
        self.file
            .write_at(&ZEROS[..(to - from) as usize], from)
            .map_err(WriteError::io("write", &self.path))?;
        self.paved = to;
        Ok(())
    }

    /// Waits until everything written is on disk.
    pub(crate) fn sync(&mut self) -> Result<(), WriteError> {
        if self.synced < self.written() {
            self.file.sync().map_err(WriteError::io("sync", &self.path))?;
            self.synced = self.written();
        }
        Ok(())
    }

    /// Has the next segment and the reserve ready, so that a full disk shows before the tail is full. `false`: there
    /// is no space; asking again later is fine.
    pub(crate) fn prepare_next(&mut self) -> Result<bool, WriteError> {
        if self.spare.is_none() {
            self.spare =
                self.find_space(&self.shard.join(file_name(self.head.number + 1)), self.plan.bytes)?;
        }
        if self.reserve.is_none() && self.spare.is_some() {
            let path = self.shard.join(RESERVE_FILE);
            self.reserve = match self.reserve_of_before(&path) {
                Some(file) => Some(file),
                None => self.find_space(&path, self.plan.reserve_bytes)?,
            };
        }
        Ok(self.spare.is_some() && self.reserve.is_some())
    }

    fn find_space(&self, path: &Path, bytes: u64) -> Result<Option<Box<dyn VfsFile>>, WriteError> {
        match allocate(&*self.fs, &self.shard, path, bytes) {
            Ok(file) => Ok(Some(file)),
            Err(WriteError::Full { .. }) => {
                // Gives back what was taken. If even that fails, the next attempt empties the file, and so does
                // the next start.
                let _ = self.fs.remove(path);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The reserve that an earlier run made, if it can be used.
    fn reserve_of_before(&self, path: &Path) -> Option<Box<dyn VfsFile>> {
        let file = self.fs.open(path).ok()?;
        let fits = file.bytes().ok()? == self.plan.reserve_bytes && is_zero_from(&*file, 0).ok()?;
        fits.then_some(file)
    }

    /// Goes over to the next segment, which gets a frame of `bytes`, in the order that `segment` tells: a head proves
    /// all before it, so that is synced first.
    fn roll(&mut self, bytes: u64) -> Result<(), WriteError> {
        self.sync()?;
        let mut head = self.plan.head(self.head.number + 1, self.place.next, self.place.chain, self.end());
        let path = self.shard.join(file_name(head.number));
        let file = match (self.spare.take(), &self.reserve) {
            (Some(file), _) => file,
            (None, Some(_)) if bytes <= self.plan.reserve_frame_bytes_max() => {
                head.bytes = self.plan.reserve_bytes;
                self.take_reserve(&path)?
            }
            (None, _) => allocate(&*self.fs, &self.shard, &path, self.plan.bytes)?,
        };
        file.write_at(&head.encode(), 0).map_err(WriteError::io("write", &path))?;
        file.sync().map_err(WriteError::io("sync", &path))?;
        let foot = head.foot_before().encode();
        self.file.write_at(&foot, self.head.frames_end()).map_err(WriteError::io("write", &self.path))?;
        self.file.sync().map_err(WriteError::io("sync", &self.path))?;
        self.place.offset = HEAD_BYTES as u64;
        self.paved = self.place.offset;
        (self.head, self.path, self.file) = (head, path, file);
        Ok(())
    }

    /// Makes the reserve the segment at this path: it has its space already, whoever takes the rest of the disk.
    fn take_reserve(&mut self, path: &Path) -> Result<Box<dyn VfsFile>, WriteError> {
        let reserve = self.shard.join(RESERVE_FILE);
        self.reserve = None;
        self.fs.rename(&reserve, path).map_err(WriteError::io("rename", &reserve))?;
        self.fs.sync_folder(&self.shard).map_err(WriteError::io("sync", &self.shard))?;
        self.fs.open(path).map_err(WriteError::io("open", path))
    }
}

fn allocate(fs: &dyn Vfs, shard: &Path, path: &Path, bytes: u64) -> Result<Box<dyn VfsFile>, WriteError> {
    let file = fs.create(path).map_err(WriteError::io("create", path))?;
    file.allocate(bytes).map_err(WriteError::io("allocate", path))?;
    file.sync().map_err(WriteError::io("sync", path))?;
    fs.sync_folder(shard).map_err(WriteError::io("sync", shard))?;
    Ok(file)
}
