use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use hdrhistogram::Histogram;
use tokio::sync::oneshot;

use super::{
    connect::Connector,
    frame::Frame,
    live::{self, Live},
    metronome::Metronome,
    options::Pubsub,
    overtime::{self, Overtime},
    process::{CpuTime, Process},
    progress::{Phase, Progress},
    publisher::Channel,
    report::{Report, Used, Window},
    worker::{SubscriberSocket, Worker, latencies},
};
use crate::files;

/// How long the last answers and deliveries may take, once nothing new is published.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// How often the end of the drain is looked for.
const DRAIN_LOOK: Duration = Duration::from_millis(1);

/// Connects, warms up, measures, waits for what is on its way, and checks that all of it came.
pub(super) fn pubsub(options: &Pubsub) -> anyhow::Result<Report> {
    options.check()?;
    files::allow(options.files())?;
    let mut live = Live::new("deliveries");
    let server = options.pid.map(Process);
    let resident_before = server.map(Process::resident_bytes).transpose()?;
    live.write(&format!("opening {} connections", options.connections()));
    let progress = Arc::new(Progress::new(options.lag_max(), options.fan_out(0), options.publishers));
    let workers = workers(options, &progress)?;
    let threads = Threads::start(workers, options.rate, options.publishers, &progress)?;

    threads.measure("warming up", options.warm_up, &progress, &mut live)?;
    let before = Reading::take(server, &progress)?;
    progress.enter(Phase::Measure);
    threads.measure_some(options.seconds, &progress, &mut live)?;
    let after = Reading::take(server, &progress)?;
    progress.enter(Phase::Drain);

    threads.drain(&progress)?;
    let latency = threads.finish()?;
    drop(live);
    let window = after.since(&before, server, resident_before)?;
    ensure!(window.delivered > 0, "nothing was delivered within {:.1?}", window.length);
    Ok(Report::new(options, &window, &latency))
}

/// What one thread of the load generator does.
pub(super) trait Work: Send + 'static {
    /// Publishes at a fixed rate.
    fn keep_time(&mut self, metronome: Arc<Metronome>);

    /// Runs its connections until `finished`, or the first of them fails; the latencies of its subscribers.
    fn run(self, finished: oneshot::Receiver<()>) -> anyhow::Result<Histogram<u64>>;
}

/// The load generator's threads, each with its share of the connections.
pub(super) struct Threads {
    finish: Vec<oneshot::Sender<()>>,
    /// At a fixed rate; it ends when the run drains.
    metronome: Option<JoinHandle<()>>,
    outcomes: Receiver<anyhow::Result<Histogram<u64>>>,
}

impl Threads {
    /// Sets the workers, whose subscriptions are confirmed, to work: publishing begins, at a fixed rate if there is one.
    pub(super) fn start<W: Work>(
        workers: Vec<W>,
        rate: Option<u32>,
        publishers: u32,
        progress: &Arc<Progress>,
    ) -> anyhow::Result<Self> {
        let (outcome, outcomes) = mpsc::sync_channel(workers.len());
        let mut finish = Vec::new();
        let start = |rate| Metronome::start(rate, publishers, progress);
        let (metronome, beating) = rate.map(start).transpose()?.unzip();
        for mut worker in workers {
            if let Some(metronome) = &metronome {
                worker.keep_time(metronome.clone());
            }
            let (tell, finished) = oneshot::channel();
            finish.push(tell);
            let outcome = outcome.clone();
            thread::Builder::new().name("bench".to_owned()).spawn(move || {
                // There is room for the outcome of every thread; if nobody waits for it, the run has failed.
                let _ = outcome.send(worker.run(finished));
            })?;
        }
        Ok(Threads { finish, metronome: beating, outcomes })
    }

    /// Lets time pass; an error if a connection fails meanwhile.
    pub(super) fn watch(&self, time: Duration) -> anyhow::Result<()> {
        match self.outcomes.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(RecvTimeoutError::Disconnected) => bail!("a thread ended early"),
        }
    }

    /// Lets time pass, and shows meanwhile what is delivered.
    pub(super) fn measure(
        &self,
        what: &str,
        time: Duration,
        progress: &Progress,
        live: &mut Live,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.watch(left.min(live::LOOK))?;
            live.show(what, left, progress.delivered());
        }
    }

    /// The same for a window, until something is delivered in it.
    pub(super) fn measure_some(
        &self,
        time: Duration,
        progress: &Progress,
        live: &mut Live,
    ) -> anyhow::Result<()> {
        let overtime = Overtime::of(time, progress.delivered());
        self.measure("measuring", time, progress, live)?;
        while overtime.goes_on(progress.delivered()) {
            self.watch(overtime::LOOK)?;
        }
        Ok(())
    }

    /// Waits for what is on its way.
    pub(super) fn drain(&self, progress: &Progress) -> anyhow::Result<()> {
        let deadline = Instant::now() + DRAIN_TIME_MAX;
        while !progress.is_complete() {
            ensure!(
                Instant::now() < deadline,
                "{} deliveries, or answers to publishes, did not come",
                progress.undelivered()
            );
            self.watch(DRAIN_LOOK)?;
        }
        Ok(())
    }

    /// Ends the threads; the latencies of all.
    pub(super) fn finish(self) -> anyhow::Result<Histogram<u64>> {
        for tell in self.finish {
            // A thread that does not listen has failed, and says so below.
            let _ = tell.send(());
        }
        if let Some(metronome) = self.metronome
            && metronome.join().is_err()
        {
            bail!("the thread that keeps the rate failed");
        }
        let mut latency = latencies();
        for outcome in self.outcomes {
            latency.add(outcome?)?;
        }
        Ok(latency)
    }
}

/// Opens all connections and deals them out.
fn workers(options: &Pubsub, progress: &Arc<Progress>) -> anyhow::Result<Vec<Worker>> {
    let pace = options.pace();
    let protocol = pace.protocol;
    let connector = Connector { server: options.target.resolve()?, protocol };
    let channels: Arc<[_]> = (0..options.channels)
        .map(|number| Channel {
            publish: Frame::publish(protocol, &name(number), options.payload),
            message: Arc::new(Frame::message(protocol, &name(number), options.payload)),
            fan_out: options.fan_out(number),
        })
        .collect();
    let mut workers: Vec<_> = (0..options.threads)
        .map(|_| Worker {
            subscribers: Vec::new(),
            publishers: Vec::new(),
            holder: None,
            channels: channels.clone(),
            pace,
            metronome: None,
            progress: progress.clone(),
        })
        .collect();
    let threads = workers.len();
    for number in 0..options.subscribers {
        let channel = options.channel_of(number);
        let stream = connector.subscriber(&name(channel))?;
        let socket = SubscriberSocket { stream, number, channel: channel as usize };
        workers[number as usize % threads].subscribers.push(socket);
    }
    for number in 0..options.publishers {
        let stream = connector.publisher(options.payload)?;
        workers[number as usize % threads].publishers.push((stream, number));
    }
    if options.patterns > 0 {
        let patterns: Vec<_> = (0..options.patterns).map(pattern).collect();
        workers[0].holder = Some(connector.patterns(&patterns)?);
    }
    Ok(workers)
}

/// The name of a channel, this run's own: another run on the same server is not in the way.
fn name(channel: u32) -> String {
    format!("bench.{}.{channel}", std::process::id())
}

/// A pattern that matches no channel of any run.
fn pattern(number: u32) -> String {
    format!("bench.{}.away.{number}.*", std::process::id())
}

/// Counters at one moment.
struct Reading {
    at: Instant,
    answered: u64,
    delivered: u64,
    server: CpuTime,
    generator: CpuTime,
}

impl Reading {
    fn take(server: Option<Process>, progress: &Progress) -> anyhow::Result<Self> {
        Ok(Reading {
            at: Instant::now(),
            answered: progress.answered(),
            delivered: progress.delivered(),
            server: server.map_or(Ok(Default::default()), Process::cpu_time)?,
            generator: Process::own().cpu_time()?,
        })
    }

    fn since(
        &self,
        before: &Reading,
        server: Option<Process>,
        resident_before: Option<u64>,
    ) -> anyhow::Result<Window> {
        let server = server.zip(resident_before).map(|(process, resident_before)| {
            let time = self.server.since(before.server);
            let resident_peak = process.peak_resident_bytes()?;
            Ok::<_, anyhow::Error>(Used { time, resident_before, resident_peak })
        });
        Ok(Window {
            length: self.at - before.at,
            answered: self.answered - before.answered,
            delivered: self.delivered - before.delivered,
            server: server.transpose()?,
            generator: self.generator.since(before.generator),
        })
    }
}
