use std::time::{Duration, Instant};

use crate::bench::{
    process::{CpuTime, Process},
    server_use::{Done, Resident, ServerUse, cores},
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
        let peak = sum(&self.servers, Process::peak_resident_bytes)?;
        let resident = Resident { start: self.start_resident_bytes, peak };
        Ok(Some(ServerUse::new(time, between.length, &Done { delivered, answered }, &resident)))
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

fn sum(processes: &[Process], of: fn(Process) -> anyhow::Result<u64>) -> anyhow::Result<u64> {
    processes.iter().map(|process| of(*process)).sum()
}
