//! `naru doctor`: looks after a data folder that no broker has open.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use naru_store::{Damage, OpenError, RealFs, Verified, verify};

/// Exit status when what was acknowledged cannot be read any more, here and of a broker that does not start for it.
pub(crate) const EXIT_DAMAGED: u8 = 3;

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
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.task {
        Task::Verify { data } => report(data),
    }
}

fn report(data: &Path) -> anyhow::Result<ExitCode> {
    let found = look(data)?;
    let Verified { segments, records, bytes, checkpoints, damages, torn } = &found;
    println!(
        "{}: {segments} segments with {records} whole records, {checkpoints} whole checkpoints, {bytes} bytes read",
        data.display()
    );
    if let Some((path, offset)) = torn {
        println!(
            "{}: byte {offset}: the last write before a crash is incomplete. This is no damage: nobody was told of what \
             was in it, and the next start cuts it off",
            path.display()
        );
    }
    for damage in damages {
        println!("{}", place(damage));
    }
    if damages.is_empty() {
        println!("whole");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "damaged in {} places. Keep a copy of the folder as it is, check the disk, and restore the folder from a backup",
        damages.len()
    );
    Ok(ExitCode::from(EXIT_DAMAGED))
}

/// Checks a folder; what cannot be checked is said in the words of who has no broker to start.
fn look(data: &Path) -> anyhow::Result<Verified> {
    if !data.join("FORMAT").exists() && !data.join("shard-00").exists() {
        bail!("{} is no data folder of Naru: there is no file FORMAT in it", data.display());
    }
    match verify(&RealFs, data) {
        Err(OpenError::InUse { .. }) => bail!(
            "{} is in use by a running broker: stop it first, or look at a copy made with: naru backup",
            data.display()
        ),
        Err(OpenError::Damaged(damage)) => Ok(Verified { damages: vec![damage], ..Verified::default() }),
        verified => verified.with_context(|| format!("{} cannot be checked", data.display())),
    }
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
