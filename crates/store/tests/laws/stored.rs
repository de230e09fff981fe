//! A small folder that was written as it should be, and what is in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, LazyLock};

use naru_store::{
    Address, Hold, Load, Log, Lsn, MemoryFs, OpenError, Options, Recovery, Verified, Vfs, VfsFile, verify,
};

/// Bytes of a frame before the first record's body, and of its header, as `frame.rs` says.
const BEFORE_BODY_BYTES: u64 = 41;
pub(super) const FRAME_HEADER_BYTES: usize = 36;
/// Bytes of a segment before its frames, and where in them the address of the first frame stands: see `segment.rs`.
pub(super) const HEAD_BYTES: usize = 4096;
const START_AT: usize = 52;

const RECORDS: u64 = 60;

pub(super) fn data() -> &'static Path {
    Path::new("/data")
}

/// All files of a folder.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A folder: its files, and what was stored in it.
pub(super) struct Stored {
    pub(super) files: Files,
    /// Every record, its address, and whether it is referred to.
    pub(super) records: Vec<(Lsn, Address, Vec<u8>, bool)>,
    /// The pieces of each checkpoint, and the last record that it proves.
    pub(super) checkpoints: BTreeMap<Lsn, (Vec<Vec<u8>>, Lsn)>,
    /// Each frame's first record, and where it begins; a mark has a frame of its own.
    pub(super) frames: Vec<(Lsn, Address)>,
}

/// What a start was given.
#[derive(Default, Debug, PartialEq)]
pub(super) struct Loaded {
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) records: Vec<(Lsn, Address, Vec<u8>)>,
}

impl Load for Loaded {
    fn piece(&mut self, piece: &[u8]) {
        self.pieces.push(piece.to_vec());
    }

    fn record(&mut self, lsn: Lsn, address: Address, record: &[u8]) {
        self.records.push((lsn, address, record.to_vec()));
    }
}

/// Those of [`folders`] are the same in every run, so that an input means the same.
fn salt() -> u64 {
    static SALTS: AtomicU64 = AtomicU64::new(0);
    SALTS.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
}

pub(super) fn open(fs: &MemoryFs) -> Result<(Log, Recovery, Loaded), OpenError> {
    let mut loaded = Loaded::default();
    let options = Options { segment_bytes: 0, salt, ..Options::default() };
    let (log, recovery) = Log::open(Arc::new(fs.clone()), data(), options, Box::new(|_| {}), &mut loaded)?;
    Ok((log, recovery, loaded))
}

/// Reads everything, without a change.
pub(super) fn verified(fs: &MemoryFs) -> Result<Verified, OpenError> {
    verify(fs, data())
}

/// One that a crash has left, and one that was closed.
pub(super) fn folders() -> &'static [Stored; 2] {
    static FOLDERS: LazyLock<[Stored; 2]> = LazyLock::new(|| [Stored::new(false), Stored::new(true)]);
    &FOLDERS
}

impl Stored {
    /// Several segments, some of which are gone, two checkpoints, and records behind them; closed at the end, or left
    /// as a crash leaves it.
    fn new(is_closed: bool) -> Stored {
        let fs = MemoryFs::new();
        let mut loaded = Loaded::default();
        let (told, durable) = sync_channel(1000);
        let options = Options { segment_bytes: 0, salt, ..Options::default() };
        let on_durable = Box::new(move |outcome| drop(told.send(outcome)));
        let opened = Log::open(Arc::new(fs.clone()), data(), options, on_durable, &mut loaded);
        let mut log = opened.expect("memory can be written to").0;
        let mut stored = Stored {
            files: Files::new(),
            records: Vec::new(),
            checkpoints: BTreeMap::new(),
            frames: Vec::new(),
        };
        log.reclaim();
        for number in 1..=RECORDS {
            let is_first = number % 3 != 0;
            let bytes = number * 37 % 500 + u64::from(number % 20 == 0) * 2000;
            let mut record = vec![if number % 7 == 0 { 0 } else { number as u8 }; 8 + bytes as usize];
            record[..8].copy_from_slice(&number.to_le_bytes());
            let frame = log.next_address().position() - BEFORE_BODY_BYTES;
            let (lsn, address) = log.append(&record).expect("it fits");
            if is_first {
                stored.frames.push((lsn, Address::new(frame)));
            }
            // The early ones are dead as soon as a checkpoint is made, but for one.
            let is_live = number == 1 || number > 30;
            log.count_live(address, record.len() as u64, Hold::Loose).expect("it is there");
            stored.records.push((lsn, address, record, is_live));
            // Every third record is in a frame with the one before.
            if number % 3 != 2 {
                submit(&mut log, lsn, &durable);
            }
            if number == 30 || number == 45 {
                stored.checkpoint(&mut log, number);
            }
        }
        for (_, address, record, is_live) in &stored.records {
            if !is_live {
                log.count_dead(*address, record.len() as u64, Hold::Loose);
            }
        }
        let (lsn, address) = log.append(b"the early ones are dead").expect("it fits");
        stored.frames.push((lsn, Address::new(address.position() - BEFORE_BODY_BYTES)));
        stored.records.push((lsn, address, b"the early ones are dead".to_vec(), false));
        submit(&mut log, lsn, &durable);
        // Dead segments are unlinked before the log is closed.
        log.submit().expect("memory can be written to");
        if is_closed {
            let end = log.next_address().position() - BEFORE_BODY_BYTES;
            stored.frames.push((Lsn::new(lsn.number() + 1), Address::new(end)));
            log.close().expect("memory can be written to");
        } else {
            drop(log);
        }
        stored.files = files(&fs);
        stored
    }

    fn checkpoint(&mut self, log: &mut Log, number: u64) {
        let mut checkpoint = log.begin_checkpoint().expect("there is none under way");
        let pieces: Vec<Vec<u8>> = (0..4).map(|piece| vec![number as u8; 1 + 50 * piece]).collect();
        pieces.iter().for_each(|piece| checkpoint.push(piece.clone()));
        let (lsn, end) = (checkpoint.lsn(), log.last());
        log.finish_checkpoint(checkpoint);
        let outcome = loop {
            match log.checkpoint_outcome() {
                Some(outcome) => break outcome,
                None => std::thread::yield_now(),
            }
        };
        outcome.expect("memory can be written to");
        self.checkpoints.insert(lsn, (pieces, end));
    }

    /// Where in which file a byte of the log stands; none if its segment is gone.
    pub(super) fn locate(&self, address: Address) -> Option<(&Path, usize)> {
        let segments = self.files.iter().filter(|(path, bytes)| is_segment(path) && bytes[0] != 0);
        let segments = segments.map(|(path, bytes)| {
            let start = u64::from_le_bytes(bytes[START_AT..START_AT + 8].try_into().expect("eight bytes"));
            (path, start, bytes.len() - HEAD_BYTES)
        });
        // What is not used at the end of one has the addresses of the next.
        let found = segments.rev().find(|(_, start, _)| *start <= address.position());
        let found = found.filter(|(_, start, frames)| address.position() - start < *frames as u64);
        found.map(|(path, start, _)| (path.as_path(), HEAD_BYTES + (address.position() - start) as usize))
    }
}

fn submit(log: &mut Log, lsn: Lsn, durable: &std::sync::mpsc::Receiver<Result<Lsn, naru_store::WriteError>>) {
    log.submit().expect("memory can be written to");
    while log.durable() < lsn {
        durable.recv().expect("the log is there").expect("memory can be written to");
    }
}

pub(super) fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "seg")
}

/// What is in all files.
fn files(fs: &MemoryFs) -> Files {
    let mut files = Files::new();
    for folder in [data().to_owned(), data().join("shard-00")] {
        for name in fs.list(&folder).expect("it is there") {
            let path = folder.join(name);
            if let Ok(file) = fs.open(&path) {
                let mut bytes = vec![0; file.bytes().expect("memory can be read") as usize];
                file.read_at(&mut bytes, 0).expect("memory can be read");
                files.insert(path, bytes);
            }
        }
    }
    files
}

/// A folder with these files.
pub(super) fn folder_of(files: &Files) -> MemoryFs {
    let fs = MemoryFs::new();
    for folder in [data().to_owned(), data().join("shard-00")] {
        fs.create_folder(&folder).expect("it is new");
    }
    for (path, bytes) in files {
        let file = fs.create(path).expect("memory can be written to");
        write(&*file, bytes);
    }
    fs
}

/// Zeros at the end take no memory, as they do not when a segment is made.
fn write(file: &dyn VfsFile, bytes: &[u8]) {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    file.write_at(&bytes[..used], 0).expect("memory can be written to");
    file.allocate(bytes.len() as u64).expect("memory can be written to");
}
