//! Operations under way on several connections, in a closed loop: an answer is followed by the next one at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use naru_bus::Line;
use naru_ledger::{Answer, Op};
use tokio::{task::JoinSet, time::timeout};

use crate::bench::{
    live::{self, Live},
    overtime::{self, Overtime},
    worker::latencies,
};

/// Who asks one operation after the other.
pub(super) trait Worker: Send + 'static {
    /// The next operation; none if there is nothing left to ask.
    fn ask(&mut self) -> Option<Op>;

    /// Takes the answer to it; how many of what is counted it stands for.
    ///
    /// # Errors
    ///
    /// It is not what it should be.
    fn answered(&mut self, answer: Answer) -> anyhow::Result<u64>;
}

#[derive(Default)]
struct Shared {
    /// Latencies are recorded.
    measuring: AtomicBool,
    /// Nothing more is asked.
    stopped: AtomicBool,
    done: AtomicU64,
}

/// Workers at work, until they are stopped or have nothing left to ask.
pub(super) struct Crew<W> {
    shared: Arc<Shared>,
    tasks: JoinSet<anyhow::Result<(W, Histogram<u64>)>>,
    idle: Vec<W>,
    latency: Histogram<u64>,
}

impl<W: Worker> Crew<W> {
    /// Sets workers to work, dealt out to the lines.
    pub(super) fn start(workers: Vec<W>, lines: &[Line]) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for (worker, line) in workers.into_iter().zip(lines.iter().cycle()) {
            tasks.spawn(work(worker, line.clone(), Arc::clone(&shared)));
        }
        Crew { shared, tasks, idle: Vec::new(), latency: latencies() }
    }

    /// Records latencies from now on.
    pub(super) fn measure(&self) {
        self.shared.measuring.store(true, Ordering::SeqCst);
    }

    /// What is counted, since the start.
    pub(super) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::SeqCst)
    }

    /// Lets time pass, and shows meanwhile what is done; an error if a worker fails.
    pub(super) async fn watch(&mut self, what: &str, time: Duration, live: &mut Live) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.tasks.is_empty() {
                return Ok(());
            }
            match timeout(left.min(live::LOOK), self.tasks.join_next()).await {
                Ok(Some(ended)) => self.note(ended??)?,
                Ok(None) => return Ok(()),
                Err(_) => live.show(what, left, self.done()),
            }
        }
    }

    /// The same for a window, until something is counted in it.
    pub(super) async fn watch_some(&mut self, time: Duration, live: &mut Live) -> anyhow::Result<()> {
        let overtime = Overtime::of(time, self.done());
        self.watch("measuring", time, live).await?;
        while overtime.goes_on(self.done()) && !self.tasks.is_empty() {
            self.watch("measuring", overtime::LOOK, live).await?;
        }
        Ok(())
    }

    /// Asks nothing more; [`Self::finish`] then returns when the last answers have come.
    pub(super) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }

    /// Waits until all workers are done; they, in no order, and how long answers took.
    pub(super) async fn finish(
        mut self,
        what: &str,
        live: &mut Live,
    ) -> anyhow::Result<(Vec<W>, Histogram<u64>)> {
        while !self.tasks.is_empty() {
            match timeout(live::LOOK, self.tasks.join_next()).await {
                Ok(Some(ended)) => self.note(ended??)?,
                Ok(None) => break,
                Err(_) => live.show_count(what, self.done()),
            }
        }
        Ok((self.idle, self.latency))
    }

    fn note(&mut self, (worker, latency): (W, Histogram<u64>)) -> anyhow::Result<()> {
        self.idle.push(worker);
        Ok(self.latency.add(latency)?)
    }
}

/// One operation after the other; a connection that gives no answer in time ends it.
async fn work<W: Worker>(
    mut worker: W,
    line: Line,
    shared: Arc<Shared>,
) -> anyhow::Result<(W, Histogram<u64>)> {
    let mut latency = latencies();
    while !shared.stopped.load(Ordering::Relaxed) {
        let Some(op) = worker.ask() else { break };
        let asked = Instant::now();
        let answer = line.ask(&op).await?;
        let took = asked.elapsed();
        let done = worker.answered(answer)?;
        shared.done.fetch_add(done, Ordering::Relaxed);
        if shared.measuring.load(Ordering::Relaxed) {
            latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }
    Ok((worker, latency))
}
