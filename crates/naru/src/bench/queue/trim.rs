use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use naru_resp::Value;
use serde::Serialize;

use super::{
    Report,
    body::Bodies,
    fill::fill,
    folder::Folder,
    meter::Used,
    options::{Server, check_body},
    probe::{Probe, Seen},
    streams::Streams,
};
use crate::bench::{
    dialog::Dialog,
    live::Live,
    options::seconds,
    redis,
    table::{Table, mebibytes},
};

/// How long one trimming, or a rewrite, may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The others' entries make the folder grow a little all the time: only so much more or less is a change.
const CHANGE_BYTES: u64 = 1 << 20;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) server: Server,
    /// Streams that are filled and trimmed, one after the other.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    streams: u32,
    /// Entries in all.
    #[arg(long, default_value_t = 2_000_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    entries: u64,
    /// Bytes of an entry's only value.
    #[arg(long, default_value_t = 200, value_name = "BYTES")]
    body: usize,
    /// What removes them.
    #[arg(long, value_enum, default_value_t = By::Maxlen)]
    by: By,
    /// Ask for BGREWRITEAOF behind it and wait for its end: Redis and Valkey keep the space otherwise.
    #[arg(long)]
    rewrite: bool,
    /// Requests a second of each of two other clients, at even distances: one publishes, one adds entries.
    #[arg(long, default_value_t = 500, value_name = "PER SECOND", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long these are measured before anything is trimmed.
    #[arg(long, default_value = "2", value_name = "SECONDS", value_parser = seconds)]
    quiet: Duration,
    /// The measurement ends when the folder's size has not changed for so long.
    #[arg(long, default_value = "3", value_name = "SECONDS", value_parser = seconds)]
    settle: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// XTRIM with MAXLEN 0.
    Maxlen,
    /// DEL.
    Del,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Trimmed {
    server: String,
    streams: u32,
    body_bytes: usize,
    by: &'static str,
    rewrite: bool,
    rate: u32,
    /// Until the last trimming was answered.
    trim_seconds: f64,
    /// From the first trimming on, until the folder last changed its size; `None` without `--folder`, as what follows.
    space_seconds: Option<f64>,
    disk_bytes_before: Option<u64>,
    disk_bytes_after: Option<u64>,
    /// Before the trimming, and from its start to the end.
    publish_quiet: Seen,
    publish_beside: Seen,
    add_quiet: Seen,
    add_beside: Seen,
    /// From the first trimming to the end, by entry trimmed.
    #[serde(flatten)]
    used: Used,
}

/// Fills, watches the server alone, trims, and watches on until the space has returned.
pub(super) fn measure(options: &Options) -> anyhow::Result<Trimmed> {
    check_body(options.body)?;
    let server = &options.server;
    let meter = server.meter()?;
    let mut live = Live::new("entries");
    let streams = Arc::new(Streams::new(options.streams)?);
    let bodies = Arc::new(Bodies::new(options.body));
    fill(server, &streams, &bodies, options.entries, &mut live)?;
    live.write("waiting until the folder keeps its size");
    let mut watch = Watch::new(server.folder(), options.settle);
    watch.until_settled(|| Ok(true))?;
    let disk_bytes_before = watch.size();

    // Before the others are watched: to find out, all that waits is written.
    let disk = server.disk()?;
    let connector = server.connector()?;
    let others = Streams::new(1)?;
    let publish = Probe::publish(&connector, &others.name(0), options.rate)?;
    let add = Probe::add(&connector, &others.name(0), options.rate)?;
    live.write("watching other clients");
    thread::sleep(options.quiet);
    let quiet = (publish.take(), add.take());

    live.write("trimming");
    let mut dialog = server.dialog()?;
    dialog.wait_for(PATIENCE)?;
    let before = meter.read(0)?;
    let mut watch = Watch::new(server.folder(), options.settle);
    trim(&mut dialog, options, &streams)?;
    let trim_seconds = watch.began.elapsed().as_secs_f64();
    live.write("waiting until the space has returned");
    if options.rewrite {
        redis::ask(&mut dialog, ["BGREWRITEAOF"])?;
    }
    watch.until_settled(|| Ok(!options.rewrite || !is_rewriting(&mut dialog)?))?;
    let window = meter.since(&before, options.entries)?;
    let (publish, _) = publish.finish()?;
    let (add, added) = add.finish()?;

    let used = window.used(&disk, 0);
    streams.check_lengths(&mut dialog, &vec![0; options.streams as usize])?;
    others.check_lengths(&mut dialog, &[added])?;
    Ok(Trimmed {
        server: server.name(),
        streams: options.streams,
        body_bytes: options.body,
        by: match options.by {
            By::Maxlen => "maxlen",
            By::Del => "del",
        },
        rewrite: options.rewrite,
        rate: options.rate,
        trim_seconds,
        space_seconds: watch.changed_after().map(|it| it.as_secs_f64()),
        disk_bytes_before,
        disk_bytes_after: watch.size(),
        publish_quiet: quiet.0,
        publish_beside: publish,
        add_quiet: quiet.1,
        add_beside: add,
        used,
    })
}

/// Removes all entries, a stream at a time, and compares what that says with what was there.
fn trim(dialog: &mut Dialog, options: &Options, streams: &Streams) -> anyhow::Result<()> {
    let mut removed = 0;
    for number in 0..options.streams {
        let name = streams.name(number);
        let answer = match options.by {
            By::Maxlen => redis::ask(dialog, ["XTRIM", &name, "MAXLEN", "0"])?,
            By::Del => redis::ask(dialog, ["DEL", &name])?,
        };
        match answer {
            Value::Integer(count) => removed += count,
            other => bail!("trimming was answered with {other:?}"),
        }
    }
    let expected = match options.by {
        By::Maxlen => options.entries,
        By::Del => options.entries.min(options.streams.into()),
    };
    ensure!(u64::try_from(removed) == Ok(expected), "{removed} were removed, and {expected} were there");
    Ok(())
}

/// Whether the server is still at a rewrite that was asked for.
fn is_rewriting(dialog: &mut Dialog) -> anyhow::Result<bool> {
    let answer = redis::ask(dialog, ["INFO", "persistence"])?;
    let text = String::from_utf8_lossy(answer.as_bytes().unwrap_or_default()).into_owned();
    let is_set = |field: &str| text.lines().any(|line| line == format!("{field}:1"));
    Ok(is_set("aof_rewrite_in_progress") || is_set("aof_rewrite_scheduled"))
}

/// Looks at the folder's size.
struct Watch<'a> {
    folder: Option<Folder<'a>>,
    settle: Duration,
    began: Instant,
    /// When the size was last seen to be another one than before.
    changed: Instant,
    size: Option<u64>,
}

impl<'a> Watch<'a> {
    fn new(folder: Option<Folder<'a>>, settle: Duration) -> Self {
        let now = Instant::now();
        Watch { folder, settle, began: now, changed: now, size: None }
    }

    /// Until the size has not changed for the time given, and `ended`.
    fn until_settled(&mut self, mut ended: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        loop {
            let size = self.folder.map(Folder::space).transpose()?;
            let has_changed = match (size, self.size) {
                (Some(now), Some(before)) => now.abs_diff(before) > CHANGE_BYTES,
                (now, _) => now.is_some(),
            };
            if has_changed {
                (self.size, self.changed) = (size, Instant::now());
            }
            if !ended()? {
                ensure!(self.began.elapsed() < PATIENCE, "a rewrite did not end within {PATIENCE:?}");
                self.changed = Instant::now();
            }
            if self.changed.elapsed() >= self.settle {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
    }

    fn size(&self) -> Option<u64> {
        self.size
    }

    fn changed_after(&self) -> Option<Duration> {
        self.folder.map(|_| self.changed - self.began)
    }
}

impl Report for Trimmed {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{}: {} entries of {} bytes in {} streams, by {}{}, others at {} /s",
            self.server,
            self.used.entries,
            self.body_bytes,
            self.streams,
            self.by,
            if self.rewrite { " and a rewrite" } else { "" },
            self.rate
        ));
        table.row("trimmed after", format!("{:.3} s", self.trim_seconds));
        if let Some(seconds) = self.space_seconds {
            table.row("space returned after", format!("{seconds:.1} s"));
        }
        for (name, bytes) in
            [("space on disk before", self.disk_bytes_before), ("space on disk after", self.disk_bytes_after)]
        {
            if let Some(bytes) = bytes {
                table.row(name, mebibytes(bytes));
            }
        }
        self.publish_quiet.show("PUBLISH before", &mut table);
        self.publish_beside.show("PUBLISH beside", &mut table);
        self.add_quiet.show("XADD before", &mut table);
        self.add_beside.show("XADD beside", &mut table);
        self.used.show(&mut table);
        table
    }
}
