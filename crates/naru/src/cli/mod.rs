//! `naru cli`: a prompt in the manner of redis-cli, for machines without it.
//!
//! Start at [`run`]: a command on the command line and commands from a pipe go to `script`, a person at a
//! terminal to `prompt`. `format` writes replies byte for byte as redis-cli 7.0 does.

mod arrivals;
mod connection;
mod format;
mod help;
mod options;
mod prompt;
mod screen;
mod script;
mod socket;
mod subscriptions;

use std::io::{IsTerminal as _, stdin, stdout};
use std::process::ExitCode;

use naru_resp::Value;

pub(crate) use options::{Options, Place};

/// Says one command to a broker, and what it answers.
///
/// # Errors
///
/// The broker cannot be reached, or goes away.
pub(crate) fn ask(place: &Place, command: &[Vec<u8>]) -> anyhow::Result<Value> {
    let (mut sender, mut receiver) = connection::connect(&place.endpoint(false)?)?;
    sender.send(command)?;
    receiver.receive()
}

/// Runs one command, or commands until the input ends.
///
/// The exit code is 0 if all went well and 1 after an error reply or without a connection; a prompt
/// ends with 0.
///
/// # Errors
///
/// The broker cannot be reached, or the terminal or the output went away.
pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let style = options.style(stdout().is_terminal());
    let endpoint = options.endpoint()?;
    if !options.command.is_empty() {
        script::run_command(&endpoint, &options.command(), style)
    } else if stdin().is_terminal() && stdout().is_terminal() {
        prompt::run(endpoint, style)
    } else {
        script::run_lines(&endpoint, stdin().lock(), style)
    }
}
