//! A consistent copy of a log that goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint;
use crate::error::OpenError;
use crate::folder;
use crate::frame::Frame;
use crate::lsn::Lsn;
use crate::segment::{HEAD_BYTES, SegmentHead, file_name};
use crate::vfs::Vfs;
use crate::writer::Shared;

/// Bytes copied at once.
const PIECE_BYTES: usize = 1024 * 1024;

/// A copy to be made of all that was durable when it was begun. While it is there, no segment is removed;
/// dropped, it is as if it had never been begun.
pub struct Backup {
    pub(crate) fs: Arc<dyn Vfs>,
    pub(crate) shard: PathBuf,
    pub(crate) checkpoint: Option<Lsn>,
    /// All segments, the tail last.
    pub(crate) segments: Vec<SegmentHead>,
    /// The last record that belongs to it.
    pub(crate) last: Lsn,
    pub(crate) shared: Arc<Shared>,
    /// The log looks whether somebody holds this.
    pub(crate) _kept: Arc<()>,
}

impl Backup {
    /// The last record that will be in the copy.
    pub fn last(&self) -> Lsn {
        self.last
    }

    /// Makes the copy in a new or empty folder, on any thread but the owner's, and answers its bytes. It can be opened
    /// as it is. Full segments are hard links where the file system can, and copies elsewhere.
    pub fn run(self, target: &Path) -> Result<u64, OpenError> {
        let fs = &*self.fs;
        let shard = folder::create_for_copy(fs, target)?;
        // Before anything else: a checkpoint goes when two newer ones are made.
        let mut bytes = 0;
        if let Some(lsn) = self.checkpoint {
            let name = checkpoint::file_name(lsn);
            bytes += copy(fs, &self.shard.join(&name), &shard.join(&name))?;
        }
        match self.shared.wait_until_synced(self.last) {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(OpenError::io("back up", &self.shard)(io::Error::other(error))),
            None => {
                let closed = io::Error::other("the log was closed before all was on disk");
                return Err(OpenError::io("back up", &self.shard)(closed));
            }
        }
        let Some((tail, sealed)) = self.segments.split_last() else { return Ok(bytes) };
        for head in sealed {
            let name = file_name(head.number);
            bytes += copy(fs, &self.shard.join(&name), &shard.join(&name))?;
        }
        bytes += self.copy_tail(tail, &shard)?;
        fs.sync_folder(&shard).map_err(OpenError::io("sync", &shard))?;
        folder::write_format(fs, target)?;
        folder::finish(fs, target)?;
        Ok(bytes)
    }

    /// The frames of the last segment up to the last record; it may have more by now, or be full.
    fn copy_tail(&self, head: &SegmentHead, shard: &Path) -> Result<u64, OpenError> {
        let from = self.shard.join(file_name(head.number));
        let file = self.fs.open(&from).map_err(OpenError::io("open", &from))?;
        let mut bytes = vec![0; head.frames_end() as usize];
        file.read_at(&mut bytes, 0).map_err(OpenError::io("read", &from))?;
        let (mut end, mut next, mut chain) = (HEAD_BYTES, head.first, head.chain);
        while next <= self.last
            && let Ok(frame) = Frame::decode(&bytes[end..], head.salt, next, chain)
        {
            end += frame.header.length as usize;
            next = next.plus(u64::from(frame.header.count));
            chain = frame.crc;
        }
        let to = shard.join(file_name(head.number));
        let file = self.fs.create(&to).map_err(OpenError::io("create", &to))?;
        file.allocate(head.bytes).map_err(OpenError::io("allocate", &to))?;
        file.write_at(&bytes[..end], 0).map_err(OpenError::io("write", &to))?;
        file.sync().map_err(OpenError::io("sync", &to))?;
        Ok(head.bytes)
    }
}

/// Links a file that is not written any more, or copies it.
fn copy(fs: &dyn Vfs, from: &Path, to: &Path) -> Result<u64, OpenError> {
    let source = fs.open(from).map_err(OpenError::io("open", from))?;
    let length = source.bytes().map_err(OpenError::io("read", from))?;
    if fs.link(from, to).is_ok() {
        return Ok(length);
    }
    let file = fs.create(to).map_err(OpenError::io("create", to))?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    while offset < length {
        let bytes = (length - offset).min(PIECE_BYTES as u64) as usize;
        source.read_at(&mut piece[..bytes], offset).map_err(OpenError::io("read", from))?;
        file.write_at(&piece[..bytes], offset).map_err(OpenError::io("write", to))?;
        offset += bytes as u64;
    }
    file.sync().map_err(OpenError::io("sync", to))?;
    Ok(length)
}
