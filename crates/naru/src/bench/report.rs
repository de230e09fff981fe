use std::{
    io::{self, Write as _},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    options::Pubsub,
    process::CpuTime,
    server_use::{Done, Resident, ServerUse, cores},
    table::{self, Table},
    traffic::Traffic,
};
use crate::printed::Printed;

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: String,
    protocol: &'static str,
    subscribers: u32,
    publishers: u32,
    channels: u32,
    patterns: u32,
    payload_bytes: usize,
    in_flight: u32,
    lag_max: u32,
    /// Publishes a second that were asked for; `None` in a closed loop.
    rate: Option<u32>,
    threads: u16,
    #[serde(flatten)]
    traffic: Traffic,
}

/// Of a publish: from just before it is written, or from when it was due at a fixed rate, to its arrival in the load
/// generator, over all deliveries. [`super::queue`] says what it is of there.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
}

impl Latency {
    /// `latency` in nanoseconds.
    pub(super) fn new(latency: &Histogram<u64>) -> Self {
        let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
        Latency {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: latency.max() as f64 / 1e3,
        }
    }

    /// In microseconds, by their names.
    pub(super) fn named(&self) -> [(&'static str, f64); 5] {
        let Latency { p50_us, p90_us, p99_us, p999_us, max_us } = *self;
        [("p50", p50_us), ("p90", p90_us), ("p99", p99_us), ("p99.9", p999_us), ("max", max_us)]
    }
}

/// One JSON object, on a line of its own.
pub(super) fn print_json(report: &impl Serialize) -> io::Result<()> {
    let mut out = Printed;
    serde_json::to_writer(&mut out, report)?;
    writeln!(out)
}

/// The window that was measured.
pub(super) struct Window {
    pub(super) length: Duration,
    pub(super) answered: u64,
    pub(super) delivered: u64,
    pub(super) server: Option<Used>,
    pub(super) generator: CpuTime,
}

/// What the server used.
pub(super) struct Used {
    pub(super) time: CpuTime,
    /// In bytes, before the first connection.
    pub(super) resident_before: u64,
    /// In bytes, since the process began.
    pub(super) resident_peak: u64,
}

impl Report {
    pub(super) fn new(options: &Pubsub, window: &Window, latency: &Histogram<u64>) -> Self {
        let done = Done { delivered: window.delivered, answered: window.answered };
        let server_use = window.server.as_ref().map(|&Used { time, resident_before, resident_peak }| {
            let resident = Resident { start: resident_before, peak: resident_peak };
            ServerUse::new(time, window.length, &done, &resident)
        });
        let generator_cores = cores(window.generator, window.length);
        Report {
            server: format!("{}:{}", options.target.host, options.target.port()),
            protocol: options.target.protocol.name(),
            subscribers: options.subscribers,
            publishers: options.publishers,
            channels: options.channels,
            patterns: options.patterns,
            payload_bytes: options.payload,
            in_flight: options.in_flight,
            lag_max: options.lag_max(),
            rate: options.rate,
            threads: options.threads,
            traffic: Traffic::new(window.length, &done, latency, server_use, generator_cores),
        }
    }
}

impl table::Report for Report {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{}: subscribers {}, channels {}, publishers {} x {} in flight, patterns {}, payload {} bytes, {:.1} s",
            self.server,
            self.subscribers,
            self.channels,
            self.publishers,
            self.in_flight,
            self.patterns,
            self.payload_bytes,
            self.traffic.seconds,
        ));
        self.traffic.show(self.rate, &mut table);
        table
    }
}
