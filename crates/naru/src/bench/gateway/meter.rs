use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::{
    process::{CpuTime, Process},
    table::{Table, mebibytes},
};

/// Reads what the servers, if they run here, and the load generator use.
pub(super) struct Meter {
    servers: Vec<Process>,
    start_resident_bytes: u64,
}

/// What was used up to one moment.
pub(super) struct Reading {
    at: Instant,
    servers: CpuTime,
    generator: CpuTime,
}

/// What was used between two moments.
pub(super) struct Between {
    pub(super) length: Duration,
    servers: Option<CpuTime>,
    generator: CpuTime,
}

/// Of all servers. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct ServerUse {
    user_us_per_delivery: f64,
    system_us_per_delivery: f64,
    cpu_us_per_delivery: f64,
    cpu_us_per_publish: f64,
    /// CPU seconds a second.
    cores: f64,
    /// Before the first connection.
    start_resident_bytes: u64,
    /// Since the processes began.
    peak_resident_bytes: u64,
}

impl Meter {
    pub(super) fn new(servers: Vec<Process>) -> anyhow::Result<Self> {
        let start_resident_bytes = sum(&servers, Process::resident_bytes)?;
        Ok(Meter { servers, start_resident_bytes })
    }

    pub(super) fn is_blind(&self) -> bool {
        self.servers.is_empty()
    }

    pub(super) fn read(&self) -> anyhow::Result<Reading> {
        let mut servers = CpuTime::default();
        for server in &self.servers {
            let CpuTime { user, system } = server.cpu_time()?;
            servers.user += user;
            servers.system += system;
        }
        Ok(Reading { at: Instant::now(), servers, generator: Process::own().cpu_time()? })
    }

    pub(super) fn between(&self, before: &Reading, after: &Reading) -> Between {
        Between {
            length: after.at - before.at,
            servers: (!self.is_blind()).then(|| after.servers.since(before.servers)),
            generator: after.generator.since(before.generator),
        }
    }

    pub(super) fn start_resident_bytes(&self) -> u64 {
        self.start_resident_bytes
    }

    pub(super) fn resident_bytes(&self) -> anyhow::Result<u64> {
        sum(&self.servers, Process::resident_bytes)
    }

    /// What the servers used, for so many deliveries and publishes; `None` if they are not known.
    pub(super) fn server_use(
        &self,
        between: &Between,
        delivered: u64,
        answered: u64,
    ) -> anyhow::Result<Option<ServerUse>> {
        let Some(time) = between.servers else { return Ok(None) };
        let each = |time: Duration, count: u64| time.as_secs_f64() * 1e6 / count.max(1) as f64;
        Ok(Some(ServerUse {
            user_us_per_delivery: each(time.user, delivered),
            system_us_per_delivery: each(time.system, delivered),
            cpu_us_per_delivery: each(time.user + time.system, delivered),
            cpu_us_per_publish: each(time.user + time.system, answered),
            cores: cores(time, between.length),
            start_resident_bytes: self.start_resident_bytes,
            peak_resident_bytes: sum(&self.servers, Process::peak_resident_bytes)?,
        }))
    }
}

impl Between {
    /// CPU seconds a second of the load generator; near its number of threads, it is what limits the rate.
    pub(super) fn generator_cores(&self) -> f64 {
        cores(self.generator, self.length)
    }

    /// CPU seconds a second of the servers.
    pub(super) fn server_cores(&self) -> Option<f64> {
        self.servers.map(|time| cores(time, self.length))
    }
}

impl ServerUse {
    pub(super) fn show(&self, table: &mut Table) {
        table.row("server CPU per delivery", format!("{:.3} µs", self.cpu_us_per_delivery));
        table.row("  of it user", format!("{:.3} µs", self.user_us_per_delivery));
        table.row("  of it system", format!("{:.3} µs", self.system_us_per_delivery));
        table.row("server CPU per publish", format!("{:.3} µs", self.cpu_us_per_publish));
        table.row("server CPU", format!("{:.2} cores", self.cores));
        table.row("server memory, at first", mebibytes(self.start_resident_bytes));
        table.row("server memory, peak", mebibytes(self.peak_resident_bytes));
    }
}

fn sum(processes: &[Process], of: fn(Process) -> anyhow::Result<u64>) -> anyhow::Result<u64> {
    processes.iter().map(|process| of(*process)).sum()
}

fn cores(time: CpuTime, length: Duration) -> f64 {
    (time.user + time.system).as_secs_f64() / length.as_secs_f64().max(1e-3)
}
