//! `naru bench ledger`: conversations and inboxes, on Naru's broker, Redis or Valkey alike.
//!
//! [`crew`] keeps operations under way on several [lines](naru_bus::Line). What each of them asks, and whether it is answered
//! as it has to be, is said by [`append`], [`deliver`], [`inboxes`] and [`resume`]; a [`meter`] reads what the broker used
//! meanwhile. On Redis and Valkey there are keys of the run's own, which are removed; Naru's broker is left with
//! conversations and people of names that nobody else has.

mod append;
mod crew;
mod deliver;
mod inboxes;
mod meter;
mod options;
mod place;
mod resume;

use clap::{Args, Subcommand};

use super::table::show;

#[derive(Args)]
pub(super) struct Options {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Append messages to many conversations, as fast as the broker answers.
    Append(append::Options),
    /// Bring messages that are there into the inboxes of a room's members.
    Deliver(deliver::Options),
    /// Bring one message after the other into many inboxes at once; measure how long each takes.
    Inboxes(inboxes::Options),
    /// Have a device come back that is far behind; measure how long its first message takes, and all of them.
    Resume(resume::Options),
}

/// Runs one measurement and prints its report.
///
/// # Errors
///
/// The broker cannot be reached, refuses an operation, or does not answer what it has to.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    match &options.load {
        Load::Append(options) => show(&append::measure(options)?, options.broker.json),
        Load::Deliver(options) => show(&deliver::measure(options)?, options.broker.json),
        Load::Inboxes(options) => show(&inboxes::measure(options)?, options.broker.json),
        Load::Resume(options) => show(&resume::measure(options)?, options.broker.json),
    }
}
