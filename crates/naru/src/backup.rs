//! `naru backup`

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{PathBuf, absolute},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use naru_resp::Value;

use crate::{cli, printed::say};

#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    #[command(flatten)]
    place: cli::Place,

    /// Print help.
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,

    /// The folder to make, on the broker's machine; nothing may be there yet.
    #[arg(value_name = "DIR")]
    target: PathBuf,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let target = absolute(&options.target).context("DIR")?;
    let command = [b"NARU.BACKUP".to_vec(), target.as_os_str().as_bytes().to_vec()];
    match cli::ask(&options.place, &command)? {
        Value::Error(text) => bail!("{}", String::from_utf8_lossy(&text)),
        _ => {
            say!("{}", target.display())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
