use std::{
    io::{self, Write as _, stdout},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{options::Pubsub, process::CpuTime};

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: String,
    subscribers: u32,
    publishers: u32,
    channels: u32,
    payload_bytes: usize,
    in_flight: u32,
    lag_max: u32,
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

/// From just before a publish is written to its arrival in the load generator, over all deliveries.
#[derive(Debug, Serialize)]
struct Latency {
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
}

#[derive(Debug, Serialize)]
struct ServerUse {
    user_us_per_delivery: f64,
    system_us_per_delivery: f64,
    cpu_us_per_delivery: f64,
    /// CPU seconds a second.
    cores: f64,
    /// Since the process began.
    peak_resident_bytes: u64,
}

/// The window that was measured.
pub(super) struct Window {
    pub(super) length: Duration,
    pub(super) answered: u64,
    pub(super) delivered: u64,
    /// Of the server, with its peak memory in bytes.
    pub(super) server: Option<(CpuTime, u64)>,
    pub(super) generator: CpuTime,
}

impl Report {
    pub(super) fn new(options: &Pubsub, window: &Window, latency: &Histogram<u64>) -> Self {
        let seconds = window.length.as_secs_f64();
        let cores = |time: CpuTime| (time.user + time.system).as_secs_f64() / seconds;
        let per_delivery = |time: Duration| time.as_secs_f64() * 1e6 / window.delivered as f64;
        let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
        Report {
            server: format!("{}:{}", options.host, options.port),
            subscribers: options.subscribers,
            publishers: options.publishers,
            channels: options.channels,
            payload_bytes: options.payload,
            in_flight: options.in_flight,
            lag_max: options.lag_max(),
            threads: options.threads,
            seconds,
            publishes_per_second: window.answered as f64 / seconds,
            deliveries: window.delivered,
            deliveries_per_second: window.delivered as f64 / seconds,
            latency: Latency {
                p50_us: at(0.5),
                p90_us: at(0.9),
                p99_us: at(0.99),
                p999_us: at(0.999),
                max_us: latency.max() as f64 / 1e3,
            },
            server_use: window.server.map(|(time, peak_resident_bytes)| ServerUse {
                user_us_per_delivery: per_delivery(time.user),
                system_us_per_delivery: per_delivery(time.system),
                cpu_us_per_delivery: per_delivery(time.user + time.system),
                cores: cores(time),
                peak_resident_bytes,
            }),
            generator_cores: cores(window.generator),
        }
    }

    pub(super) fn print_json(&self) -> io::Result<()> {
        let mut out = stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        writeln!(out)
    }

    pub(super) fn print_table(&self) -> io::Result<()> {
        let mut out = stdout().lock();
        writeln!(
            out,
            "{}: subscribers {}, channels {}, publishers {} x {} in flight, payload {} bytes, {:.1} s",
            self.server,
            self.subscribers,
            self.channels,
            self.publishers,
            self.in_flight,
            self.payload_bytes,
            self.seconds,
        )?;
        let mut row = |name: &str, value: String| writeln!(out, "  {name:<26}{value:>14}");
        row("publishes", format!("{:.0} /s", self.publishes_per_second))?;
        row("deliveries", format!("{:.0} /s", self.deliveries_per_second))?;
        let Latency { p50_us, p90_us, p99_us, p999_us, max_us } = self.latency;
        for (name, latency_us) in
            [("p50", p50_us), ("p90", p90_us), ("p99", p99_us), ("p99.9", p999_us), ("max", max_us)]
        {
            row(&format!("latency {name}"), format!("{latency_us:.0} µs"))?;
        }
        if let Some(server) = &self.server_use {
            row("server CPU per delivery", format!("{:.3} µs", server.cpu_us_per_delivery))?;
            row("  of it user", format!("{:.3} µs", server.user_us_per_delivery))?;
            row("  of it system", format!("{:.3} µs", server.system_us_per_delivery))?;
            row("server CPU", format!("{:.2} cores", server.cores))?;
            row("server peak memory", format!("{:.1} MiB", server.peak_resident_bytes as f64 / 1_048_576.0))?;
        }
        row("load generator CPU", format!("{:.2} cores", self.generator_cores))
    }
}
