//! What took long: `SLOWLOG` and `LATENCY`.

use std::time::{Duration, UNIX_EPOCH};

use naru_resp::Command;

use super::{
    Called, Context, Outcome, Refusal,
    arguments::{integer, repeating, unknown_or_wrong_number, unknown_subcommand, wrong_number},
    latency_report,
    redacted::redacted,
    table::{Entry, all_called},
};

pub(super) const SLOWLOG_SUBCOMMANDS: &[&str] =
    &["slowlog|get", "slowlog|help", "slowlog|len", "slowlog|reset"];

pub(super) const LATENCY_SUBCOMMANDS: &[&str] = &[
    "latency|doctor",
    "latency|graph",
    "latency|help",
    "latency|histogram",
    "latency|history",
    "latency|latest",
    "latency|reset",
];

/// Entries that `SLOWLOG GET` shows if it is not told how many.
const SHOWN_DEFAULT: usize = 10;

const SLOWLOG_HELP: &[&str] = &[
    "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
    "HELP",
    "    Prints this help.",
];

const LATENCY_HELP: &[&str] = &[
    "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "GRAPH <event>",
    "    Return an ASCII latency graph for the <event> class.",
    "HISTOGRAM [COMMAND ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    "    If no commands are specified then all histograms are replied",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HELP",
    "    Prints this help.",
];

/// Notes how long a command took, if that was long.
pub(super) fn note(
    context: &Context<'_>,
    entry: &Entry,
    called: Called,
    command: &Command<'_>,
    took: Duration,
) {
    let shared = context.core.shared();
    let is_logged = || !entry.flags.contains(&"skip_slowlog");
    if let Some(most) = shared.config.slow_log_holds(took).filter(|_| is_logged()) {
        let profile = context.client.profile();
        let name = profile.labels.lock().name.clone();
        shared.slow_log.add(took, &redacted(called, command), &profile.address, &name, most);
    }
    let milliseconds = took.as_millis() as u64;
    if shared.config.latency_threshold().is_some_and(|threshold| milliseconds >= threshold) {
        shared
            .latencies
            .add(if entry.flags.contains(&"fast") { "fast-command" } else { "command" }, milliseconds);
    }
}

pub(super) fn slowlog(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let log = &context.core.shared().slow_log;
    match (command.arg(1).to_ascii_lowercase().as_slice(), command.len()) {
        (b"get", 2 | 3) => {
            let count = command.get(2).map(count).transpose()?.unwrap_or(SHOWN_DEFAULT);
            let entries = log.newest(count);
            context.reply(|writer| {
                writer.array(entries.len());
                for entry in entries {
                    let at = entry.at.duration_since(UNIX_EPOCH).unwrap_or_default();
                    writer.array(6);
                    writer.integer(entry.id as i64);
                    writer.integer(at.as_secs() as i64);
                    writer.integer(entry.took.as_micros() as i64);
                    writer.array(entry.arguments.len());
                    entry.arguments.iter().for_each(|argument| writer.bulk(argument));
                    writer.bulk(entry.address);
                    writer.bulk(entry.name);
                }
            })
        }
        (b"get", _) => Err(unknown_or_wrong_number("SLOWLOG", command.arg(1))),
        (b"len", 2) => context.reply(|writer| writer.integer(log.len() as i64)),
        (b"reset", 2) => {
            log.clear();
            context.reply(|writer| writer.simple("OK"))
        }
        (b"help", 2) => context.help(SLOWLOG_HELP),
        (b"len", _) => Err(wrong_number("slowlog|len")),
        (b"reset", _) => Err(wrong_number("slowlog|reset")),
        (b"help", _) => Err(wrong_number("slowlog|help")),
        _ => Err(unknown_subcommand("SLOWLOG", command.arg(1))),
    }
}

/// How many entries to show; -1 stands for all.
fn count(argument: &[u8]) -> Result<usize, Refusal> {
    let count = integer(argument).ok().filter(|count| *count >= -1);
    let count = count.ok_or_else(|| Refusal::from("ERR count should be greater than or equal to -1"))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn latency(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let shared = context.core.shared();
    let latencies = &shared.latencies;
    match (command.arg(1).to_ascii_lowercase().as_slice(), command.len()) {
        (b"latest", 2) => {
            let events = latencies.all();
            context.reply(|writer| {
                writer.array(events.len());
                for (event, samples) in events {
                    let (at, milliseconds) = samples.samples.back().copied().unwrap_or_default();
                    writer.array(4);
                    writer.bulk(event);
                    writer.integer(at as i64);
                    writer.integer(milliseconds as i64);
                    writer.integer(samples.milliseconds_max as i64);
                }
            })
        }
        (b"history", 3) => {
            let samples = latencies.of(command.arg(2)).samples;
            context.reply(|writer| {
                writer.array(samples.len());
                for (at, milliseconds) in samples {
                    writer.array(2);
                    writer.integer(at as i64);
                    writer.integer(milliseconds as i64);
                }
            })
        }
        (b"histogram", _) => histogram(context, command),
        (b"reset", 2) => {
            let count = latencies.reset(None);
            context.reply(|writer| writer.integer(count as i64))
        }
        (b"reset", _) => {
            let count: usize = command.iter().skip(2).map(|event| latencies.reset(Some(event))).sum();
            context.reply(|writer| writer.integer(count as i64))
        }
        (b"doctor", 2) => {
            let report = latency_report::doctor(latencies, shared.config.latency_threshold());
            context.reply(|writer| writer.verbatim(&report))
        }
        (b"graph", 3) => {
            let event = command.arg(2);
            let no_samples = || repeating("ERR No samples available for event '", event, "'");
            let graph = latency_report::graph(event, &latencies.of(event)).ok_or_else(no_samples)?;
            context.reply(|writer| writer.verbatim(&graph))
        }
        (b"help", 2) => context.help(LATENCY_HELP),
        (b"latest", _) => Err(wrong_number("latency|latest")),
        (b"history", _) => Err(wrong_number("latency|history")),
        (b"help", _) => Err(wrong_number("latency|help")),
        _ => Err(unknown_subcommand("LATENCY", command.arg(1))),
    }
}

/// `LATENCY HISTOGRAM [command …]`: how often each took how long, those that were called. Who is not known is left out.
fn histogram(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let of = |asked: &[u8]| {
        let asked = String::from_utf8_lossy(asked).to_ascii_lowercase();
        all_called().filter(move |called| {
            let container = called.name.split_once('|').map(|(container, _)| container);
            called.name == asked || container == Some(&asked)
        })
    };
    let asked: Vec<Called> = if command.len() == 2 {
        all_called().collect()
    } else {
        command.iter().skip(2).flat_map(of).collect()
    };
    let totals = context.core.shared().counters.totals(context.core.directory().written_bytes());
    let shown: Vec<_> = asked
        .into_iter()
        .map(|called| (called.name, &totals.commands[called.number]))
        .filter(|(_, command)| command.calls > 0)
        .collect();
    context.reply(|writer| {
        writer.map(shown.len());
        for (name, command) in shown {
            let times = command.times();
            writer.bulk(name);
            writer.map(2);
            writer.bulk("calls");
            writer.integer(command.calls as i64);
            writer.bulk("histogram_usec");
            writer.map(times.len());
            for (microseconds, calls) in times {
                writer.integer(microseconds as i64);
                writer.integer(calls as i64);
            }
        }
    })
}
