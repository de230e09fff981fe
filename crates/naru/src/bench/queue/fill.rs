use std::{path::PathBuf, sync::Arc, thread, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{
    Report,
    adder::{Adder, Order},
    body::Bodies,
    drive::{Run, connect},
    folder,
    meter::{Reading, ServerUse, written_per_queued},
    options::{Entries, Server},
    streams::Streams,
    table::{Table, mebibytes},
};
use crate::bench::{live::Live, options::seconds, process::Process};

/// Connections that fill streams, unless there are fewer streams or entries.
const CONNECTIONS: u32 = 8;

/// Entries that each sends ahead of the server's answers.
const IN_FLIGHT: u32 = 128;

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
    /// The server's data folder, if it is here: report the space that it takes on disk.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Filled {
    server: String,
    /// The streams are called by their number behind it.
    stream_prefix: String,
    streams: u32,
    entries: u64,
    body_bytes: usize,
    seconds: f64,
    entries_per_second: f64,
    /// `None` without `--pid`.
    server_use: Option<ServerUse>,
    resident_bytes_per_entry: Option<f64>,
    resident_bytes_per_stream: Option<f64>,
    /// Of the bodies alone; `None` where the server's writes are not known.
    written_per_queued_byte: Option<f64>,
    /// Space that the folder takes; `None` without `--folder`.
    disk_bytes: Option<u64>,
}

/// Fills, and leaves alone; checks that all of it is there.
pub(super) fn measure(options: &Options) -> anyhow::Result<Filled> {
    options.entries.check()?;
    let mut live = Live::new("entries");
    let process = options.server.process();
    let start_resident_bytes = process.map(Process::resident_bytes).transpose()?;
    let before = Reading::take(process, 0)?;
    let streams = Arc::new(Streams::new(options.entries.streams)?);
    let bodies = Arc::new(Bodies::new(options.entries.body));
    fill(&options.server, &streams, &bodies, options.count, &mut live)?;
    let length = Reading::take(process, options.count)?.since(&before).length;

    live.write("leaving the server alone");
    thread::sleep(options.settle);
    let window = Reading::take(process, options.count)?.since(&before);
    let server_use = ServerUse::read(&window, process, start_resident_bytes)?;
    let grown_per = |count: u64| server_use.as_ref().map(|it| it.grown_bytes() as f64 / count as f64);
    Ok(Filled {
        server: options.server.name(),
        stream_prefix: streams.prefix().to_owned(),
        streams: options.entries.streams,
        entries: options.count,
        body_bytes: options.entries.body,
        seconds: length.as_secs_f64(),
        entries_per_second: options.count as f64 / length.as_secs_f64(),
        resident_bytes_per_entry: grown_per(options.count),
        resident_bytes_per_stream: grown_per(options.entries.streams.into()),
        written_per_queued_byte: written_per_queued(
            server_use.as_ref(),
            options.count * options.entries.body as u64,
        ),
        server_use,
        disk_bytes: options.folder.as_deref().map(folder::space).transpose()?,
    })
}

/// Puts the entries 0 to `count` into the streams, and checks that all of them are there.
pub(super) fn fill(
    server: &Server,
    streams: &Arc<Streams>,
    bodies: &Arc<Bodies>,
    count: u64,
    live: &mut Live,
) -> anyhow::Result<()> {
    let connections = connect(&server.connector()?, CONNECTIONS)?;
    let adders = Adder::all(streams, bodies, Order::InTurn { end: count }, CONNECTIONS);
    let run = Run::start(adders, connections, IN_FLIGHT, 1)?;
    let (adders, _) = run.finish("filling", live)?;
    streams.check_lengths(&mut server.dialog()?, &Adder::lengths(&adders, streams.count()))
}

impl Report for Filled {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{}: {} entries of {} bytes in {} streams, named {}0 and so on",
            self.server, self.entries, self.body_bytes, self.streams, self.stream_prefix
        ));
        table.row("filled", format!("{:.0} /s", self.entries_per_second));
        if let Some(used) = &self.server_use {
            used.show(&mut table);
        }
        for (name, bytes) in
            [("entry", self.resident_bytes_per_entry), ("stream", self.resident_bytes_per_stream)]
        {
            if let Some(bytes) = bytes {
                table.row(&format!("memory grown per {name}"), format!("{bytes:.1} bytes"));
            }
        }
        if let Some(written) = self.written_per_queued_byte {
            table.row("written per byte queued", format!("{written:.2}"));
        }
        if let Some(bytes) = self.disk_bytes {
            table.row("space on disk", mebibytes(bytes));
        }
        table
    }
}
