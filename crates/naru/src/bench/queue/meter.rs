use std::time::{Duration, Instant};

use serde::Serialize;

use super::table::{Table, mebibytes};
use crate::bench::process::{CpuTime, Process};

/// What the server, if it runs here, and the load generator have used at one moment.
pub(super) struct Reading {
    at: Instant,
    done: u64,
    server: Option<(CpuTime, Option<u64>)>,
    generator: CpuTime,
}

/// Between two readings.
pub(super) struct Window {
    pub(super) length: Duration,
    /// Entries.
    pub(super) done: u64,
    server: Option<(CpuTime, Option<u64>)>,
    generator: CpuTime,
}

impl Reading {
    /// `done` are the entries so far.
    pub(super) fn take(server: Option<Process>, done: u64) -> anyhow::Result<Self> {
        let of = |process: Process| Ok::<_, anyhow::Error>((process.cpu_time()?, process.written_bytes()));
        Ok(Reading {
            at: Instant::now(),
            done,
            server: server.map(of).transpose()?,
            generator: Process::own().cpu_time()?,
        })
    }

    pub(super) fn since(&self, before: &Reading) -> Window {
        let server = self.server.zip(before.server).map(|((cpu, written), (cpu_before, written_before))| {
            let written = written.zip(written_before).map(|(now, before)| now.saturating_sub(before));
            (cpu.since(cpu_before), written)
        });
        Window {
            length: self.at - before.at,
            done: self.done - before.done,
            server,
            generator: self.generator.since(before.generator),
        }
    }
}

impl Window {
    pub(super) fn per_second(&self) -> f64 {
        self.done as f64 / self.length.as_secs_f64()
    }

    /// CPU seconds of the load generator a second.
    pub(super) fn generator_cores(&self) -> f64 {
        self.cores(self.generator)
    }

    fn cores(&self, time: CpuTime) -> f64 {
        (time.user + time.system).as_secs_f64() / self.length.as_secs_f64()
    }
}

/// What the server used in a window, by entry.
#[derive(Debug, Serialize)]
pub(super) struct ServerUse {
    cpu_us_per_entry: f64,
    user_us_per_entry: f64,
    system_us_per_entry: f64,
    /// CPU seconds a second.
    cores: f64,
    /// Before the first connection.
    start_resident_bytes: u64,
    /// Now.
    pub(super) resident_bytes: u64,
    /// Since the process began.
    peak_resident_bytes: u64,
    /// To disk; `None` if this user may not know.
    pub(super) written_bytes: Option<u64>,
}

impl ServerUse {
    /// Reads what is missing in `window` from the server, which had so much memory at first. `None` without a server.
    pub(super) fn read(
        window: &Window,
        server: Option<Process>,
        start_resident_bytes: Option<u64>,
    ) -> anyhow::Result<Option<Self>> {
        let (Some(process), Some(start_resident_bytes), Some((cpu, written_bytes))) =
            (server, start_resident_bytes, window.server)
        else {
            return Ok(None);
        };
        let per_entry = |time: Duration| time.as_secs_f64() * 1e6 / window.done.max(1) as f64;
        Ok(Some(ServerUse {
            cpu_us_per_entry: per_entry(cpu.user + cpu.system),
            user_us_per_entry: per_entry(cpu.user),
            system_us_per_entry: per_entry(cpu.system),
            cores: window.cores(cpu),
            start_resident_bytes,
            resident_bytes: process.resident_bytes()?,
            peak_resident_bytes: process.peak_resident_bytes()?,
            written_bytes,
        }))
    }

    pub(super) fn show(&self, table: &mut Table) {
        table.row("server CPU per entry", format!("{:.3} µs", self.cpu_us_per_entry));
        table.row("  of it user", format!("{:.3} µs", self.user_us_per_entry));
        table.row("  of it system", format!("{:.3} µs", self.system_us_per_entry));
        table.row("server CPU", format!("{:.2} cores", self.cores));
        table.row("server memory, at first", mebibytes(self.start_resident_bytes));
        table.row("server memory, at the end", mebibytes(self.resident_bytes));
        table.row("server memory, peak", mebibytes(self.peak_resident_bytes));
        if let Some(written) = self.written_bytes {
            table.row("written to disk", mebibytes(written));
        }
    }

    /// Since before the first connection.
    pub(super) fn grown_bytes(&self) -> u64 {
        self.resident_bytes.saturating_sub(self.start_resident_bytes)
    }
}

/// Bytes written to disk for each byte of the bodies that were queued meanwhile.
pub(super) fn written_per_queued(used: Option<&ServerUse>, queued_bytes: u64) -> Option<f64> {
    Some(used?.written_bytes? as f64 / queued_bytes.max(1) as f64)
}
