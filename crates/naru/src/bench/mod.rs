//! `naru bench`: the load generator. It speaks to any server on the Redis wire, and checks what it measures:
//! a lost, repeated, misordered or altered message ends the run with an error.
//!
//! What a publish in flight is, and when publishing pauses, stands at [`progress`]. The path of a message:
//! [`publisher`] stamps and sends it, [`frame`] reads it back at each [`subscriber`], [`run`] measures the window.

mod connect;
mod frame;
mod options;
mod process;
mod progress;
mod publisher;
mod report;
mod run;
mod subscriber;
mod worker;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Publish in a closed loop to many subscribers; measure deliveries, latency and the server's CPU.
    Pubsub(options::Pubsub),
}

/// Runs one measurement and prints its report.
///
/// # Errors
///
/// The server cannot be reached or ends, or a message was lost, repeated, misordered or altered.
pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    match options.load {
        Load::Pubsub(options) => {
            let report = run::pubsub(&options)?;
            if options.json { report.print_json()? } else { report.print_table()? }
        }
    }
    Ok(ExitCode::SUCCESS)
}
