use std::sync::Arc;

use anyhow::{bail, ensure};
use clap::Args;
use naru_resp::Value;
use serde::Serialize;

use super::{
    Report,
    body::Bodies,
    drive::{Run, Sort, connect},
    fill::fill,
    meter::Used,
    options::{Server, check_body},
    streams::Streams,
    worker::{Delivered, GROUP, Worker},
};
use crate::{
    bench::{dialog::Dialog, live::Live, redis, report::Latency, table::Table},
    files,
};

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) server: Server,
    /// Consumers, dealt out to the streams.
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    consumers: u32,
    /// Entries of one XREADGROUP at most; one XACK acknowledges what came.
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Streams, each with a group.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    streams: u32,
    /// Entries in all: they are there before the measurement, which ends when all are acknowledged.
    #[arg(long, default_value_t = 200_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    entries: u64,
    /// Bytes of an entry's only value.
    #[arg(long, default_value_t = 200, value_name = "BYTES")]
    body: usize,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Worked {
    server: String,
    consumers: u32,
    count: u32,
    streams: u32,
    body_bytes: usize,
    threads: u16,
    entries_per_second: f64,
    /// Of XREADGROUP, from just before it is written to its answer.
    read_latency: Latency,
    /// Of XACK.
    acknowledge_latency: Latency,
    /// Its entries were each delivered once and acknowledged once.
    #[serde(flatten)]
    used: Used,
}

/// Fills, has all of it consumed, and checks that each entry came once and that none is pending.
pub(super) fn measure(options: &Options) -> anyhow::Result<Worked> {
    check_body(options.body)?;
    ensure!(options.consumers >= options.streams, "--consumers must be at least --streams: one for each");
    files::allow(u64::from(options.consumers) + 4 * u64::from(options.threads))?;
    let mut live = Live::new("entries");
    let meter = options.server.meter()?;
    let streams = Arc::new(Streams::new(options.streams)?);
    let bodies = Arc::new(Bodies::new(options.body));
    fill(&options.server, &streams, &bodies, options.entries, &mut live)?;
    let mut dialog = options.server.dialog()?;
    for number in 0..options.streams {
        // A stream that got no entry is made.
        let name = streams.name(number);
        redis::ask(&mut dialog, ["XGROUP", "CREATE", &name, GROUP, "0", "MKSTREAM"])?;
    }

    let delivered = Arc::new(Delivered::new(options.entries));
    let worker = |number| {
        let stream = streams.name(number % options.streams);
        Worker::new(stream, number, options.count, bodies.clone(), delivered.clone())
    };
    let connections = connect(&options.server.connector()?, options.consumers)?;
    let disk = options.server.disk()?;
    let before = meter.read(0)?;
    let run = Run::start((0..options.consumers).map(worker).collect(), connections, 1, options.threads)?;
    run.measure();
    let (_, latencies) = run.finish("consuming", &mut live)?;
    let used = meter.since(&before, options.entries)?.used(&disk, 0);

    let came = delivered.total();
    ensure!(
        came == options.entries,
        "{} of {} entries were not delivered",
        options.entries - came,
        options.entries
    );
    for number in 0..options.streams {
        nothing_is_pending(&mut dialog, &streams.name(number))?;
    }
    Ok(Worked {
        server: options.server.name(),
        consumers: options.consumers,
        count: options.count,
        streams: options.streams,
        body_bytes: options.body,
        threads: options.threads,
        entries_per_second: used.entries_per_second(),
        read_latency: Latency::new(latencies.of(Sort::Read)),
        acknowledge_latency: Latency::new(latencies.of(Sort::Acknowledge)),
        used,
    })
}

/// All that the group was given is acknowledged.
fn nothing_is_pending(dialog: &mut Dialog, stream: &str) -> anyhow::Result<()> {
    let answer = redis::ask(dialog, ["XPENDING", stream, GROUP])?;
    match answer.as_elements() {
        Some([Value::Integer(0), ..]) => Ok(()),
        Some([Value::Integer(count), ..]) => {
            bail!("stream {stream}: all was acknowledged, and {count} entries are pending")
        }
        _ => bail!("XPENDING was answered with {answer:?}"),
    }
}

impl Report for Worked {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{}: consumers {}, {} entries a read at most, streams {}, {} entries of {} bytes, {:.1} s",
            self.server,
            self.consumers,
            self.count,
            self.streams,
            self.used.entries,
            self.body_bytes,
            self.used.seconds
        ));
        table.row("entries", format!("{:.0} /s", self.entries_per_second));
        table.latency("XREADGROUP", &self.read_latency);
        table.latency("XACK", &self.acknowledge_latency);
        self.used.show(&mut table);
        table
    }
}
