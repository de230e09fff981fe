//! Salvage: a new data folder with all that can still be read of one that is damaged.
//!
//! What is left is taken in as at a start, but leniently (`load`), and then written from the beginning into a new log, as
//! if it had all just come (`rewrite`): so the new folder is right by the way it was made, and nothing is patched. Bodies
//! are copied one after the other; one that is damaged goes, and what referred to it with it. `losses` and `bodies` note
//! what is lost, and `report` says it.

mod bodies;
mod body;
mod load;
mod losses;
mod mend;
mod report;
mod rewrite;

use std::{path::Path, sync::Arc, thread};

use naru_ledger::Millis;
use naru_store::{AppendError, Level, OpenError, Options, Salvage, Target, Vfs, WriteError};

use super::{clock, journal::Journal, load::Loading, start::new_head};
use crate::{
    StartError,
    config::Config,
    ledger::{Head, Ledger},
};

pub(super) use bodies::{Lost, LostBodies};
pub(super) use load::Salvaging;
pub use report::Report;

use mend::mend;
use rewrite::Rewrite;

/// Why there is no new folder, or only an unfinished one that does not open.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// Nothing can be read; the text says why.
    #[error(transparent)]
    Source(OpenError),
    /// The new folder cannot be made.
    #[error(transparent)]
    Target(OpenError),
    /// The new folder cannot be filled.
    #[error("the new folder cannot be written to, and what is in it is not complete: {0}")]
    Write(#[from] WriteError),
    /// A record is not taken by the new log.
    #[error("the new folder cannot be written to, and what is in it is not complete: {0}")]
    Append(#[from] AppendError),
    /// What belongs together does not fit a record: a room that has millions of members.
    #[error(
        "{bytes} bytes belong together, and at most {bytes_max} fit a record: the new folder is not complete"
    )]
    TooLarge {
        /// What it would take.
        bytes: usize,
        /// What there is room for.
        bytes_max: usize,
    },
    /// The operating system gives no random numbers.
    #[error(transparent)]
    Random(StartError),
}

/// Writes all that can be read of the data folder `from`, which is not changed, into the folder `into`, which must not be
/// there yet, or be empty.
pub fn salvage(fs: Arc<dyn Vfs>, from: &Path, into: &Path) -> Result<Report, SalvageError> {
    let options = Options { level: Level::No, ..Options::default() };
    let head = new_head().map_err(SalvageError::Random)?;
    salvage_with(fs, from, into, options, head, clock::now())
}

pub(super) fn salvage_with(
    fs: Arc<dyn Vfs>,
    from: &Path,
    into: &Path,
    options: Options,
    head: Head,
    now: Millis,
) -> Result<Report, SalvageError> {
    let mut source = Salvage::open(fs.clone(), from).map_err(SalvageError::Source)?;
    let config = Arc::new(Config::by_default());
    let mut salvaging = Salvaging::new(Loading::new(Ledger::new(head.clone()), config));
    let found = source.load(&mut salvaging);
    let mut report = Report::new(found, salvaging.losses);
    let Loading { keyspace, mut ledger, channels, has_head, .. } = salvaging.loading;
    let is_whole = !report.has_lost_changes() && ledger.check().is_ok();
    if !is_whole {
        report.forgotten = mend(&mut ledger, &source, head.epoch, now);
    }

    let owner = thread::current();
    let (target, log) =
        Target::create(fs, into, options, Box::new(move |_| owner.unpark())).map_err(SalvageError::Target)?;
    let mut rewrite = Rewrite::new(&source, Journal::new(log), &mut report);
    rewrite.ledger(&ledger, is_whole || has_head)?;
    for kept in channels.iter() {
        rewrite.channel(kept)?;
    }
    for number in 0..keyspace.numbers() {
        if let Some(key) = keyspace.at(number) {
            rewrite.key(key)?;
        }
    }
    rewrite.finish()?;
    target.finish().map_err(SalvageError::Target)?;
    Ok(report)
}

#[cfg(test)]
mod tests;
