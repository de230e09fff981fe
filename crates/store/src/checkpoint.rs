//! The bytes of a checkpoint: what its owner knew at some record, so that a start need not replay all before it.
//!
//! ```text
//! header:   magic "NARUCKP\n" 8, format 4, zeros 4, salt 8, LSN 8, CRC32C of the above 4
//! pieces:   length 4 (not 0), CRC32C of salt, index of the piece, and its bytes 4, bytes
//! trailer:  0 4, CRC32C of salt and the rest 4, pieces 8, end LSN 8
//! ```
//!
//! The file `ckpt-<LSN>` holds all records up to its LSN, and may know of records up to its end LSN, which were on
//! disk before the file got its name. It is written under another name, so a torn one is never found under this one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Damage, OpenError, WriteError};
use crate::frame::{FRAME_BYTES_MAX, salted_crc};
use crate::lsn::Lsn;
use crate::segment::FORMAT;
use crate::vfs::{Vfs, VfsFile};

/// A piece is never longer.
pub(crate) const PIECE_BYTES_MAX: usize = FRAME_BYTES_MAX;
pub(crate) const HEADER_BYTES: usize = 36;
pub(crate) const PIECE_EXTRA_BYTES: usize = 8;
const TRAILER_BYTES: usize = 24;
/// Bytes gathered for one write, and read at once.
const WINDOW_BYTES: usize = 1024 * 1024;
/// Bytes after which the file is synced, so that the last sync, which the disk shares with the log's, is short.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;
const MAGIC: [u8; 8] = *b"NARUCKP\n";
const PREFIX: &str = "ckpt-";
const NEW: &str = ".new";

pub(crate) fn file_name(lsn: Lsn) -> String {
    format!("{PREFIX}{:020}", lsn.number())
}

/// The LSN in a checkpoint's name; `None` for every other name.
pub(crate) fn file_lsn(name: &str) -> Option<Lsn> {
    let digits = name.strip_prefix(PREFIX)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok().map(Lsn::new) } else { None }
}

/// Whether a checkpoint of this name was never finished.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(NEW).is_some_and(|name| file_lsn(name).is_some())
}

fn header(lsn: Lsn, salt: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[16..24].copy_from_slice(&salt.to_le_bytes());
    bytes[24..32].copy_from_slice(&lsn.number().to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..32]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The checksum of a piece.
pub(crate) fn piece_crc(salt: u64, index: u64, piece: &[u8]) -> u32 {
    crc32c::crc32c_append(salted_crc(salt, &index.to_le_bytes()), piece)
}

fn trailer(salt: u64, pieces: u64, end: Lsn) -> [u8; TRAILER_BYTES] {
    let mut bytes = [0; TRAILER_BYTES];
    bytes[8..16].copy_from_slice(&pieces.to_le_bytes());
    bytes[16..24].copy_from_slice(&end.number().to_le_bytes());
    let crc = salted_crc(salt, &bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A checkpoint that is being written. After an error it is to be abandoned.
pub(crate) struct CheckpointFile {
    fs: Arc<dyn Vfs>,
    shard: PathBuf,
    lsn: Lsn,
    salt: u64,
    path: PathBuf,
    file: Box<dyn VfsFile>,
    gathered: Vec<u8>,
    offset: u64,
    synced: u64,
    pieces: u64,
}

impl CheckpointFile {
    pub(crate) fn create(fs: &Arc<dyn Vfs>, shard: &Path, lsn: Lsn, salt: u64) -> Result<Self, WriteError> {
        let path = shard.join(file_name(lsn) + NEW);
        let file = fs.create(&path).map_err(WriteError::io("create", &path))?;
        let gathered = header(lsn, salt).to_vec();
        let (fs, shard) = (fs.clone(), shard.to_owned());
        Ok(Self { fs, shard, lsn, salt, path, file, gathered, offset: 0, synced: 0, pieces: 0 })
    }

    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), WriteError> {
        assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES_MAX, "a piece has bytes and a bound");
        self.gathered.extend_from_slice(&(piece.len() as u32).to_le_bytes());
        self.gathered.extend_from_slice(&piece_crc(self.salt, self.pieces, piece).to_le_bytes());
        self.gathered.extend_from_slice(piece);
        self.pieces += 1;
        if self.gathered.len() >= WINDOW_BYTES {
            self.write()?;
        }
        if self.offset - self.synced >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// All pieces are there; makes them last.
    pub(crate) fn finish(&mut self, end: Lsn) -> Result<(), WriteError> {
        self.gathered.extend_from_slice(&trailer(self.salt, self.pieces, end));
        self.write()?;
        self.sync()
    }

    /// Gives it its name, once its end LSN is synced, and removes all other checkpoints but `keep`.
    pub(crate) fn publish(self, keep: Option<Lsn>) -> Result<(), WriteError> {
        let named = self.shard.join(file_name(self.lsn));
        if let Err(error) = self.fs.rename(&self.path, &named) {
            let error = WriteError::io("rename", &self.path)(error);
            self.abandon();
            return Err(error);
        }
        self.fs.sync_folder(&self.shard).map_err(WriteError::io("sync", &self.shard))?;
        for name in self.fs.list(&self.shard).unwrap_or_default() {
            if file_lsn(&name).is_some_and(|lsn| lsn != self.lsn && Some(lsn) != keep) {
                // One that stays is older than these two and goes another time.
                let _ = self.fs.remove(&self.shard.join(name));
            }
        }
        Ok(())
    }

    /// It is not wanted any more.
    pub(crate) fn abandon(self) {
        // If it stays, the next start removes it.
        let _ = self.fs.remove(&self.path);
    }

    fn write(&mut self) -> Result<(), WriteError> {
        self.file.write_at(&self.gathered, self.offset).map_err(WriteError::io("write", &self.path))?;
        self.offset += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        self.file.sync().map_err(WriteError::io("sync", &self.path))?;
        self.synced = self.offset;
        Ok(())
    }
}

/// What a whole checkpoint says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) lsn: Lsn,
    /// The highest record that it may know of. All up to here were on disk.
    pub(crate) end: Lsn,
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
}

/// Reads the checkpoint of this LSN and hands its pieces on as far as they are whole.
pub(crate) fn read(
    fs: &dyn Vfs,
    shard: &Path,
    lsn: Lsn,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Summary, OpenError> {
    let path = shard.join(file_name(lsn));
    let file = fs.open_to_read(&path).map_err(OpenError::io("open", &path))?;
    let length = file.bytes().map_err(OpenError::io("read", &path))?;
    let mut window = Window { path, file, length, bytes: Vec::new(), from: 0 };
    let bytes: [u8; HEADER_BYTES] = window.array(0)?;
    let salt = u64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes"));
    if bytes != header(lsn, salt) {
        return Err(window.damage(0, "the head of the checkpoint is unreadable"));
    }
    let mut at = HEADER_BYTES as u64;
    for index in 0.. {
        let head: [u8; PIECE_EXTRA_BYTES] = window.array(at)?;
        let (bytes, crc) = head.split_at(4);
        let bytes = u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize;
        if bytes == 0 {
            let bytes: [u8; TRAILER_BYTES] = window.array(at)?;
            let end = Lsn::new(u64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes")));
            if bytes != trailer(salt, index, end) || at + TRAILER_BYTES as u64 != length || end < lsn {
                return Err(window.damage(at, "the end of the checkpoint is unreadable"));
            }
            return Ok(Summary { lsn, end, pieces: index, bytes: length });
        }
        if bytes > PIECE_BYTES_MAX {
            return Err(window.damage(at, "a piece of the checkpoint is unreadable"));
        }
        let piece = window.get(at + PIECE_EXTRA_BYTES as u64, bytes)?;
        if piece_crc(salt, index, piece).to_le_bytes() != crc {
            return Err(window.damage(at, "a piece of the checkpoint is unreadable"));
        }
        each(piece);
        at += (PIECE_EXTRA_BYTES + bytes) as u64;
    }
    unreachable!("2^64 pieces are in no file")
}

/// A file read forwards, much at a time.
struct Window {
    path: PathBuf,
    file: Box<dyn VfsFile>,
    length: u64,
    bytes: Vec<u8>,
    /// Where in the file `bytes` begins.
    from: u64,
}

impl Window {
    fn get(&mut self, at: u64, bytes: usize) -> Result<&[u8], OpenError> {
        if at.checked_add(bytes as u64).is_none_or(|end| end > self.length) {
            return Err(self.damage(at, "the checkpoint ends too early"));
        }
        let held = at >= self.from && at + bytes as u64 <= self.from + self.bytes.len() as u64;
        if !held {
            let wanted = (bytes.max(WINDOW_BYTES) as u64).min(self.length - at);
            self.bytes.resize(wanted as usize, 0);
            self.from = at;
            self.file.read_at(&mut self.bytes, at).map_err(OpenError::io("read", &self.path))?;
        }
        let start = (at - self.from) as usize;
        Ok(&self.bytes[start..start + bytes])
    }

    fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], OpenError> {
        Ok(self.get(at, N)?.try_into().expect("`get` answers as many as were asked for"))
    }

    fn damage(&self, offset: u64, what: &'static str) -> OpenError {
        Damage { path: self.path.clone(), offset, records: None, what }.into()
    }
}

/// The checkpoints in a folder, newest first, and the paths of those that were never finished.
pub(crate) fn list(fs: &dyn Vfs, shard: &Path) -> Result<(Vec<Lsn>, Vec<PathBuf>), OpenError> {
    let names = fs.list(shard).map_err(OpenError::io("read", shard))?;
    let mut lsns: Vec<_> = names.iter().filter_map(|name| file_lsn(name)).collect();
    lsns.sort_unstable_by(|one, other| other.cmp(one));
    let unfinished = names.iter().filter(|name| is_unfinished(name)).map(|name| shard.join(name)).collect();
    Ok((lsns, unfinished))
}

/// Which checkpoint a start uses.
#[derive(Default)]
pub(crate) struct Choice {
    pub(crate) used: Option<Summary>,
    /// The one to fall back to should `used` be damaged one day.
    pub(crate) older: Option<Lsn>,
    /// Newer ones that cannot be used.
    pub(crate) damaged: Vec<Damage>,
}

/// Finds the newest checkpoint that is whole.
pub(crate) fn choose(fs: &dyn Vfs, shard: &Path, lsns: &[Lsn]) -> Result<Choice, OpenError> {
    let mut choice = Choice::default();
    for (index, lsn) in lsns.iter().enumerate() {
        match read(fs, shard, *lsn, &mut |_| {}) {
            Ok(summary) => {
                choice.used = Some(summary);
                choice.older = lsns.get(index + 1).copied();
                break;
            }
            Err(OpenError::Damaged(damage)) => choice.damaged.push(damage),
            Err(error) => return Err(error),
        }
    }
    Ok(choice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Disk;

    fn written(pieces: &[Vec<u8>]) -> Disk {
        let disk = Disk::new(1);
        let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let mut file = CheckpointFile::create(&fs, Path::new("/"), Lsn::new(7), 99).unwrap();
        pieces.iter().for_each(|piece| file.push(piece).unwrap());
        file.finish(Lsn::new(9)).unwrap();
        file.publish(None).unwrap();
        disk
    }

    fn read_back(disk: &Disk) -> Result<(Vec<Vec<u8>>, Summary), OpenError> {
        let mut pieces = Vec::new();
        let summary = read(disk, Path::new("/"), Lsn::new(7), &mut |piece| pieces.push(piece.to_vec()))?;
        Ok((pieces, summary))
    }

    #[test]
    fn pieces_are_read_back_whatever_their_sizes() {
        let pieces: Vec<_> = [1, 10, 3 * WINDOW_BYTES, 5, WINDOW_BYTES, WINDOW_BYTES - 1, 1]
            .map(|bytes| vec![7; bytes])
            .into();
        let (back, summary) = read_back(&written(&pieces)).unwrap();
        assert!(back == pieces);
        assert_eq!((summary.lsn, summary.end, summary.pieces), (Lsn::new(7), Lsn::new(9), 7));
        assert!(read_back(&written(&[])).unwrap().0.is_empty());
    }

    #[test]
    fn every_flipped_bit_and_every_other_length_is_seen() {
        let disk = written(&[b"one".to_vec(), vec![0; 40], b"three".to_vec()]);
        let path = Path::new("/").join(file_name(Lsn::new(7)));
        let whole = disk.contents(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            disk.overwrite(&path, &bytes).unwrap();
            assert!(matches!(read_back(&disk), Err(OpenError::Damaged(_))), "bit {bit}");
        }
        for length in 0..whole.len() {
            disk.overwrite(&path, &whole[..length]).unwrap();
            assert!(matches!(read_back(&disk), Err(OpenError::Damaged(_))), "length {length}");
        }
        disk.overwrite(&path, &[&whole[..], &[0]].concat()).unwrap();
        assert!(read_back(&disk).is_err());
    }
}
