//! The folder into which a salvage writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Address;
use crate::error::OpenError;
use crate::folder;
use crate::log::{Log, OnDurable, Options};
use crate::lsn::Lsn;
use crate::recovery::Load;
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
        folder::refuse_unless_empty(&*fs, folder)?;
        let (log, _) = Log::open(fs.clone(), folder, options, on_durable, &mut Nothing)?;
        folder::unfinish(&*fs, folder)?;
        Ok((Self { fs, folder: folder.to_owned() }, log))
    }

    /// Everything is in the log, which is closed.
    pub fn finish(self) -> Result<(), OpenError> {
        folder::finish(&*self.fs, &self.folder)
    }
}

/// What is in a log that has just been made.
struct Nothing;

impl Load for Nothing {
    fn piece(&mut self, _: &[u8]) {}

    fn record(&mut self, _: Lsn, _: Address, _: &[u8]) {}
}
