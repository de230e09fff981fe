//! What holds for a folder of which one file, or one stretch of one, is not what was written.

use std::path::{Path, PathBuf};

use naru_measured::peak_bytes;
use naru_store::{Hold, Lsn, Recovery};

use super::stored::{
    FRAME_HEADER_BYTES, Files, Loaded, Stored, folder_of, folders, is_segment, open, verified,
};

/// Memory that reading a folder may take for each of its bytes, and beside that.
const BYTES_FOR_ONE: usize = 3;
const BYTES_EXTRA: usize = 256 * 1024;

/// Damages one of two folders as `data` says, and opens it: it is refused, or what is gone is said, or all is there.
pub(crate) fn hold(data: &[u8]) {
    let mut choices = Choices(data);
    let stored = &folders()[usize::from(choices.byte()) % 2];
    let mut files = stored.files.clone();
    let Some(damaged) = damage(&mut files, &mut choices) else { return };
    let fs = folder_of(&files);
    let bytes: usize = files.values().map(Vec::len).sum();
    let ((found, opened), peak) = peak_bytes(|| (verified(&fs), open(&fs)));
    assert!(peak <= BYTES_FOR_ONE * bytes + BYTES_EXTRA, "{peak} bytes of memory for {bytes} in files");
    let is_seen = found.as_ref().map_or(true, |found| !found.damages.is_empty() || found.torn.is_some());
    match opened {
        Err(error) => {
            assert!(is_seen, "verify has not seen: {error}");
            assert!(error.to_string().contains("/data"), "{error}");
        }
        Ok((mut log, recovery, loaded)) => {
            check(stored, &files, &recovery, &loaded);
            read_live(stored, &damaged, &mut log);
            goes_on(&fs, log, loaded);
        }
    }
}

/// What was handed out is what was stored, up to the end or to where something is said to be cut.
fn check(stored: &Stored, files: &Files, recovery: &Recovery, loaded: &Loaded) {
    let from = recovery.checkpoint.unwrap_or(Lsn::ZERO);
    let nothing = (Vec::new(), Lsn::ZERO);
    let (pieces, proven) = recovery.checkpoint.map_or(&nothing, |lsn| &stored.checkpoints[&lsn]);
    assert_eq!(&loaded.pieces, pieces);
    let expected: Vec<_> = stored.records.iter().filter(|(lsn, ..)| *lsn > from).collect();
    assert!(loaded.records.len() <= expected.len(), "more than was stored");
    for ((lsn, address, record), expected) in loaded.records.iter().zip(&expected) {
        assert_eq!((lsn, address, record), (&expected.0, &expected.1, &expected.2));
    }
    // A mark of the end may be missing though no record is.
    let missing = stored.frames.iter().position(|(first, _)| *first > recovery.last);
    let Some(missing) = missing else {
        // Something may stand behind the end, and is said to be torn.
        assert_eq!(loaded.records.len(), expected.len());
        return;
    };
    assert!(stored.frames[missing].0 > *proven, "a checkpoint proves what is missing");
    // Whatever is behind a place says that what is before was on disk. So nothing behind is left, and what stands there
    // is said to be torn, unless it is as if nothing had ever been written.
    let end = |index: usize| {
        let (path, at) = stored.locate(stored.frames[index].1)?;
        Some((files.get(path), &stored.files[path], at))
    };
    for index in missing + 1..stored.frames.len() {
        let Some((Some(now), before, at)) = end(index) else { continue };
        let header = at..at + FRAME_HEADER_BYTES;
        assert_ne!(
            now.get(header.clone()),
            before.get(header),
            "frame {index} says that {missing} was on disk"
        );
    }
    if let Some((Some(now), ..)) = end(missing) {
        let at = end(missing).map_or(0, |(.., at)| at);
        let is_zero = now[at..].iter().all(|byte| *byte == 0);
        assert!(recovery.torn.is_some() || is_zero, "what is missing is not said to be torn");
    }
}

/// What is referred to is there to the byte, unless its own file was damaged.
fn read_live(stored: &Stored, damaged: &Path, log: &mut naru_store::Log) {
    let last = log.last();
    let live = stored.records.iter().filter(|(lsn, .., is_live)| *is_live && *lsn <= last);
    for (lsn, address, record, _) in live {
        let is_elsewhere = stored.locate(*address).is_some_and(|(path, _)| path != damaged);
        let mut buffer = vec![0; record.len()];
        let counted = log.count_live(*address, record.len() as u64, Hold::Loose);
        let read = log.read(*address, &mut buffer);
        assert!(!is_elsewhere || counted.is_ok() && read.is_ok() && buffer == *record, "record {lsn}");
    }
}

/// It can be written to, and is the same when it is opened again.
fn goes_on(fs: &naru_store::MemoryFs, mut log: naru_store::Log, mut loaded: Loaded) {
    let record = b"and on".to_vec();
    let (lsn, address) = log.append(&record).expect("it fits");
    log.close().expect("memory can be written to");
    loaded.records.push((lsn, address, record));
    let (_, recovery, again) = open(fs).unwrap_or_else(|error| panic!("not a second time: {error}"));
    assert!(recovery.torn.is_none() && recovery.clean && again == loaded);
}

/// Bytes that choose; zeros when there are no more.
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl Choices<'_> {
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    pub(super) fn path(&mut self, files: &Files) -> PathBuf {
        let index = usize::from(self.byte()) % files.len();
        files.keys().nth(index).expect("the index is below the length").clone()
    }

    /// A stretch of a file; most are short.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let at = self.number() % length.max(1);
        let bytes = match self.byte() {
            choice @ 0..128 => usize::from(choice) + 1,
            128..160 => 512,
            160..192 => 4096,
            _ => self.number(),
        };
        at..(at + bytes).min(length)
    }
}

/// Damages a file and answers which; none if it is as it was.
fn damage(files: &mut Files, choices: &mut Choices<'_>) -> Option<PathBuf> {
    let path = choices.path(files);
    let before = files[&path].clone();
    let mut bytes = before.clone();
    match choices.byte() % 8 {
        0 => {
            let at = choices.number() % bytes.len().max(1);
            *bytes.get_mut(at)? ^= 1 << (choices.byte() % 8);
        }
        1 => {
            let range = choices.range(bytes.len());
            bytes[range].fill(0);
        }
        2 => {
            // Changed by bytes that do not depend on what a checksum is compared with, so that none is guessed.
            let range = choices.range(bytes.len());
            let mut noise = choices.number() as u64 + 1;
            for byte in &mut bytes[range] {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (noise >> 56) as u8;
            }
        }
        3 => {
            let length = choices.number() % (bytes.len() + 1);
            bytes.truncate(length);
        }
        4 => bytes.resize(bytes.len() + 1 + choices.number(), choices.byte() % 2),
        5 => {
            // A stretch of another file, or of this one, at another place.
            let other = &files[&choices.path(files)];
            let from = choices.range(other.len());
            let at = choices.number() % bytes.len().max(1);
            let length = from.len().min(bytes.len() - at);
            bytes[at..at + length].copy_from_slice(&other[from][..length]);
        }
        6 => {
            let (one, other) = (choices.number(), choices.number());
            let sectors = bytes.len() / 512;
            let (one, other) = (one % sectors.max(1) * 512, other % sectors.max(1) * 512);
            let sector = bytes.get(one..one + 512)?.to_vec();
            bytes.copy_within(other..other + 512, one);
            bytes[other..other + 512].copy_from_slice(&sector);
        }
        _ => {
            // No more, or another file of its kind in its place.
            let other = choices.path(files);
            if other == path {
                let is_optional = !is_needed(&path);
                files.remove(&path);
                return (!is_optional).then_some(path);
            }
            bytes = files[&other].clone();
        }
    }
    if bytes == before {
        return None;
    }
    files.insert(path.clone(), bytes);
    Some(path)
}

/// Whether a file is missed: not those that wait for later, and not a lock.
fn is_needed(path: &Path) -> bool {
    is_segment(path) || path.ends_with("FORMAT")
}
