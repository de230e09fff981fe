//! `naru`: configuration, command line, wiring. Each subcommand is a module.
//!
//! `broker`, `serve` and `demo` start what the other crates are; `cli`, `backup`, `doctor`, `token` and `trace` look after it;
//! `bench` and `verify` try it, from outside. What a subcommand prints goes through `printed`.

#![forbid(unsafe_code)]
// See `printed`.
#![deny(clippy::print_stdout)]

mod backup;
mod bench;
mod broker;
mod cli;
mod cores;
mod demo;
mod doctor;
mod files;
mod host;
mod listen;
mod logging;
mod nearest;
mod pages;
mod printed;
mod remote;
mod secret;
mod serve;
mod signals;
mod tls;
mod tls_client;
mod token;
mod trace;
mod verify;
mod wanted;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chat and notifications across servers, on the Redis wire, losing nothing.
#[derive(Parser)]
#[command(name = "naru", version, arg_required_else_help = true, infer_subcommands = false)]
struct CommandLine {
    #[command(flatten)]
    logging: logging::Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the broker: speaks Redis, keeps queues and inboxes on disk.
    Broker(broker::Options),
    /// Run a chat server: speaks the Centrifuge client protocol over WebSocket, and serves the web client.
    Serve(serve::Options),
    /// See it work: a broker, two chat servers, a web page on each.
    Demo(demo::Options),
    /// Print a token that signs a user in.
    Token(token::Options),
    /// A prompt in the manner of redis-cli.
    Cli(cli::Options),
    /// Copy all that a running broker has stored into a new folder, from which another can start.
    Backup(backup::Options),
    /// Look after a data folder: check it, or salvage what is left of it.
    Doctor(doctor::Options),
    /// Measure a broker, this or another.
    Bench(bench::Options),
    /// Say where a message is: when it was stored, in whose inboxes it is, and which of their devices have it.
    Trace(trace::Options),
    /// Check a ledger on Naru's broker, Redis or Valkey against what it is meant to be, by random histories with faults; or, with
    /// --live, that people at chat servers lose nothing whatever is killed.
    Verify(verify::Options),
    /// Run a program that ends when this process's parent does.
    #[command(hide = true)]
    Leash(verify::live::leash::Options),
}

fn main() -> ExitCode {
    let CommandLine { logging, command } =
        CommandLine::try_parse().unwrap_or_else(|error| wanted::on_the_line(error).exit());
    let outcome = match command {
        Command::Broker(options) => broker::run(options, &logging),
        Command::Serve(options) => serve::run(&options, &logging),
        Command::Demo(options) => demo::run(&options, &logging),
        Command::Token(options) => token::run(&options),
        Command::Cli(options) => cli::run(options),
        Command::Backup(options) => backup::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Bench(options) => bench::run(options),
        Command::Trace(options) => trace::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Leash(options) => verify::live::leash::run(&options),
    };
    outcome.unwrap_or_else(|error| {
        if printed::is_unread(&error) {
            return ExitCode::from(printed::EXIT_UNREAD);
        }
        eprintln!("naru: {}", told(&error));
        if doctor::is_damage(&error) { ExitCode::from(doctor::EXIT_DAMAGED) } else { ExitCode::FAILURE }
    })
}

/// The error and its causes in one line, each once: some errors say their cause themselves.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error = anyhow::anyhow!("no space").context("cannot write /x: no space").context("--data");
        assert_eq!(told(&error), "--data: cannot write /x: no space");
    }
}
