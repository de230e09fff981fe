//! Files in memory, for a store that ends with its process.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::vfs::{Vfs, VfsFile};

/// Memory is taken in pieces of this size, when something is written there.
const CHUNK_BYTES: usize = 64 * 1024;

/// Files in memory. Clones are the same files. What is allocated takes no memory before it is written, and what is
/// removed gives it back with the last handle. Nothing is ever on disk, and syncing does nothing.
#[derive(Clone, Default)]
pub struct MemoryFs(Arc<Mutex<Names>>);

#[derive(Default)]
struct Names {
    folders: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, MemoryFile>,
    locks: BTreeSet<PathBuf>,
}

#[derive(Clone, Default)]
struct MemoryFile(Arc<RwLock<Contents>>);

#[derive(Default)]
struct Contents {
    bytes: u64,
    /// By their place in the file; those that are missing are zeros.
    chunks: BTreeMap<u64, Box<[u8]>>,
}

struct Lock {
    fs: MemoryFs,
    path: PathBuf,
}

impl MemoryFs {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Memory that the files take, in bytes.
    pub fn bytes(&self) -> u64 {
        let names = self.0.lock();
        let chunks: usize = names.files.values().map(|file| file.0.read().chunks.len()).sum();
        (chunks * CHUNK_BYTES) as u64
    }
}

impl Vfs for MemoryFs {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let is_new = self.0.lock().folders.insert(path.to_owned());
        if is_new { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let names = self.0.lock();
        Ok(path == Path::new("/") || names.folders.contains(path) || names.files.contains_key(path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = self.0.lock();
        let all = names.files.keys().chain(&names.folders);
        let within = all.filter(|path| path.parent() == Some(folder)).filter_map(|path| path.file_name());
        Ok(within.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let mut names = self.0.lock();
        let file = names.files.entry(path.to_owned()).or_default().clone();
        *file.0.write() = Contents::default();
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let names = self.0.lock();
        let file = names.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(file.clone()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.0.lock();
        let file = names.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let file = self.0.lock().files.remove(path);
        // Its memory is given back here, where nobody else waits.
        file.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        if !self.0.lock().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock { fs: self.clone(), path: path.to_owned() }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.fs.0.lock().locks.remove(&self.path);
    }
}

/// The pieces of a range of a file: which chunk, where in it, and where in the range.
fn pieces(
    offset: u64,
    bytes: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == bytes {
            return None;
        }
        let at = offset + done as u64;
        let within = (at % CHUNK_BYTES as u64) as usize;
        let length = (CHUNK_BYTES - within).min(bytes - done);
        let piece = (at / CHUNK_BYTES as u64, within..within + length, done..done + length);
        done += length;
        Some(piece)
    })
}

impl VfsFile for MemoryFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.read().bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let contents = self.0.read();
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > contents.bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (chunk, within, range) in pieces(offset, buffer.len()) {
            match contents.chunks.get(&chunk) {
                Some(chunk) => buffer[range].copy_from_slice(&chunk[within]),
                None => buffer[range].fill(0),
            }
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut contents = self.0.write();
        for (chunk, within, range) in pieces(offset, bytes.len()) {
            let chunk = contents.chunks.entry(chunk).or_insert_with(|| vec![0; CHUNK_BYTES].into());
            chunk[within].copy_from_slice(&bytes[range]);
        }
        contents.bytes = contents.bytes.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut contents = self.0.write();
        contents.bytes = contents.bytes.max(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_across_chunks_and_holes_are_zeros_that_cost_nothing() {
        let fs = MemoryFs::new();
        let path = Path::new("/file");
        let file = fs.create(path).unwrap();
        file.allocate(1 << 30).unwrap();
        assert_eq!((file.bytes().unwrap(), fs.bytes()), (1 << 30, 0));
        let bytes: Vec<u8> = (0..200_000u32).map(|index| index as u8 | 1).collect();
        file.write_at(&bytes, 100_000).unwrap();
        let mut back = vec![9; 400_000];
        fs.open(path).unwrap().read_at(&mut back, 0).unwrap();
        assert!(
            back[..100_000].iter().all(|byte| *byte == 0) && back[300_000..].iter().all(|byte| *byte == 0)
        );
        assert!(back[100_000..300_000] == bytes);
        assert!(fs.bytes() < 400_000);
        assert!(file.read_at(&mut [0; 2], (1 << 30) - 1).is_err());
        fs.remove(path).unwrap();
        assert_eq!(fs.bytes(), 0);
    }
}
