//! The disk as the store sees it: a trait, so that tests can lose power, tear writes and fill up at will while the
//! code that ships runs above.

use std::any::Any;
use std::io;
use std::path::Path;

/// Files and folders, as far as the store needs them.
///
/// Nothing is on disk before it is synced: a file's bytes and length by [`VfsFile::sync`], its name by
/// [`Vfs::sync_folder`] of the folder it is in.
pub trait Vfs: Send + Sync + 'static {
    /// Makes one folder, for its owner only. One that exists is an error of kind `AlreadyExists`.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Whether something has this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// The names in a folder, in no particular order. Names that are not UTF-8 come with replacement characters.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Makes an empty file for its owner only, or empties the one that has this name, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;

    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>>;

    /// Opens a file that exists, for reading only: that works also where nothing can be written.
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        self.open(path)
    }

    /// Gives a file another name in the same folder; a file that had that name is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file another name beside the one it has, in any folder. An error is no harm: the file is copied then.
    fn link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Waits until the names in a folder are on disk.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the file if need be and locks it for this process until the answer is dropped. Held by another: an
    /// error of kind `WouldBlock`, at once.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>>;
}

/// An open file.
pub trait VfsFile: Send {
    /// Its length in bytes.
    fn bytes(&self) -> io::Result<u64>;

    /// Fills the whole buffer from this place; a file that ends before is an error of kind `UnexpectedEof`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of it at this place. After an error any part of it may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Gives the file this length, zeros where nothing was written, with the space for it taken from the disk now,
    /// so that a later write inside finds the disk not full.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// Waits until the file's bytes and its length are on disk. After an error, what was written since the last sync
    /// may be lost although it can still be read.
    fn sync(&self) -> io::Result<()>;
}
