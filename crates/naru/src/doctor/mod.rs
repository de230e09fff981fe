//! `naru doctor`: looks after a data folder that no broker has open.

mod salvage;
mod verify;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use naru_store::{Damage, OpenError};

/// Exit status when what was acknowledged cannot be read any more, here and of a broker that does not start for it.
pub(crate) const EXIT_DAMAGED: u8 = 3;

/// Exit status when there is a new folder, and something is missing in it.
const EXIT_LOST: u8 = 4;

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Read every byte of a data folder and check it; nothing is changed. Exit code 0: whole, 3: damaged.
    Verify {
        /// The data folder. No broker may have it open.
        #[arg(value_name = "DIR")]
        data: PathBuf,
    },
    /// Write all that can still be read of a damaged data folder into a new one, and say what is lost. Exit code 0: nothing
    /// is lost, 4: something is, 3: nothing can be read, 1: the new folder could not be written.
    Salvage {
        /// The damaged data folder, which is not changed. No broker may have it open.
        #[arg(value_name = "DIR")]
        data: PathBuf,

        /// The folder to make, which a broker can start with; nothing may be in it yet. The report is written beside it,
        /// to NEW_DIR.salvage.txt.
        #[arg(long, value_name = "NEW_DIR")]
        into: PathBuf,
    },
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.task {
        Task::Verify { data } => verify::run(data),
        Task::Salvage { data, into } => salvage::run(data, into),
    }
}

fn refuse_other_folders(data: &Path) -> anyhow::Result<()> {
    if !data.join("FORMAT").exists() && !data.join("shard-00").exists() {
        bail!(
            "{} is no data folder of Naru: there is no file FORMAT in it. Give the one that naru broker was given by --data",
            data.display()
        );
    }
    Ok(())
}

/// In the words of who has no broker to start.
fn in_use(data: &Path) -> anyhow::Error {
    anyhow!(
        "{} is in use by a running broker: stop it first, or look at a copy made with: naru backup",
        data.display()
    )
}

/// A damage in one line, without the advice that a broker gives with it.
fn place(damage: &Damage) -> String {
    let Damage { path, offset, records, what } = damage;
    let records = records.map(|(first, last)| format!(" (records {first} to {last})"));
    format!("{}: byte {offset}: {what}{}", path.display(), records.unwrap_or_default())
}

/// Whether something failed because of damage.
pub(crate) fn is_damage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Damage>()
            || matches!(cause.downcast_ref(), Some(OpenError::Damaged(_)))
            || matches!(cause.downcast_ref(), Some(naru_broker::StartError::Open(OpenError::Damaged(_))))
    })
}
