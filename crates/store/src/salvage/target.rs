//! The folder into which a salvage writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::OpenError;
use crate::folder;
use crate::log::{Log, OnDurable, Options};
use crate::vfs::Vfs;

/// A new data folder that does not open before it is finished, so that half of what is to be in it is not taken for all.
pub struct Target {
    fs: Arc<dyn Vfs>,
    folder: PathBuf,
}

impl Target {
    /// Makes the folder, in which nothing may be yet, and a log in it.
    pub fn create(
        fs: Arc<dyn Vfs>,
        folder: &Path,
        options: Options,
        on_durable: OnDurable,
    ) -> Result<(Self, Log), OpenError> {
        let log = Log::open_to_fill(fs.clone(), folder, options, on_durable)?;
        Ok((Self { fs, folder: folder.to_owned() }, log))
    }

    /// Everything is in the log, which is closed.
    pub fn finish(self) -> Result<(), OpenError> {
        folder::finish(&*self.fs, &self.folder)
    }
}
