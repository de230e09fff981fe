use std::time::Duration;

use serde::Serialize;

use super::{
    process::CpuTime,
    table::{Table, mebibytes},
};

/// What the servers used for what was measured. The names are those of the JSON output; units are in the names.
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

/// What it was used for.
pub(super) struct Done {
    pub(super) delivered: u64,
    pub(super) answered: u64,
}

/// In bytes.
pub(super) struct Resident {
    pub(super) start: u64,
    pub(super) peak: u64,
}

impl ServerUse {
    pub(super) fn new(time: CpuTime, length: Duration, done: &Done, resident: &Resident) -> Self {
        let each = |time: Duration, count: u64| time.as_secs_f64() * 1e6 / count.max(1) as f64;
        ServerUse {
            user_us_per_delivery: each(time.user, done.delivered),
            system_us_per_delivery: each(time.system, done.delivered),
            cpu_us_per_delivery: each(time.user + time.system, done.delivered),
            cpu_us_per_publish: each(time.user + time.system, done.answered),
            cores: cores(time, length),
            start_resident_bytes: resident.start,
            peak_resident_bytes: resident.peak,
        }
    }

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

/// CPU seconds a second.
pub(super) fn cores(time: CpuTime, length: Duration) -> f64 {
    (time.user + time.system).as_secs_f64() / length.as_secs_f64().max(1e-3)
}
