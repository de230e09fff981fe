use std::{
    io::{self, Write as _},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{options::Pubsub, process::CpuTime};
use crate::printed::Printed;

/// Of a rate asked for, how much counts as all of it: a window begins and ends somewhere between two messages.
pub(super) const RATE_KEPT: f64 = 0.99;

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
    seconds: f64,
    publishes_per_second: f64,
    deliveries: u64,
    deliveries_per_second: f64,
    latency: Latency,
    /// `None` without `--pid`.
    server_use: Option<ServerUse>,
    /// Of the load generator; near its number of threads, it is what limits the rate.
    generator_cores: f64,
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

#[derive(Debug, Serialize)]
struct ServerUse {
    user_us_per_delivery: f64,
    system_us_per_delivery: f64,
    cpu_us_per_delivery: f64,
    cpu_us_per_publish: f64,
    /// CPU seconds a second.
    cores: f64,
    /// Before the first connection.
    start_resident_bytes: u64,
    /// Since the process began.
    peak_resident_bytes: u64,
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
        let seconds = window.length.as_secs_f64();
        let cores = |time: CpuTime| (time.user + time.system).as_secs_f64() / seconds;
        let per_delivery = |time: Duration| time.as_secs_f64() * 1e6 / window.delivered as f64;
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
            seconds,
            publishes_per_second: window.answered as f64 / seconds,
            deliveries: window.delivered,
            deliveries_per_second: window.delivered as f64 / seconds,
            latency: Latency::new(latency),
            server_use: window.server.as_ref().map(|&Used { time, resident_before, resident_peak }| {
                ServerUse {
                    user_us_per_delivery: per_delivery(time.user),
                    system_us_per_delivery: per_delivery(time.system),
                    cpu_us_per_delivery: per_delivery(time.user + time.system),
                    cpu_us_per_publish: (time.user + time.system).as_secs_f64() * 1e6
                        / window.answered.max(1) as f64,
                    cores: cores(time),
                    start_resident_bytes: resident_before,
                    peak_resident_bytes: resident_peak,
                }
            }),
            generator_cores: cores(window.generator),
        }
    }

    pub(super) fn print_table(&self) -> io::Result<()> {
        let mut out = Printed;
        writeln!(
            out,
            "{}: subscribers {}, channels {}, publishers {} x {} in flight, patterns {}, payload {} bytes, {:.1} s",
            self.server,
            self.subscribers,
            self.channels,
            self.publishers,
            self.in_flight,
            self.patterns,
            self.payload_bytes,
            self.seconds,
        )?;
        let mut row = |name: &str, value: String| writeln!(out, "  {name:<26}{value:>14}");
        row("publishes", format!("{:.0} /s", self.publishes_per_second))?;
        if let Some(rate) = self.rate {
            let kept = self.publishes_per_second >= f64::from(rate) * RATE_KEPT;
            row("  asked for", format!("{rate} /s{}", if kept { "" } else { ": not reached" }))?;
        }
        row("deliveries", format!("{:.0} /s", self.deliveries_per_second))?;
        for (name, latency_us) in self.latency.named() {
            row(&format!("latency {name}"), format!("{latency_us:.0} µs"))?;
        }
        if let Some(server) = &self.server_use {
            row("server CPU per delivery", format!("{:.3} µs", server.cpu_us_per_delivery))?;
            row("  of it user", format!("{:.3} µs", server.user_us_per_delivery))?;
            row("  of it system", format!("{:.3} µs", server.system_us_per_delivery))?;
            row("server CPU per publish", format!("{:.3} µs", server.cpu_us_per_publish))?;
            row("server CPU", format!("{:.2} cores", server.cores))?;
            let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1_048_576.0);
            row("server memory, at first", mebibytes(server.start_resident_bytes))?;
            row("server memory, peak", mebibytes(server.peak_resident_bytes))?;
        }
        row("load generator CPU", format!("{:.2} cores", self.generator_cores))
    }
}
