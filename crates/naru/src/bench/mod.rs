//! `naru bench`: the load generator. It speaks to any server on the Redis wire, and to NATS, and checks what it measures:
//! a lost, repeated, misordered or altered message ends the run with an error. Queues that last are
//! [`queue`]'s, conversations and inboxes [`ledger`]'s, WebSocket clients [`gateway`]'s.
//!
//! What a publish in flight is, and when publishing pauses, stands at [`progress`]. The path of a message:
//! [`publisher`] stamps and sends it, [`frame`] reads it back at each [`subscriber`], [`run`] measures the window.
//! What differs between the protocols is in [`frame`], [`answers`], and for opening connections [`redis`] and [`nats`].

mod answers;
mod connect;
mod dialog;
mod frame;
mod gateway;
mod holder;
mod idle;
mod ledger;
mod live;
mod metronome;
mod nats;
mod options;
mod overtime;
mod process;
mod progress;
mod protocol;
mod publisher;
mod queue;
mod redis;
mod report;
mod run;
mod server_use;
mod subscriber;
mod table;
mod target;
mod traffic;
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
    /// Publish to many subscribers, in a closed loop or at a fixed rate; measure deliveries, latency and the
    /// server's CPU and memory.
    Pubsub(options::Pubsub),
    /// Open connections that do nothing; measure what they cost the server.
    Idle(idle::Options),
    /// Load queues that last: append, consume, fill, trim; measure rates, latency and what the server uses.
    Queue(queue::Options),
    /// Load what WebSocket clients connect to: Naru's chat server, Centrifugo, or others: publish, hold idle, come back.
    Gateway(gateway::Options),
    /// Load conversations and inboxes, on Naru's broker, Redis or Valkey: append, deliver, resume.
    Ledger(ledger::Options),
}

/// Runs one measurement and prints its report.
///
/// # Errors
///
/// The server cannot be reached or ends, or a message was lost, repeated, misordered or altered, or
/// a queue is not what was acknowledged.
pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    match options.load {
        Load::Pubsub(options) => table::show(&run::pubsub(&options)?, options.json)?,
        Load::Queue(options) => queue::run(&options)?,
        Load::Gateway(options) => gateway::run(&options)?,
        Load::Ledger(options) => ledger::run(&options)?,
        Load::Idle(options) => table::show(&idle::measure(&options)?, options.json)?,
    }
    Ok(ExitCode::SUCCESS)
}
