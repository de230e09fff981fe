use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::{
    process::{CpuTime, Process},
    table::{Table, mebibytes},
};

/// Reads what the broker, if it runs here, and the load generator use.
pub(super) struct Meter {
    broker: Option<Process>,
    /// Of the broker, before the first connection.
    start_resident_bytes: Option<u64>,
}

/// What was used up to one moment.
pub(super) struct Reading {
    at: Instant,
    broker: Option<CpuTime>,
    generator: CpuTime,
}

/// What something took. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Used {
    pub(super) seconds: f64,
    /// `None` without `--pid`.
    broker_use: Option<BrokerUse>,
    /// CPU seconds a second of the load generator; near its number of threads, it is what limits the rate.
    generator_cores: f64,
}

#[derive(Debug, Serialize)]
struct BrokerUse {
    /// Of what the load counts: appends, recipients, messages.
    cpu_us_each: f64,
    user_us_each: f64,
    system_us_each: f64,
    /// CPU seconds a second.
    cores: f64,
    /// Before the first connection.
    start_resident_bytes: u64,
    /// At the end.
    resident_bytes: u64,
}

impl Meter {
    pub(super) fn new(broker: Option<Process>) -> anyhow::Result<Self> {
        Ok(Meter { broker, start_resident_bytes: broker.map(Process::resident_bytes).transpose()? })
    }

    pub(super) fn read(&self) -> anyhow::Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            broker: self.broker.map(Process::cpu_time).transpose()?,
            generator: Process::own().cpu_time()?,
        })
    }

    /// From `before` to now, for so many of what is counted.
    pub(super) fn since(&self, before: &Reading, count: u64) -> anyhow::Result<Used> {
        let now = self.read()?;
        let length = now.at - before.at;
        let mut broker_use = None;
        if let (Some(broker), Some(start_resident_bytes), Some(cpu), Some(cpu_before)) =
            (self.broker, self.start_resident_bytes, now.broker, before.broker)
        {
            let cpu = cpu.since(cpu_before);
            let each = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1) as f64;
            broker_use = Some(BrokerUse {
                cpu_us_each: each(cpu.user + cpu.system),
                user_us_each: each(cpu.user),
                system_us_each: each(cpu.system),
                cores: cores(cpu, length),
                start_resident_bytes,
                resident_bytes: broker.resident_bytes()?,
            });
        }
        let generator_cores = cores(now.generator.since(before.generator), length);
        Ok(Used { seconds: length.as_secs_f64(), broker_use, generator_cores })
    }
}

fn cores(time: CpuTime, length: Duration) -> f64 {
    (time.user + time.system).as_secs_f64() / length.as_secs_f64()
}

impl Used {
    /// `each` is what the load counts, in the singular.
    pub(super) fn show(&self, each: &str, table: &mut Table) {
        if let Some(broker) = &self.broker_use {
            table.row(&format!("broker CPU per {each}"), format!("{:.3} µs", broker.cpu_us_each));
            table.row("  of it user", format!("{:.3} µs", broker.user_us_each));
            table.row("  of it system", format!("{:.3} µs", broker.system_us_each));
            table.row("broker CPU", format!("{:.2} cores", broker.cores));
            table.row("broker memory, at first", mebibytes(broker.start_resident_bytes));
            table.row("broker memory, at the end", mebibytes(broker.resident_bytes));
        }
        table.row("load generator CPU", format!("{:.2} cores", self.generator_cores));
    }
}
