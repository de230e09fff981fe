use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::{
    Report,
    adder::{Adder, Order},
    body::Bodies,
    drive::{Run, Sort, connect},
    folder::Disk,
    meter::{Meter, Used, Window},
    options::{Adding, Server},
    streams::Streams,
};
use crate::bench::{live::Live, report::Latency, table::Table};

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) server: Server,
    #[command(flatten)]
    adding: Adding,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Added {
    server: String,
    connections: u32,
    in_flight: u32,
    streams: u32,
    body_bytes: usize,
    /// Entries that a stream keeps; `None` for all.
    maxlen: Option<u64>,
    threads: u16,
    entries_per_second: f64,
    /// From just before an XADD is written to its answer.
    latency: Latency,
    #[serde(flatten)]
    used: Used,
}

/// Appends as fast as the server answers; checks in the end that all of it is there.
pub(super) fn measure(options: &Options) -> anyhow::Result<Added> {
    options.adding.check()?;
    let mut live = Live::new("entries");
    let load = Load::start(&options.server, &options.adding)?;
    load.warm_up(&mut live)?;
    let window = load.window(|run| run.watch_some(options.adding.seconds, &mut live))?;
    load.finish(window, &mut live)
}

/// Connections that append.
pub(super) struct Load<'a> {
    server: &'a Server,
    adding: &'a Adding,
    meter: Meter,
    disk: Disk<'a>,
    streams: Arc<Streams>,
    run: Run<Adder>,
}

impl<'a> Load<'a> {
    pub(super) fn start(server: &'a Server, adding: &'a Adding) -> anyhow::Result<Self> {
        let (meter, disk) = (server.meter()?, server.disk()?);
        let streams = Arc::new(Streams::new(adding.entries.streams)?);
        let bodies = Arc::new(Bodies::new(adding.entries.body));
        let connections = connect(&server.connector()?, adding.connections)?;
        let order = Order::Random { maxlen: adding.maxlen };
        let adders = Adder::all(&streams, &bodies, order, adding.connections);
        let run = Run::start(adders, connections, adding.in_flight, adding.threads)?;
        Ok(Load { server, adding, meter, disk, streams, run })
    }

    pub(super) fn warm_up(&self, live: &mut Live) -> anyhow::Result<()> {
        self.run.watch("warming up", self.adding.warm_up, live)
    }

    /// Measures for as long as `meanwhile` takes.
    pub(super) fn window(
        &self,
        meanwhile: impl FnOnce(&Run<Adder>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Window> {
        let before = self.meter.read(self.run.done())?;
        self.run.measure();
        meanwhile(&self.run)?;
        self.meter.since(&before, self.run.done())
    }

    /// Waits for the last answers, and compares the streams with them.
    pub(super) fn finish(self, window: Window, live: &mut Live) -> anyhow::Result<Added> {
        let Load { server, adding, disk, streams, run, .. } = self;
        run.stop();
        let (adders, latencies) = run.finish("waiting for the last answers", live)?;
        ensure!(window.done > 0, "nothing was acknowledged within {:.1?}", window.length);
        live.write("comparing the streams with what was acknowledged");
        let mut lengths = Adder::lengths(&adders, adding.entries.streams);
        let queued_bytes = lengths.iter().sum::<u64>() * adding.entries.body as u64;
        let used = window.used(&disk, queued_bytes);
        if let Some(maxlen) = adding.maxlen {
            lengths.iter_mut().for_each(|length| *length = maxlen.min(*length));
        }
        streams.check_lengths(&mut server.dialog()?, &lengths)?;
        Ok(Added {
            server: server.name(),
            connections: adding.connections,
            in_flight: adding.in_flight,
            streams: adding.entries.streams,
            body_bytes: adding.entries.body,
            threads: adding.threads,
            maxlen: adding.maxlen,
            entries_per_second: used.entries_per_second(),
            latency: Latency::new(latencies.of(Sort::Add)),
            used,
        })
    }
}

impl Report for Added {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{}: connections {} x {} in flight, streams {}{}, body {} bytes, {:.1} s",
            self.server,
            self.connections,
            self.in_flight,
            self.streams,
            self.maxlen.map(|it| format!(" of {it} entries at most")).unwrap_or_default(),
            self.body_bytes,
            self.used.seconds
        ));
        self.show(&mut table);
        table
    }
}

impl Added {
    pub(super) fn show(&self, table: &mut Table) {
        table.row("entries", format!("{:.0} /s", self.entries_per_second));
        table.latency("XADD", &self.latency);
        self.used.show(table);
    }
}
