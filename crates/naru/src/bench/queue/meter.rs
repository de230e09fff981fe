use std::time::{Duration, Instant};

use serde::Serialize;

use super::folder::Disk;
use crate::bench::{
    process::{CpuTime, Process},
    table::{Table, mebibytes},
};

/// Reads what the server, if it runs here, and the load generator use.
pub(super) struct Meter {
    server: Option<Process>,
    /// Of the server, before the first connection.
    start_resident_bytes: Option<u64>,
}

/// What was used up to one moment.
pub(super) struct Reading {
    at: Instant,
    done: u64,
    server: Option<CpuTime>,
    generator: CpuTime,
}

/// Between two readings.
pub(super) struct Window {
    pub(super) length: Duration,
    /// Entries.
    pub(super) done: u64,
    server: Option<ServerUse>,
    generator_cores: f64,
}

/// What a window took, by entry.
#[derive(Debug, Serialize)]
pub(super) struct Used {
    pub(super) seconds: f64,
    pub(super) entries: u64,
    /// `None` without `--pid`.
    pub(super) server_use: Option<ServerUse>,
    /// By everybody, to the disk of `--folder`, in all of the run; of `work` and `trim` from when the streams are full.
    disk_written_bytes: Option<u64>,
    /// For each byte of the bodies that were queued in this time; `None` if there were none.
    written_per_queued_byte: Option<f64>,
    /// CPU seconds a second of the load generator; near its number of threads, it is what limits the rate.
    generator_cores: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct ServerUse {
    cpu_us_per_entry: f64,
    user_us_per_entry: f64,
    system_us_per_entry: f64,
    /// CPU seconds a second.
    cores: f64,
    /// Before the first connection.
    start_resident_bytes: u64,
    /// At the end.
    resident_bytes: u64,
    /// Since the process began.
    peak_resident_bytes: u64,
}

impl Meter {
    pub(super) fn new(server: Option<Process>) -> anyhow::Result<Self> {
        Ok(Meter { server, start_resident_bytes: server.map(Process::resident_bytes).transpose()? })
    }

    /// `done` are the entries so far.
    pub(super) fn read(&self, done: u64) -> anyhow::Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            done,
            server: self.server.map(Process::cpu_time).transpose()?,
            generator: Process::own().cpu_time()?,
        })
    }

    /// From `before` to now, when so many entries are done.
    pub(super) fn since(&self, before: &Reading, done: u64) -> anyhow::Result<Window> {
        let now = self.read(done)?;
        let (length, done) = (now.at - before.at, now.done - before.done);
        Ok(Window {
            length,
            done,
            server: self.server_use(before, &now)?,
            generator_cores: cores(now.generator.since(before.generator), length),
        })
    }

    fn server_use(&self, before: &Reading, now: &Reading) -> anyhow::Result<Option<ServerUse>> {
        let (Some(server), Some(start_resident_bytes), Some(cpu), Some(cpu_before)) =
            (self.server, self.start_resident_bytes, now.server, before.server)
        else {
            return Ok(None);
        };
        let cpu = cpu.since(cpu_before);
        let per_entry = |time: Duration| time.as_secs_f64() * 1e6 / (now.done - before.done).max(1) as f64;
        Ok(Some(ServerUse {
            cpu_us_per_entry: per_entry(cpu.user + cpu.system),
            user_us_per_entry: per_entry(cpu.user),
            system_us_per_entry: per_entry(cpu.system),
            cores: cores(cpu, now.at - before.at),
            start_resident_bytes,
            resident_bytes: server.resident_bytes()?,
            peak_resident_bytes: server.peak_resident_bytes()?,
        }))
    }
}

fn cores(time: CpuTime, length: Duration) -> f64 {
    (time.user + time.system).as_secs_f64() / length.as_secs_f64()
}

impl Window {
    /// `queued_bytes` are those of the bodies that were queued since `disk` counts.
    pub(super) fn used(self, disk: &Disk<'_>, queued_bytes: u64) -> Used {
        let disk_written_bytes = disk.written_bytes();
        Used {
            seconds: self.length.as_secs_f64(),
            entries: self.done,
            server_use: self.server,
            disk_written_bytes,
            written_per_queued_byte: disk_written_bytes
                .filter(|_| queued_bytes > 0)
                .map(|written| written as f64 / queued_bytes as f64),
            generator_cores: self.generator_cores,
        }
    }
}

impl Used {
    pub(super) fn entries_per_second(&self) -> f64 {
        self.entries as f64 / self.seconds
    }

    pub(super) fn show(&self, table: &mut Table) {
        if let Some(server) = &self.server_use {
            server.show(table);
        }
        if let Some(written) = self.disk_written_bytes {
            table.row("written to the disk", mebibytes(written));
        }
        if let Some(written) = self.written_per_queued_byte {
            table.row("  per byte queued", format!("{written:.2}"));
        }
        table.row("load generator CPU", format!("{:.2} cores", self.generator_cores));
    }
}

impl ServerUse {
    /// Memory since before the first connection.
    pub(super) fn grown_bytes(&self) -> u64 {
        self.resident_bytes.saturating_sub(self.start_resident_bytes)
    }

    fn show(&self, table: &mut Table) {
        table.row("server CPU per entry", format!("{:.3} µs", self.cpu_us_per_entry));
        table.row("  of it user", format!("{:.3} µs", self.user_us_per_entry));
        table.row("  of it system", format!("{:.3} µs", self.system_us_per_entry));
        table.row("server CPU", format!("{:.2} cores", self.cores));
        table.row("server memory, at first", mebibytes(self.start_resident_bytes));
        table.row("server memory, at the end", mebibytes(self.resident_bytes));
        table.row("server memory, peak", mebibytes(self.peak_resident_bytes));
    }
}
