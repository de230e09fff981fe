//! `MEMORY`: what takes how much, as far as that is known here.

use bytes::Bytes;
use naru_resp::Command;

use super::{
    Context, Outcome,
    arguments::{integer, syntax_error, unknown_subcommand, wrong_number},
};
use crate::{keeper::Op, process::Memory};

pub(super) const SUBCOMMANDS: &[&str] =
    &["memory|doctor", "memory|help", "memory|malloc-stats", "memory|purge", "memory|stats", "memory|usage"];

const HELP: &[&str] = &[
    "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
    "HELP",
    "    Prints this help.",
];

pub(super) fn memory(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let subcommand = command.arg(1).to_ascii_lowercase();
    match (subcommand.as_slice(), command.len()) {
        (b"doctor", 2) => context.reply(|writer| writer.verbatim(DIAGNOSIS)),
        (b"help", 2) => context.help(HELP),
        // Redis's words and deeds where the allocator is not its own.
        (b"malloc-stats", 2) => {
            context.reply(|writer| writer.bulk("Stats not supported for the current allocator"))
        }
        (b"purge", 2) => context.reply(|writer| writer.simple("OK")),
        (b"stats", 2) => stats(context),
        (b"usage", 3..) => usage(context, command),
        (b"doctor" | b"help" | b"malloc-stats" | b"purge" | b"stats" | b"usage", _) => {
            Err(wrong_number(&format!("memory|{}", String::from_utf8_lossy(&subcommand))))
        }
        _ => Err(unknown_subcommand("MEMORY", command.arg(1))),
    }
}

const DIAGNOSIS: &str = "There is nothing to diagnose: what is stored is on disk, and what clients may take is \
bounded. INFO memory says how much the process takes, CLIENT LIST what waits for each client (tot-mem), MEMORY USAGE \
what a stream takes.\n";

/// `MEMORY USAGE key [SAMPLES count]`; it is known without samples.
fn usage(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    for at in (3..command.len()).step_by(2) {
        if !command.arg(at).eq_ignore_ascii_case(b"samples")
            || at + 1 == command.len()
            || integer(command.arg(at + 1))? < 0
        {
            return Err(syntax_error());
        }
    }
    context.keep(Op::Usage { key: Bytes::copy_from_slice(command.arg(2)) })
}

/// `MEMORY STATS`: Redis's fields, those of which something is known.
fn stats(context: &Context<'_>) -> Outcome {
    let shared = context.core.shared();
    let Memory { resident, resident_peak, .. } = Memory::now();
    let keys = shared.key_counts.keys() as i64;
    let share = if resident_peak > 0 { resident as f64 / resident_peak as f64 * 100.0 } else { 0.0 };
    context.reply(|writer| {
        writer.map(11);
        for (name, number) in [
            ("peak.allocated", resident_peak as i64),
            ("total.allocated", resident as i64),
            ("replication.backlog", 0),
            ("clients.slaves", 0),
            ("cluster.links", 0),
            ("aof.buffer", 0),
            ("lua.caches", 0),
            ("functions.caches", 0),
            ("keys.count", keys),
        ] {
            writer.bulk(name);
            writer.integer(number);
        }
        for (name, number) in [("peak.percentage", share), ("fragmentation", 1.0)] {
            writer.bulk(name);
            writer.double(number);
        }
    })
}
