use std::{
    fmt::{Arguments, Write},
    sync::atomic::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use naru_fanout::Space;
use naru_resp::Command;

use super::{Context, Outcome, table};
use crate::{
    class::Class,
    counters::{Rates, Totals},
    keeper::LedgerCounts,
    process::{Memory, Processor},
    version::{NARU_VERSION, REDIS_VERSION},
};

/// A section of INFO.
struct Section {
    name: &'static str,
    /// Shown if no section is named, as in Redis.
    by_default: bool,
    write: fn(&Info<'_>, &mut String),
}

const fn section(name: &'static str, by_default: bool, write: fn(&Info<'_>, &mut String)) -> Section {
    Section { name, by_default, write }
}

const SECTIONS: &[Section] = &[
    section("Server", true, server),
    section("Clients", true, clients),
    section("Memory", true, memory),
    section("Persistence", true, persistence),
    section("Stats", true, stats),
    section("Replication", true, replication),
    section("CPU", true, cpu),
    section("Modules", true, |_, _| {}),
    section("Commandstats", false, commandstats),
    section("Errorstats", true, errorstats),
    section("Latencystats", false, latencystats),
    section("Cluster", true, |_, text| line(text, format_args!("cluster_enabled:0"))),
    section("Keyspace", true, keyspace),
    section("Ledger", true, ledger),
    section("Channels", true, channels),
];

/// What several sections tell of.
struct Info<'a> {
    context: &'a Context<'a>,
    totals: Totals,
    rates: Rates,
}

/// `INFO [section …]`, with Redis's field names where the thing exists here.
pub(super) fn info(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let names = |word: &str| command.iter().skip(1).any(|name| name.eq_ignore_ascii_case(word.as_bytes()));
    let all = names("all") || names("everything");
    let defaults = command.len() == 1 || names("default");
    let counters = &context.core.shared().counters;
    let output_bytes = context.core.directory().written_bytes();
    let info = Info { context, totals: counters.totals(output_bytes), rates: counters.rates(output_bytes) };
    let mut text = String::new();
    for section in SECTIONS {
        if all || defaults && section.by_default || names(section.name) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            line(&mut text, format_args!("# {}", section.name));
            (section.write)(&info, &mut text);
        }
    }
    context.reply(|writer| writer.verbatim(&text))
}

fn line(text: &mut String, line: Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = write!(text, "{line}\r\n");
}

/// `name:bytes`, and the same for people.
fn bytes(text: &mut String, name: &str, bytes: u64) {
    line(text, format_args!("{name}:{bytes}"));
    line(text, format_args!("{name}_human:{}", human(bytes)));
}

/// A size as Redis writes it for people.
fn human(bytes: u64) -> String {
    let size = bytes as f64;
    match bytes {
        ..1024 => format!("{bytes}B"),
        1024..0x10_0000 => format!("{:.2}K", size / f64::from(1 << 10)),
        0x10_0000..0x4000_0000 => format!("{:.2}M", size / f64::from(1 << 20)),
        _ => format!("{:.2}G", size / f64::from(1 << 30)),
    }
}

fn server(info: &Info<'_>, text: &mut String) {
    let shared = info.context.core.shared();
    let uptime = shared.started.elapsed().as_secs();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    line(text, format_args!("redis_version:{REDIS_VERSION}"));
    line(text, format_args!("server_name:naru"));
    line(text, format_args!("naru_version:{NARU_VERSION}"));
    line(text, format_args!("redis_mode:standalone"));
    line(text, format_args!("os:{} {}", std::env::consts::OS, std::env::consts::ARCH));
    line(text, format_args!("arch_bits:{}", usize::BITS));
    line(text, format_args!("process_id:{}", std::process::id()));
    line(text, format_args!("run_id:{}", shared.run_id));
    line(text, format_args!("tcp_port:{}", shared.config.port().or(shared.config.tls_port()).unwrap_or(0)));
    line(text, format_args!("server_time_usec:{}", now.as_micros()));
    line(text, format_args!("uptime_in_seconds:{uptime}"));
    line(text, format_args!("uptime_in_days:{}", uptime / 86_400));
    let file = shared.config.file().map(|file| file.display().to_string()).unwrap_or_default();
    line(text, format_args!("config_file:{file}"));
    line(text, format_args!("io_threads:{}", info.context.core.directory().cores()));
}

fn clients(info: &Info<'_>, text: &mut String) {
    let shared = info.context.core.shared();
    let profiles = shared.profiles.all();
    let blocked = profiles.iter().filter(|profile| profile.is_blocked.load(Ordering::Relaxed)).count();
    let subscribers = profiles.iter().filter(|profile| profile.class() == Class::Pubsub).count();
    line(text, format_args!("connected_clients:{}", profiles.len()));
    line(text, format_args!("cluster_connections:0"));
    line(text, format_args!("maxclients:{}", shared.config.clients_max()));
    line(text, format_args!("blocked_clients:{blocked}"));
    line(text, format_args!("tracking_clients:0"));
    line(text, format_args!("pubsub_clients:{subscribers}"));
}

/// There is no way to tell what was asked of the allocator from what the kernel gave, so both are the latter.
fn memory(_: &Info<'_>, text: &mut String) {
    let Memory { resident, resident_peak, machine } = Memory::now();
    bytes(text, "used_memory", resident);
    bytes(text, "used_memory_rss", resident);
    bytes(text, "used_memory_peak", resident_peak);
    let share = if resident_peak > 0 { resident as f64 / resident_peak as f64 * 100.0 } else { 0.0 };
    line(text, format_args!("used_memory_peak_perc:{share:.2}%"));
    bytes(text, "total_system_memory", machine);
    bytes(text, "maxmemory", 0);
    line(text, format_args!("maxmemory_policy:noeviction"));
    line(text, format_args!("mem_fragmentation_ratio:1.00"));
    line(text, format_args!("mem_fragmentation_bytes:0"));
    line(text, format_args!("mem_allocator:libc"));
}

/// What is stored is in a log that is written before it is answered: Redis's append-only file. There are no snapshots.
fn persistence(info: &Info<'_>, text: &mut String) {
    let durable = u8::from(info.context.core.shared().config.is_durable());
    line(text, format_args!("loading:0"));
    line(text, format_args!("async_loading:0"));
    line(text, format_args!("rdb_changes_since_last_save:0"));
    line(text, format_args!("rdb_bgsave_in_progress:0"));
    line(text, format_args!("rdb_last_bgsave_status:ok"));
    line(text, format_args!("aof_enabled:{durable}"));
    line(text, format_args!("aof_rewrite_in_progress:0"));
    line(text, format_args!("aof_rewrite_scheduled:0"));
    line(text, format_args!("aof_last_bgrewrite_status:ok"));
    line(text, format_args!("aof_last_write_status:ok"));
}

fn stats(info: &Info<'_>, text: &mut String) {
    let (totals, rates) = (&info.totals, info.rates);
    let directory = info.context.core.directory();
    let errors: u64 = info.context.core.shared().counters.errors().values().sum();
    line(text, format_args!("total_connections_received:{}", totals.connections));
    line(text, format_args!("total_commands_processed:{}", totals.calls()));
    line(text, format_args!("instantaneous_ops_per_sec:{:.0}", rates.commands));
    line(text, format_args!("total_net_input_bytes:{}", totals.input_bytes));
    line(text, format_args!("total_net_output_bytes:{}", totals.output_bytes));
    line(text, format_args!("instantaneous_input_kbps:{:.2}", rates.input_bytes / 1024.0));
    line(text, format_args!("instantaneous_output_kbps:{:.2}", rates.output_bytes / 1024.0));
    line(text, format_args!("rejected_connections:{}", totals.refused_connections));
    for nothing in ["sync_full", "sync_partial_ok", "sync_partial_err"] {
        line(text, format_args!("{nothing}:0"));
    }
    line(text, format_args!("expired_keys:{}", info.context.core.shared().key_counts.expired()));
    line(text, format_args!("evicted_keys:0"));
    line(text, format_args!("evicted_clients:{}", totals.evicted_clients));
    for nothing in ["keyspace_hits", "keyspace_misses"] {
        line(text, format_args!("{nothing}:0"));
    }
    line(text, format_args!("pubsub_channels:{}", directory.channels(None).len()));
    line(text, format_args!("pubsub_patterns:{}", directory.pattern_count()));
    line(
        text,
        format_args!("pubsubshard_channels:{}", directory.channels_in(Space::ShardChannels, None).len()),
    );
    line(text, format_args!("latest_fork_usec:0"));
    line(text, format_args!("total_forks:0"));
    line(text, format_args!("total_error_replies:{errors}"));
    line(text, format_args!("total_reads_processed:{}", totals.reads));
    line(text, format_args!("naru_messages_published:{}", totals.published));
}

fn replication(info: &Info<'_>, text: &mut String) {
    line(text, format_args!("role:master"));
    line(text, format_args!("connected_slaves:0"));
    line(text, format_args!("master_failover_state:no-failover"));
    line(text, format_args!("master_replid:{}", info.context.core.shared().run_id));
    line(text, format_args!("master_replid2:{:040}", 0));
    line(text, format_args!("master_repl_offset:0"));
    line(text, format_args!("second_repl_offset:-1"));
    for nothing in ["active", "size", "first_byte_offset", "histlen"] {
        line(text, format_args!("repl_backlog_{nothing}:0"));
    }
}

fn cpu(_: &Info<'_>, text: &mut String) {
    let Processor { system, user } = Processor::used();
    line(text, format_args!("used_cpu_sys:{system:.6}"));
    line(text, format_args!("used_cpu_user:{user:.6}"));
    line(text, format_args!("used_cpu_sys_children:0.000000"));
    line(text, format_args!("used_cpu_user_children:0.000000"));
}

fn commandstats(info: &Info<'_>, text: &mut String) {
    for (called, counted) in table::all_called().zip(&info.totals.commands) {
        if counted.calls == 0 && counted.rejected == 0 {
            continue;
        }
        let usec = Duration::from_nanos(counted.nanoseconds).as_micros();
        let each =
            if counted.calls > 0 { counted.nanoseconds as f64 / 1000.0 / counted.calls as f64 } else { 0.0 };
        line(
            text,
            format_args!(
                "cmdstat_{}:calls={},usec={usec},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
                called.name, counted.calls, counted.rejected, counted.failed
            ),
        );
    }
}

/// Redis's default percentiles, up to a class of the histogram.
fn latencystats(info: &Info<'_>, text: &mut String) {
    for (called, counted) in table::all_called().zip(&info.totals.commands) {
        let [half, most, nearly_all] = [500, 990, 999].map(|thousandths| counted.percentile(thousandths));
        if counted.calls > 0 {
            line(
                text,
                format_args!(
                    "latency_percentiles_usec_{}:p50={half:.3},p99={most:.3},p99.9={nearly_all:.3}",
                    called.name
                ),
            );
        }
    }
}

fn errorstats(info: &Info<'_>, text: &mut String) {
    for (word, count) in info.context.core.shared().counters.errors() {
        line(text, format_args!("errorstat_{word}:count={count}"));
    }
}

fn keyspace(info: &Info<'_>, text: &mut String) {
    let counts = &info.context.core.shared().key_counts;
    let (keys, expiring) = (counts.keys(), counts.expiring());
    if keys > 0 {
        line(text, format_args!("db0:keys={keys},expires={expiring},avg_ttl=0"));
    }
}

/// How much there is of conversations and inboxes, and the bounds that are set, under the names of their parameters.
fn ledger(info: &Info<'_>, text: &mut String) {
    let shared = info.context.core.shared();
    if let Some(LedgerCounts { epoch, generation, totals }) = shared.key_counts.ledger() {
        line(text, format_args!("ledger_epoch:{epoch}"));
        line(text, format_args!("ledger_generation:{generation}"));
        line(text, format_args!("ledger_conversations:{}", totals.conversations));
        line(text, format_args!("ledger_people:{}", totals.people));
        line(text, format_args!("ledger_devices:{}", totals.devices));
        line(text, format_args!("ledger_entries:{}", totals.entries));
        line(text, format_args!("ledger_open_entries:{}", totals.open));
        line(text, format_args!("ledger_bytes:{}", totals.bytes));
    }
    parameters_of(info, "ledger-", text);
}

fn channels(info: &Info<'_>, text: &mut String) {
    let totals = info.context.core.shared().key_counts.channels();
    line(text, format_args!("channels:{}", totals.channels));
    line(text, format_args!("channel_publications:{}", totals.publications));
    line(text, format_args!("channel_bytes:{}", totals.bytes));
    line(text, format_args!("channel_once:{}", totals.once));
    line(text, format_args!("channel_present:{}", totals.present));
    parameters_of(info, "channel-", text);
}

fn parameters_of(info: &Info<'_>, prefix: &'static str, text: &mut String) {
    for (name, value) in info.context.core.shared().config.parameters_of(prefix) {
        line(text, format_args!("{}:{}", name.replace('-', "_"), String::from_utf8_lossy(&value)));
    }
}

pub(super) fn time(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    context.reply(|writer| {
        writer.array(2);
        writer.bulk(now.as_secs().to_string());
        writer.bulk(now.subsec_micros().to_string());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people_are_written_as_redis_does() {
        for (bytes, text) in
            [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1_163_112, "1.11M"), (25_276_510_208, "23.54G")]
        {
            assert_eq!(human(bytes), text);
        }
    }
}
