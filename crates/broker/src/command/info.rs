use std::{
    fmt::Write,
    sync::atomic::Ordering,
    time::{SystemTime, UNIX_EPOCH},
};

use naru_resp::Command;

use super::{Context, Outcome};
use crate::version::{NARU_VERSION, REDIS_VERSION};

/// A section's name and what is in it.
type Section = (&'static str, fn(&Context<'_>, &mut String));

const SECTIONS: &[Section] = &[
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
];

/// `INFO [section ...]`, with Redis's field names where the thing exists here.
pub(super) fn info(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let everything = command.len() == 1
        || command.iter().skip(1).any(|name| {
            [&b"all"[..], b"everything", b"default"].iter().any(|word| name.eq_ignore_ascii_case(word))
        });
    let mut text = String::new();
    for (name, write) in SECTIONS {
        let wanted = command.iter().skip(1).any(|wanted| wanted.eq_ignore_ascii_case(name.as_bytes()));
        if everything || wanted {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            line(&mut text, format_args!("# {name}"));
            write(context, &mut text);
        }
    }
    context.reply(|writer| writer.verbatim(&text))
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = write!(text, "{line}\r\n");
}

fn server(context: &Context<'_>, text: &mut String) {
    let shared = context.core.shared();
    let uptime = shared.started.elapsed().as_secs();
    line(text, format_args!("redis_version:{REDIS_VERSION}"));
    line(text, format_args!("server_name:naru"));
    line(text, format_args!("naru_version:{NARU_VERSION}"));
    line(text, format_args!("redis_mode:standalone"));
    line(text, format_args!("os:{} {}", std::env::consts::OS, std::env::consts::ARCH));
    line(text, format_args!("arch_bits:{}", usize::BITS));
    line(text, format_args!("process_id:{}", std::process::id()));
    line(text, format_args!("run_id:{}", shared.run_id));
    line(text, format_args!("tcp_port:{}", shared.config.port()));
    line(text, format_args!("uptime_in_seconds:{uptime}"));
    line(text, format_args!("uptime_in_days:{}", uptime / 86_400));
    line(text, format_args!("io_threads:{}", context.core.directory().cores()));
}

fn clients(context: &Context<'_>, text: &mut String) {
    let profiles = context.core.shared().profiles.all();
    let subscribers = profiles.iter().filter(|profile| profile.subscriptions() > 0).count();
    line(text, format_args!("connected_clients:{}", profiles.len()));
    line(text, format_args!("pubsub_clients:{subscribers}"));
}

fn memory(_: &Context<'_>, text: &mut String) {
    let resident = resident_bytes().unwrap_or(0);
    line(text, format_args!("used_memory:{resident}"));
    line(text, format_args!("used_memory_rss:{resident}"));
    line(text, format_args!("maxmemory:0"));
    line(text, format_args!("maxmemory_policy:noeviction"));
}

/// What the kernel counts as this process's memory; pages are 4 KiB on every platform this runs on.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

fn persistence(context: &Context<'_>, text: &mut String) {
    line(text, format_args!("loading:0"));
    line(text, format_args!("aof_enabled:{}", u8::from(context.core.shared().config.is_durable())));
    line(text, format_args!("aof_last_write_status:ok"));
}

fn stats(context: &Context<'_>, text: &mut String) {
    let statistics = &context.core.shared().statistics;
    let directory = context.core.directory();
    let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    line(text, format_args!("total_connections_received:{}", of(&statistics.connections)));
    line(text, format_args!("total_commands_processed:{}", of(&statistics.commands)));
    line(text, format_args!("total_net_input_bytes:{}", of(&statistics.input_bytes)));
    line(text, format_args!("rejected_connections:{}", of(&statistics.rejected)));
    line(text, format_args!("pubsub_channels:{}", directory.channels(None).len()));
    line(text, format_args!("pubsub_patterns:{}", directory.pattern_count()));
    line(text, format_args!("naru_messages_published:{}", of(&statistics.published)));
}

fn replication(_: &Context<'_>, text: &mut String) {
    line(text, format_args!("role:master"));
    line(text, format_args!("connected_slaves:0"));
}

pub(super) fn time(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    context.reply(|writer| {
        writer.array(2);
        writer.bulk(now.as_secs().to_string());
        writer.bulk(now.subsec_micros().to_string());
    })
}
