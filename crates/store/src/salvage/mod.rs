//! What can still be read of a data folder that is damaged. The folder is never changed.
//!
//! The newest whole checkpoint is handed on, and every record behind it that is as it was appended: of a damaged frame
//! too, and behind one, since frames are found again by their salted headers, and numbered by their neighbours. Without a
//! whole checkpoint, and without a log from the first record on, whole pieces of damaged checkpoints are handed on, and all
//! of the log.
//!
//! [`Salvage::open`] and [`Salvage::load`], then `segments` (which files there are), `walk` (their frames), `loose`
//! (records of a frame that is damaged, by `checksums`), `salt` (which a segment without a head had), `pieces` and `lenient` (files that cannot be read in places).

mod checksums;
mod lenient;
mod loose;
mod pieces;
mod salt;
mod segments;
mod target;
mod walk;

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Address;
use crate::checkpoint::{self, Choice, Summary};
use crate::error::{Damage, OpenError, ReadError};
use crate::folder::{self, Folder};
use crate::listed::Listed;
use crate::lsn::Lsn;
use crate::recovery::Load;
use crate::segment::{HEAD_BYTES, file_name};
use crate::segments::{Known, Live, Segments};
use crate::vfs::Vfs;

pub use target::Target;

use segments::Segment;
use walk::Walk;

/// What takes in what a salvage finds: a start's [`Load`], and what it has to know of what is lost.
pub trait Rescue: Load {
    /// Pieces of another checkpoint follow, a newer one.
    fn next_checkpoint(&mut self);

    /// A piece of a checkpoint is lost here.
    fn lost_piece(&mut self);

    /// A record is lost of which there are these bytes, not all as they were appended.
    fn lost_record(&mut self, lsn: Lsn, bytes: &[u8]);
}

/// What could be read, and what is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// The whole checkpoint that was taken.
    pub checkpoint: Option<Lsn>,
    /// The pieces of damaged checkpoints had to be taken.
    pub is_pieced: bool,
    /// Records behind the checkpoint that are whole.
    pub records: u64,
    /// Every damaged place that was met, with the records lost there. There may be others that nothing needed.
    pub damages: Listed<Damage>,
    /// Records that were on disk once and are nowhere now: first and last, where the last is known. They rise.
    pub lost: Listed<(Lsn, Option<Lsn>)>,
    /// A write that a crash tore at the very end, where it begins. No loss: a start cuts it.
    pub torn: Option<(PathBuf, u64)>,
}

impl Salvaged {
    /// Whether every record and every piece of a checkpoint that counts is there. Bodies below the checkpoint show their
    /// damage when they are read.
    pub fn has_all_records(&self) -> bool {
        self.lost.is_empty() && !self.is_pieced
    }
}

/// A data folder that is being read in spite of damage, locked until this is dropped.
pub struct Salvage {
    fs: Arc<dyn Vfs>,
    shard: PathBuf,
    segments: Vec<Segment>,
    places: Segments,
    choice: Choice,
    /// All checkpoints, newest first.
    checkpoints: Vec<Lsn>,
    damages: Listed<Damage>,
    _lock: Box<dyn Any + Send>,
}

impl Salvage {
    /// Looks at what there is. An error: another process has the folder, it is of another version, or nothing in it can
    /// be read at all.
    pub fn open(fs: Arc<dyn Vfs>, data: &Path) -> Result<Self, OpenError> {
        let (Folder { shard, lock }, format) = folder::open_damaged(&*fs, data)?;
        let mut damages = format.map(Listed::from).unwrap_or_default();
        if !fs.exists(&shard).map_err(OpenError::io("read", &shard))? {
            let what = "the folder is missing, and with it all that was stored";
            return Err(Damage { path: shard, offset: 0, records: None, what }.into());
        }
        let checkpoints = checkpoint::list(&*fs, &shard)?.0;
        let choice = choose(&*fs, &shard, &checkpoints, &mut damages);
        let segments = segments::find(&*fs, &shard, &mut damages)?;
        if segments.is_empty() && checkpoints.is_empty() {
            let what = "no segment can be read, and there is no checkpoint: nothing can be salvaged";
            return Err(Damage { path: shard.join(file_name(1)), offset: 0, records: None, what }.into());
        }
        let places = Segments::new(fs.clone(), shard.clone(), known(&segments));
        Ok(Self { fs, shard, segments, places, choice, checkpoints, damages, _lock: lock })
    }

    /// Hands on all that can be read, in order.
    pub fn load(&mut self, load: &mut dyn Rescue) -> Salvaged {
        let used = self.choice.used;
        let mut found = Salvaged {
            checkpoint: used.map(|used| used.lsn),
            damages: std::mem::take(&mut self.damages),
            ..Salvaged::default()
        };
        match used {
            Some(Summary { lsn, .. }) => self.load_checkpoint(lsn, &mut found, load),
            None if self.has_all_records() => {}
            None => {
                // The older first, so that a newer one's word counts.
                for lsn in self.checkpoints.iter().rev() {
                    load.next_checkpoint();
                    pieces::read(&*self.fs, &self.shard, *lsn, load);
                    found.is_pieced = true;
                }
            }
        }
        let mut walk = Walk::new(&*self.fs, used, found);
        walk.all(&self.shard, &self.segments, load);
        walk.finish()
    }

    /// Whether no segment has gone, as those do whose records are in checkpoints.
    fn has_all_records(&self) -> bool {
        (1..).zip(&self.segments).all(|(number, segment)| segment.head.number == number)
    }

    fn load_checkpoint(&self, lsn: Lsn, found: &mut Salvaged, load: &mut dyn Rescue) {
        if let Err(error) = checkpoint::read(&*self.fs, &self.shard, lsn, &mut |piece| load.piece(piece)) {
            // It was whole a moment ago.
            found.damages.push(damage_of(&self.shard, lsn, error));
            found.is_pieced = true;
            load.lost_piece();
        }
    }

    /// Fills the buffer with the bytes of a record that stand there, which are not checked.
    pub fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.places.read(address, buffer)
    }

    /// Whether there is a segment that these bytes are in.
    pub fn holds(&self, address: Address, bytes: u64) -> bool {
        let segment = self.places.find(address);
        let end = address.checked_add(bytes);
        segment.zip(end).is_some_and(|(segment, end)| end <= segment.end)
    }

    /// The file that these bytes are in, or would be in if it were there, and where.
    pub fn locate(&self, address: Address) -> (PathBuf, u64) {
        match self.places.find(address) {
            Some(segment) => {
                let offset = address.position() - segment.head.start.position() + HEAD_BYTES as u64;
                (self.shard.join(file_name(segment.head.number)), offset)
            }
            None => {
                let before = self.segments.iter().rev().find(|segment| segment.head.start <= address);
                (self.shard.join(file_name(before.map_or(1, |before| before.head.number + 1))), 0)
            }
        }
    }
}

/// The newest whole checkpoint. One that cannot be read is as one that is damaged.
fn choose(fs: &dyn Vfs, shard: &Path, lsns: &[Lsn], damages: &mut Listed<Damage>) -> Choice {
    let mut choice = Choice::default();
    for lsn in lsns {
        match checkpoint::read(fs, shard, *lsn, &mut |_| {}) {
            Ok(summary) => {
                choice.used = Some(summary);
                break;
            }
            Err(error) => damages.push(damage_of(shard, *lsn, error)),
        }
    }
    choice
}

fn damage_of(shard: &Path, lsn: Lsn, error: OpenError) -> Damage {
    let path = shard.join(checkpoint::file_name(lsn));
    match error {
        OpenError::Damaged(damage) => damage,
        _ => Damage { path, offset: 0, records: None, what: "the checkpoint cannot be read" },
    }
}

/// Where which addresses are. Where a segment's frames end may not be known: then it may have all up to the next.
fn known(segments: &[Segment]) -> Vec<Known> {
    let nexts = segments.iter().skip(1).map(|next| Some(next.head.start)).chain([None]);
    let known = segments.iter().zip(nexts).map(|(Segment { head, foot, .. }, next)| {
        let room = head.start.plus(head.frames_end() - HEAD_BYTES as u64);
        let end = foot.whole().map(|foot| foot.end).or(next).map_or(room, |end| end.min(room));
        Known { head: *head, end, last: None, live: Live::default(), died: Lsn::ZERO }
    });
    known.collect()
}

#[cfg(test)]
mod tests;
