//! Publishers and subscribers.

use std::sync::Arc;

use anyhow::ensure;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    meter::{Between, Meter},
    options::Load,
    payload::Payload,
    place::Place,
    server::Doors,
    worker::Worker,
};
use crate::bench::{
    files,
    live::Live,
    progress::{Phase, Progress},
    report::Latency,
    run::Threads,
    server_use::ServerUse,
    table::{self, Table},
};

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: String,
    protocol: &'static str,
    to: &'static str,
    subscribers: u32,
    publishers: u32,
    channels: u32,
    payload_bytes: usize,
    in_flight: u32,
    lag_max: u32,
    /// Messages a second that were asked for; `None` in a closed loop.
    rate: Option<u32>,
    threads: u16,
    seconds: f64,
    publishes_per_second: f64,
    deliveries: u64,
    deliveries_per_second: f64,
    /// From just before a message is written, or from when it was due, to its arrival, over all deliveries.
    latency: Latency,
    /// `None` without `--pid`.
    server_use: Option<ServerUse>,
    generator_cores: f64,
}

/// Connects, warms up, measures, waits for what is on its way, and checks that all of it came.
pub(super) fn measure(load: &Load) -> anyhow::Result<Report> {
    load.check()?;
    files::allow(load.files())?;
    let meter = Meter::new(load.servers.processes())?;
    let mut live = Live::new("deliveries");
    live.write(&format!("opening {} connections", load.subscribers + load.publishers));
    let doors = load.servers.doors()?;
    let running = Running::start(load, &doors)?;
    running.threads.measure("warming up", load.warm_up, &running.progress, &mut live)?;
    let before = running.counted(&meter)?;
    running.progress.enter(Phase::Measure);
    running.threads.measure("measuring", load.seconds, &running.progress, &mut live)?;
    let after = running.counted(&meter)?;
    let latency = running.finish()?;
    drop(live);

    let between = meter.between(&before.reading, &after.reading);
    let (answered, delivered) = (after.answered - before.answered, after.delivered - before.delivered);
    ensure!(delivered > 0, "nothing was delivered within {:?}", load.seconds);
    let server_use = meter.server_use(&between, delivered, answered)?;
    Ok(Report::new(load, &between, (answered, delivered), &latency, server_use))
}

/// A load under way.
pub(super) struct Running {
    pub(super) threads: Threads,
    pub(super) progress: Arc<Progress>,
}

/// Counters at one moment.
pub(super) struct Counted {
    reading: super::meter::Reading,
    answered: u64,
    delivered: u64,
}

impl Running {
    /// Returns when everybody is there and publishing begins.
    pub(super) fn start(load: &Load, doors: &Doors) -> anyhow::Result<Self> {
        let progress = Arc::new(Progress::new(load.lag_max(), load.fan_out(0), load.publishers));
        let workers = workers(load, doors, &progress)?;
        let threads = Threads::start(workers, load.rate, load.publishers, &progress)?;
        Ok(Running { threads, progress })
    }

    pub(super) fn counted(&self, meter: &Meter) -> anyhow::Result<Counted> {
        Ok(Counted {
            reading: meter.read()?,
            answered: self.progress.answered(),
            delivered: self.progress.delivered(),
        })
    }

    /// Waits for what is on its way; the latencies.
    pub(super) fn finish(self) -> anyhow::Result<Histogram<u64>> {
        self.progress.enter(Phase::Drain);
        self.threads.drain(&self.progress)?;
        self.threads.finish()
    }
}

/// Opens all connections and deals them out.
fn workers(load: &Load, doors: &Doors, progress: &Arc<Progress>) -> anyhow::Result<Vec<Worker>> {
    let tongue = doors.tongue;
    let places: Arc<[_]> = load.places().into();
    let pace = Arc::new(load.pace());
    let mut workers: Vec<_> = (0..load.threads)
        .map(|_| Worker {
            subscribers: Vec::new(),
            publishers: Vec::new(),
            tongue,
            places: places.clone(),
            pace: pace.clone(),
            publishers_in_all: load.publishers,
            payload: Payload::new(load.payload),
            metronome: None,
            progress: progress.clone(),
        })
        .collect();
    let run = std::process::id();
    let threads = workers.len();
    for number in 0..load.subscribers {
        let place = &places[(number % load.channels()) as usize];
        let user = place.person().map_or_else(|| format!("bench-{run}-reader-{number}"), str::to_owned);
        let opened = doors.subscriber(number, &user, &place.entries(tongue))?;
        workers[number as usize % threads].subscribers.push((opened, number));
    }
    let entries = Place::let_in(&places, tongue);
    for number in 0..load.publishers {
        let opened = doors.publisher(&format!("bench-{run}-writer-{number}"), &entries)?;
        workers[number as usize % threads].publishers.push((opened, number));
    }
    Ok(workers)
}

impl Report {
    fn new(
        load: &Load,
        between: &Between,
        (answered, delivered): (u64, u64),
        latency: &Histogram<u64>,
        server_use: Option<ServerUse>,
    ) -> Self {
        let seconds = between.length.as_secs_f64();
        Report {
            server: load.servers.names(),
            protocol: load.servers.tongue().name(),
            to: load.to.name(),
            subscribers: load.subscribers,
            publishers: load.publishers,
            channels: load.channels(),
            payload_bytes: load.payload,
            in_flight: load.in_flight,
            lag_max: load.lag_max(),
            rate: load.rate,
            threads: load.threads,
            seconds,
            publishes_per_second: answered as f64 / seconds,
            deliveries: delivered,
            deliveries_per_second: delivered as f64 / seconds,
            latency: Latency::new(latency),
            server_use,
            generator_cores: between.generator_cores(),
        }
    }
}

impl table::Report for Report {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{} ({}): subscribers {}, {} {}, publishers {} x {} in flight, payload {} bytes, {:.1} s",
            self.server,
            self.protocol,
            self.subscribers,
            self.to,
            self.channels,
            self.publishers,
            self.in_flight,
            self.payload_bytes,
            self.seconds,
        ));
        table.rates(self.publishes_per_second, self.rate, self.deliveries_per_second);
        table.latency("latency", &self.latency);
        if let Some(server_use) = &self.server_use {
            server_use.show(&mut table);
        }
        table.row("load generator CPU", format!("{:.2} cores", self.generator_cores));
        table
    }
}
