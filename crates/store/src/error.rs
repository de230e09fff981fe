//! What can go wrong, by what happens next, in words that say what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Address;
use crate::lsn::Lsn;

/// Why a log could not be opened. Nothing has been changed in the folder that is not safe to do again.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused; the text says what was tried on which path and what may help.
    #[error("cannot {doing} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was tried, as a verb: "write".
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process has the folder.
    #[error(
        "{folder} is in use by another naru (it holds the lock on {lock}): stop it, or give another --data",
        folder = folder.display(), lock = lock.display()
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// The file that is locked.
        lock: PathBuf,
    },
    /// The folder holds something else; nothing in it was touched.
    #[error(
        "{} holds {found:?} and no Naru data: give an empty or new folder as --data", folder.display()
    )]
    NotOurs {
        /// The folder given.
        folder: PathBuf,
        /// A name in it that is not ours.
        found: String,
    },
    /// It was being filled from another folder, and that did not come to its end.
    #[error(
        "{} is not finished: it was being filled by naru backup or naru doctor salvage, which did not come to its end, \
         and has only part of what it should (as {} says). Remove the folder, and make it again from what it was made from, \
         which is as it was",
        folder.display(), mark.display()
    )]
    Unfinished {
        /// The folder given.
        folder: PathBuf,
        /// The file that says so.
        mark: PathBuf,
    },
    /// A later version wrote it.
    #[error(
        "{} says format {found}, made by a newer Naru; this one knows formats up to {known}: run the newer Naru",
        path.display()
    )]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// The format it names.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// A version before the first release wrote it.
    #[error(
        "{} says format {found}, which no released Naru wrote and this one does not read (it reads format {known}): \
         give an empty or new folder as --data",
        path.display()
    )]
    Older {
        /// The file that says so.
        path: PathBuf,
        /// The format it names.
        found: u32,
        /// The format that this version reads.
        known: u32,
    },
    /// What was acknowledged cannot be read any more.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl OpenError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// Stored data that is not what was written. Opening is refused, since going on would lose it silently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The first byte in it that cannot be trusted.
    pub offset: u64,
    /// The records concerned, first and last, where that is known.
    pub records: Option<(Lsn, Lsn)>,
    /// What is wrong there.
    pub what: &'static str,
}

impl Damage {
    /// The data folder that the file belongs to.
    fn data(&self) -> &Path {
        let folder = self.path.parent().unwrap_or(&self.path);
        let is_shard = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("shard-"));
        if is_shard { folder.parent().unwrap_or(folder) } else { folder }
    }
}

impl std::error::Error for Damage {}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at byte {}: {}", self.path.display(), self.offset, self.what)?;
        if let Some((first, last)) = self.records {
            write!(f, " (records {first} to {last})")?;
        }
        write!(
            f,
            ". Naru does not start, so that nothing more is lost: keep a copy of the folder as it is, check the disk, and \
             restore the folder from a backup, or keep what can still be read with: naru doctor salvage {data} --into \
             NEW_DIR. All that is damaged is listed by: naru doctor verify {data}",
            data = self.data().display()
        )
    }
}

/// Why the log stopped acknowledging. It stays so until it is opened anew: the caller fails what waits, tells its
/// log, and ends the process.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// No space for the next record.
    #[error("disk full: no space to write {}: free some space, then start naru again ({source})", path.display())]
    Full {
        /// The file that could not grow or be made.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// A write or a sync failed; what was in flight may or may not be there after a restart.
    #[error("cannot {doing} {}: {source}; nothing after this is acknowledged: check the disk, then start naru again", path.display())]
    Failed {
        /// What was tried, as a verb: "sync".
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
}

impl WriteError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| {
            let full = is_full(&source);
            let source = Arc::new(source);
            if full { Self::Full { path, source } } else { Self::Failed { doing, path, source } }
        }
    }
}

/// Why a record was not taken. Nothing has changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The caller's fault: no frame can hold it.
    #[error("a record of {bytes} bytes is over the limit of {bytes_max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The longest record that fits.
        bytes_max: usize,
    },
    /// The open batch has no room for it: submit, wait until the log says durable, and try again.
    #[error("the open batch is full")]
    BatchFull,
    /// The log has stopped acknowledging.
    #[error(transparent)]
    Stopped(#[from] WriteError),
}

/// Why stored bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The caller's fault: no record that is stored now has these bytes.
    #[error("nothing is stored at address {address} with {bytes} bytes")]
    Absent {
        /// The first byte asked for.
        address: Address,
        /// How many.
        bytes: usize,
    },
    /// The disk's fault. Other places may be fine.
    #[error("cannot read {} at byte {offset}: {source}", path.display())]
    Io {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What the operating system said.
        source: io::Error,
    },
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            ": let the user that runs naru (user id {}) write there, or give another --data",
            rustix::process::geteuid().as_raw()
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            ": it is on a read-only file system: mount it for writing, or give another --data".to_owned()
        }
        _ if is_full(error) => ": free some space, or give a --data on another disk".to_owned(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            ": give a --data where folders can be made".to_owned()
        }
        _ => String::new(),
    }
}
