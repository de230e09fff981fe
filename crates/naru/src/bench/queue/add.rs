use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::{
    Report,
    adder::{Adder, Order},
    body::Bodies,
    drive::{Latencies, Run, Sort, connect},
    meter::{Reading, ServerUse, Window, written_per_queued},
    options::{Adding, Server},
    streams::Streams,
    table::Table,
};
use crate::bench::{live::Live, process::Process, report::Latency};

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
    threads: u16,
    seconds: f64,
    entries: u64,
    entries_per_second: f64,
    /// From just before an XADD is written to its answer.
    latency: Latency,
    /// `None` without `--pid`.
    pub(super) server_use: Option<ServerUse>,
    /// Of the bodies alone; `None` where the server's writes are not known.
    pub(super) written_per_queued_byte: Option<f64>,
    /// Of the load generator; near its number of threads, it is what limits the rate.
    generator_cores: f64,
}

/// Appends as fast as the server answers; checks in the end that all of it is there.
pub(super) fn measure(options: &Options) -> anyhow::Result<Added> {
    options.adding.check()?;
    let mut live = Live::new("entries");
    let load = Load::start(&options.server, &options.adding)?;
    load.warm_up(&mut live)?;
    let window = load.window(|run| run.watch("measuring", options.adding.seconds, &mut live))?;
    load.finish(&window, &mut live)
}

/// Connections that append.
pub(super) struct Load<'a> {
    server: &'a Server,
    adding: &'a Adding,
    process: Option<Process>,
    start_resident_bytes: Option<u64>,
    streams: Arc<Streams>,
    run: Run<Adder>,
}

impl<'a> Load<'a> {
    pub(super) fn start(server: &'a Server, adding: &'a Adding) -> anyhow::Result<Self> {
        let process = server.process();
        let start_resident_bytes = process.map(Process::resident_bytes).transpose()?;
        let streams = Arc::new(Streams::new(adding.entries.streams)?);
        let bodies = Arc::new(Bodies::new(adding.entries.body));
        let connections = connect(&server.connector()?, adding.connections)?;
        let adders = Adder::all(&streams, &bodies, Order::Random, adding.connections);
        let run = Run::start(adders, connections, adding.in_flight, adding.threads)?;
        Ok(Load { server, adding, process, start_resident_bytes, streams, run })
    }

    pub(super) fn warm_up(&self, live: &mut Live) -> anyhow::Result<()> {
        self.run.watch("warming up", self.adding.warm_up, live)
    }

    /// Measures for as long as `meanwhile` takes.
    pub(super) fn window(
        &self,
        meanwhile: impl FnOnce(&Run<Adder>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Window> {
        let before = Reading::take(self.process, self.run.done())?;
        self.run.measure();
        meanwhile(&self.run)?;
        Ok(Reading::take(self.process, self.run.done())?.since(&before))
    }

    /// Waits for the last answers, and compares the streams with them.
    pub(super) fn finish(self, window: &Window, live: &mut Live) -> anyhow::Result<Added> {
        let Load { server, adding, process, start_resident_bytes, streams, run } = self;
        let server_use = ServerUse::read(window, process, start_resident_bytes)?;
        run.stop();
        let (adders, latencies): (_, Latencies) = run.finish("waiting for the last answers", live)?;
        ensure!(window.done > 0, "nothing was acknowledged within {:?}", window.length);
        live.write("comparing the streams with what was acknowledged");
        let lengths = Adder::lengths(&adders, adding.entries.streams);
        streams.check_lengths(&mut server.dialog()?, &lengths)?;
        let queued_bytes = window.done * adding.entries.body as u64;
        Ok(Added {
            server: server.name(),
            connections: adding.connections,
            in_flight: adding.in_flight,
            streams: adding.entries.streams,
            body_bytes: adding.entries.body,
            threads: adding.threads,
            seconds: window.length.as_secs_f64(),
            entries: window.done,
            entries_per_second: window.per_second(),
            latency: Latency::new(latencies.of(Sort::Add)),
            written_per_queued_byte: written_per_queued(server_use.as_ref(), queued_bytes),
            server_use,
            generator_cores: window.generator_cores(),
        })
    }
}

impl Report for Added {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{}: connections {} x {} in flight, streams {}, body {} bytes, {:.1} s",
            self.server, self.connections, self.in_flight, self.streams, self.body_bytes, self.seconds
        ));
        table.row("entries", format!("{:.0} /s", self.entries_per_second));
        table.latency("latency", &self.latency);
        if let Some(used) = &self.server_use {
            used.show(&mut table);
        }
        if let Some(written) = self.written_per_queued_byte {
            table.row("written per byte queued", format!("{written:.2}"));
        }
        table.row("load generator CPU", format!("{:.2} cores", self.generator_cores));
        table
    }
}
