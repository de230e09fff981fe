//! Publishers and subscribers.

use std::sync::Arc;

use anyhow::ensure;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::{meter::Meter, options::Load, payload::Payload, place::Place, server::Doors, worker::Worker};
use crate::{
    bench::{
        live::Live,
        progress::{Phase, Progress},
        run::Threads,
        server_use::Done,
        table::{self, Table},
        traffic::Traffic,
    },
    files,
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
    #[serde(flatten)]
    traffic: Traffic,
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
    running.threads.measure_some(load.seconds, &running.progress, &mut live)?;
    let after = running.counted(&meter)?;
    let latency = running.finish()?;
    drop(live);

    let between = meter.between(&before.reading, &after.reading);
    let (answered, delivered) = (after.answered - before.answered, after.delivered - before.delivered);
    ensure!(delivered > 0, "nothing was delivered within {:.1?}", between.length);
    let server_use = meter.server_use(&between, delivered, answered)?;
    let done = Done { delivered, answered };
    let traffic = Traffic::new(between.length, &done, &latency, server_use, between.generator_cores());
    Ok(Report::new(load, traffic))
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
    fn new(load: &Load, traffic: Traffic) -> Self {
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
            traffic,
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
            self.traffic.seconds,
        ));
        self.traffic.show(self.rate, &mut table);
        table
    }
}
