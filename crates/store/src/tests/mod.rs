//! What the log promises, under faults.

mod backup;
mod checkpoint;
mod crash;
mod enumerate;
mod levels;
mod log;
mod memory;
mod model;
mod owner;
mod read;
mod reclaim;
mod rot;

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::address::Address;
use crate::batch::Batch;
use crate::error::{OpenError, WriteError};
use crate::faults::Disk;
use crate::frame::Kind;
use crate::log::{Options, open_tail};
use crate::lsn::Lsn;
use crate::recovery::{Load, Recovered, Recovery};
use crate::tail::Tail;
use crate::vfs::Vfs;

type Records = Vec<(Lsn, Vec<u8>)>;

fn data() -> &'static Path {
    Path::new("/data")
}

fn segment(number: u64) -> PathBuf {
    data().join("shard-00").join(crate::segment::file_name(number))
}

/// The smallest segments, so that a few records fill one.
fn small() -> Options {
    Options { segment_bytes: 0, ..Options::default() }
}

/// What was handed out on opening.
#[derive(Default)]
struct Loaded {
    pieces: Vec<Vec<u8>>,
    records: Records,
    addresses: Vec<Address>,
}

impl Load for Loaded {
    fn piece(&mut self, piece: &[u8]) {
        self.pieces.push(piece.to_vec());
    }

    fn record(&mut self, lsn: Lsn, address: Address, record: &[u8]) {
        self.records.push((lsn, record.to_vec()));
        self.addresses.push(address);
    }
}

/// A log without its thread, so that a seed decides everything.
struct Opened {
    tail: Tail,
    recovery: Recovery,
    records: Records,
    _lock: Box<dyn Any + Send>,
}

fn open(disk: &Disk) -> Result<Opened, OpenError> {
    let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut loaded = Loaded::default();
    let (Recovered { tail, recovery, .. }, lock) = open_tail(&fs, data(), small(), &mut loaded)?;
    Ok(Opened { tail, recovery, records: loaded.records, _lock: lock })
}

impl Opened {
    /// One group commit, as the writer does it.
    fn commit(&mut self, records: &[Vec<u8>]) -> Result<Lsn, WriteError> {
        let mut batch = self.batch();
        for record in records {
            batch.push(Kind::Data, record);
        }
        self.tail.write(&Arc::new(RwLock::new(batch)))?;
        self.tail.pave()?;
        self.tail.sync()?;
        self.tail.prepare_next()?;
        Ok(self.tail.synced())
    }

    fn mark(&mut self) -> Result<Lsn, WriteError> {
        let mut batch = self.batch();
        batch.push(Kind::Mark, &[]);
        self.tail.write(&Arc::new(RwLock::new(batch)))?;
        self.tail.sync()?;
        Ok(self.tail.synced())
    }

    fn batch(&self) -> Batch {
        Batch::new(self.tail.end(), self.tail.written().plus(1))
    }
}

/// What was written, against which every recovery is held.
#[derive(Clone, Default)]
struct Model {
    written: Records,
    acknowledged: Lsn,
}

impl Model {
    /// Nothing acknowledged is missing; what is there is the beginning of what was written, to the byte. What was
    /// shown by a recovery counts as acknowledged from then on.
    fn check(&mut self, opened: &Opened) -> Result<(), String> {
        let found = &opened.records;
        let promised = self.written.iter().filter(|(lsn, _)| *lsn <= self.acknowledged).count();
        if found.len() < promised {
            return Err(format!("{promised} records were acknowledged, {} are there", found.len()));
        }
        if found[..] != self.written[..found.len().min(self.written.len())] {
            return Err("the records are not the first of those written".to_owned());
        }
        if opened.recovery.last < self.acknowledged {
            return Err(format!("number {} would be given again", self.acknowledged));
        }
        self.written.truncate(found.len());
        self.acknowledged = opened.recovery.last;
        Ok(())
    }

    /// Commits these records and notes what was said of them.
    fn commit(&mut self, opened: &mut Opened, records: Vec<Vec<u8>>) -> Result<(), WriteError> {
        let first = opened.tail.written().plus(1);
        for (index, record) in records.iter().enumerate() {
            self.written.push((first.plus(index as u64), record.clone()));
        }
        self.acknowledged = opened.commit(&records)?;
        Ok(())
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A few records, mostly short, sometimes with long runs of zeros, as a torn sector has.
    fn records(&mut self) -> Vec<Vec<u8>> {
        let count = 1 + self.below(4);
        (0..count)
            .map(|_| {
                let length = if self.below(4) == 0 { self.below(900) } else { self.below(60) };
                let byte = if self.below(4) == 0 { 0 } else { self.next() as u8 };
                let mut record = vec![byte; length as usize];
                record.iter_mut().take(8).for_each(|byte| *byte = self.next() as u8);
                record
            })
            .collect()
    }
}
