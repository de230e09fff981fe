//! A program on a leash: it ends when who started it does, however that comes to its end.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::process::getppid;

#[derive(Args)]
pub(crate) struct Options {
    /// The process that it is to end with.
    parent: u32,
    /// What to run, in this process's place.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// The command that runs another on a leash.
pub(super) fn command(program: &std::path::Path, arguments: &[String]) -> Result<Command> {
    let naru = std::env::current_exe().context("the path of this program")?;
    let mut command = Command::new(naru);
    command.arg("leash").arg(std::process::id().to_string()).arg(program).args(arguments);
    Ok(command)
}

/// Becomes the other program. Returns only if that cannot be.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // It may have ended before that.
    if getppid().map(|parent| parent.as_raw_pid().unsigned_abs()) != Some(options.parent) {
        bail!("the process {} has ended already", options.parent);
    }
    let (program, arguments) = options.command.split_first().context("a program to run")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
