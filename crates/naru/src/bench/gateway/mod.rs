//! `naru bench gateway`: what WebSocket clients connect to, Naru's chat server or Centrifugo, in the Centrifuge client
//! protocol, and others in [dialects](tongue) of their own.
//!
//! A [`server`] is connected to, [`frame`] writes and reads WebSocket frames, a [`tongue`] what stands in them. The path
//! of a message: a [`publisher`] stamps a [`payload`] and sends it to a [`place`]; each [`subscriber`] there recognises it
//! by [how it looks](known), and [`publish`] measures the window. [`idle`] and [`resume`] are the other loads.

mod frame;
mod idle;
mod known;
mod meter;
mod opening;
mod options;
mod payload;
mod place;
mod publish;
mod publisher;
mod resume;
mod server;
mod subscriber;
mod tongue;
mod worker;

#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};

use super::table::show;

#[derive(Args)]
pub(super) struct Options {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Publish to many subscribers, to people or to rooms, in a closed loop or at a fixed rate; measure deliveries, latency
    /// and the server's CPU and memory.
    Publish(options::Load),
    /// Open connections that do nothing; measure what they cost the server.
    Idle(idle::Options),
    /// Cut off many connections and have all come back at once for what they have missed; measure how long it takes, and
    /// what it does to others' messages meanwhile.
    Resume(resume::Options),
}

/// Runs one measurement and prints its report.
///
/// # Errors
///
/// The server cannot be reached, refuses something or ends, or a message was lost, repeated, misordered or altered.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    match &options.load {
        Load::Publish(load) => show(&publish::measure(load)?, load.servers.json),
        Load::Idle(options) => show(&idle::measure(options)?, options.servers.json),
        Load::Resume(options) => show(&resume::measure(options)?, options.is_json()),
    }
}
