//! `naru bench queue`: queues that last, on any server that speaks Redis's protocol.
//!
//! [`drive`] keeps requests in flight on many connections, for clients: an [`adder`] appends to streams, a [`worker`] reads
//! and acknowledges as one consumer of a group. A [`probe`] is another client of the server, at a fixed rate, which tells
//! how long others wait. A [`meter`] reads what the server used.
//!
//! Every run checks what it was told: ids rise in each stream, an entry's bytes come back as they went, each of them to one
//! consumer, and in the end every stream holds what was acknowledged. An error ends the run.

mod add;
mod adder;
mod beside;
mod body;
mod drive;
mod fill;
mod folder;
mod meter;
mod options;
mod probe;
mod streams;
mod trim;
mod work;
mod worker;

#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};

use super::table::{Report, show};

#[derive(Args)]
pub(super) struct Options {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Append entries to many streams from many connections, as fast as the server answers.
    Add(add::Options),
    /// Have the consumers of a group read and acknowledge entries that are there already, each exactly once.
    Work(work::Options),
    /// Put a number of entries into streams; measure what they take in memory and on disk.
    Fill(fill::Options),
    /// Remove everything from full streams; measure how long other clients wait meanwhile, and the space that returns.
    Trim(trim::Options),
    /// Publish at a fixed rate, first alone and then beside `add`; measure how late messages get.
    Beside(beside::Options),
}

/// Runs one measurement and prints its report.
///
/// # Errors
///
/// The server cannot be reached, refuses a command, or did not keep what it acknowledged.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    match &options.load {
        Load::Add(options) => show(&add::measure(options)?, options.server.json),
        Load::Work(options) => show(&work::measure(options)?, options.server.json),
        Load::Fill(options) => show(&fill::measure(options)?, options.server.json),
        Load::Trim(options) => show(&trim::measure(options)?, options.server.json),
        Load::Beside(options) => show(&beside::measure(options)?, options.server.json),
    }
}
