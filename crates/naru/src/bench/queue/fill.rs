use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use super::{
    Report,
    adder::{Adder, Order},
    body::Bodies,
    drive::{Run, connect},
    folder::Folder,
    meter::Used,
    options::{Entries, Server},
    streams::Streams,
};
use crate::bench::{
    live::Live,
    options::seconds,
    table::{Table, mebibytes},
};

/// Connections that fill streams, unless there are fewer streams.
const CONNECTIONS_MAX: u32 = 8;

/// Entries that all of them together send ahead of the server's answers.
const IN_FLIGHT: u32 = 1024;

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) server: Server,
    #[command(flatten)]
    entries: Entries,
    /// Entries in all, dealt out to the streams in turn.
    #[arg(long = "entries", default_value_t = 1_000_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// How long the server is left alone before its memory and its folder are read.
    #[arg(long, default_value = "2", value_name = "SECONDS", value_parser = seconds)]
    settle: Duration,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Filled {
    server: String,
    /// The streams are called by their number behind it.
    stream_prefix: String,
    streams: u32,
    body_bytes: usize,
    /// Until all were acknowledged; what was used is so up to the end of the time that the server was left alone.
    filled_per_second: f64,
    resident_bytes_per_entry: Option<f64>,
    resident_bytes_per_stream: Option<f64>,
    /// Space that the folder takes; `None` without `--folder`.
    disk_bytes: Option<u64>,
    #[serde(flatten)]
    used: Used,
}

/// Fills, and leaves alone; checks that all of it is there.
pub(super) fn measure(options: &Options) -> anyhow::Result<Filled> {
    let Options { server, entries, count, settle } = options;
    entries.check()?;
    let mut live = Live::new("entries");
    let (meter, disk) = (server.meter()?, server.disk()?);
    let streams = Arc::new(Streams::new(entries.streams)?);
    let bodies = Arc::new(Bodies::new(entries.body));
    let before = meter.read(0)?;
    let length = fill(server, &streams, &bodies, *count, &mut live)?;
    live.write("leaving the server alone");
    thread::sleep(*settle);
    let used = meter.since(&before, *count)?.used(&disk, count * entries.body as u64);
    let grown_per = |count: u64| used.server_use.as_ref().map(|it| it.grown_bytes() as f64 / count as f64);
    Ok(Filled {
        server: server.name(),
        stream_prefix: streams.prefix().to_owned(),
        streams: entries.streams,
        body_bytes: entries.body,
        filled_per_second: *count as f64 / length.as_secs_f64(),
        resident_bytes_per_entry: grown_per(*count),
        resident_bytes_per_stream: grown_per(entries.streams.into()),
        disk_bytes: server.folder().map(Folder::space).transpose()?,
        used,
    })
}

/// Puts the entries 0 to `count` into the streams, and checks that all of them are there; how long it took until all were
/// acknowledged.
pub(super) fn fill(
    server: &Server,
    streams: &Arc<Streams>,
    bodies: &Arc<Bodies>,
    count: u64,
    live: &mut Live,
) -> anyhow::Result<Duration> {
    let writers = streams.count().min(CONNECTIONS_MAX);
    let connections = connect(&server.connector()?, writers)?;
    let adders = Adder::all(streams, bodies, Order::InTurn { end: count }, writers);
    let began = Instant::now();
    let run = Run::start(adders, connections, IN_FLIGHT / writers, 1)?;
    let (adders, _) = run.finish("filling", live)?;
    let length = began.elapsed();
    streams.check_lengths(&mut server.dialog()?, &Adder::lengths(&adders, streams.count()))?;
    Ok(length)
}

impl Report for Filled {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{}: {} entries of {} bytes in {} streams, named {}0 and so on",
            self.server, self.used.entries, self.body_bytes, self.streams, self.stream_prefix
        ));
        table.row("filled", format!("{:.0} /s", self.filled_per_second));
        let per = [("entry", self.resident_bytes_per_entry), ("stream", self.resident_bytes_per_stream)];
        for (name, bytes) in per {
            if let Some(bytes) = bytes {
                table.row(&format!("memory grown per {name}"), format!("{bytes:.1} bytes"));
            }
        }
        if let Some(bytes) = self.disk_bytes {
            table.row("space on disk", mebibytes(bytes));
        }
        self.used.show(&mut table);
        table
    }
}
