//! Connections that each keep some requests in flight, in a closed loop: an answer is followed by the next request at once.
//! A run ends when it is told to, or when its clients have no more to ask; then all answers have come.

use std::{
    cell::RefCell,
    collections::VecDeque,
    net::TcpStream,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use naru_resp::{ReplyLimits, ReplyParser, Value};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::{JoinSet, LocalSet},
};

use crate::bench::{
    connect::Connector,
    live::{self, Live},
    overtime::{self, Overtime},
    worker::latencies,
};

/// How long the server may leave all connections without an answer.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What a connection of the run is for.
pub(super) trait Client: Send + 'static {
    /// Appends the next request, and says what it is; nothing if there is none before more answers have come.
    fn ask(&mut self, out: &mut Vec<u8>) -> Option<Sort>;

    /// Takes the answer to the oldest request that has none; how many entries are done with by it.
    ///
    /// # Errors
    ///
    /// It is not what it should be.
    fn answered(&mut self, sort: Sort, answer: Value) -> anyhow::Result<u64>;
}

/// Requests whose latencies are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Add,
    Read,
    Acknowledge,
}

/// From just before a request is written to its answer's arrival, by what was asked.
#[derive(Debug)]
pub(super) struct Latencies([Histogram<u64>; 3]);

impl Latencies {
    fn new() -> Self {
        Latencies([latencies(), latencies(), latencies()])
    }

    pub(super) fn of(&self, sort: Sort) -> &Histogram<u64> {
        &self.0[sort as usize]
    }

    fn record(&mut self, sort: Sort, latency_ns: u64) {
        self.0[sort as usize].saturating_record(latency_ns);
    }

    fn add(&mut self, others: &Latencies) -> anyhow::Result<()> {
        for (mine, other) in self.0.iter_mut().zip(&others.0) {
            mine.add(other)?;
        }
        Ok(())
    }
}

/// What the threads of a run share.
struct Shared {
    start: Instant,
    /// Latencies are recorded.
    measuring: AtomicBool,
    /// Nothing more is asked.
    stopped: AtomicBool,
    done: AtomicU64,
}

impl Shared {
    fn now_ns(&self) -> u64 {
        // 584 years fit.
        self.start.elapsed().as_nanos() as u64
    }
}

/// Clients at work.
pub(super) struct Run<C> {
    shared: Arc<Shared>,
    threads: usize,
    outcomes: Receiver<anyhow::Result<(Vec<C>, Latencies)>>,
}

/// As many connections as there are clients, of which the server knows.
pub(super) fn connect(connector: &Connector, count: u32) -> anyhow::Result<Vec<TcpStream>> {
    (0..count).map(|_| connector.idle()).collect()
}

impl<C: Client> Run<C> {
    /// Sets the clients to work on `threads`, with so many requests in flight each.
    pub(super) fn start(
        clients: Vec<C>,
        connections: Vec<TcpStream>,
        in_flight: u32,
        threads: u16,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            start: Instant::now(),
            measuring: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            done: AtomicU64::new(0),
        });
        let threads = usize::from(threads);
        let mut shares: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, it) in clients.into_iter().zip(connections).enumerate() {
            shares[number % threads].push(it);
        }
        let (outcome, outcomes) = mpsc::sync_channel(threads);
        for share in shares {
            let (outcome, shared) = (outcome.clone(), shared.clone());
            thread::Builder::new().name("bench".to_owned()).spawn(move || {
                // There is room for the outcome of every thread; if nobody waits for it, the run has failed.
                let _ = outcome.send(hold(share, in_flight as usize, &shared));
            })?;
        }
        Ok(Run { shared, threads, outcomes })
    }

    /// Records latencies from now on.
    pub(super) fn measure(&self) {
        self.shared.measuring.store(true, Ordering::SeqCst);
    }

    /// Entries done with since the start.
    pub(super) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::SeqCst)
    }

    /// Lets time pass, and shows meanwhile what is done; an error if a connection fails.
    pub(super) fn watch(&self, what: &str, time: Duration, live: &mut Live) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            match self.outcomes.recv_timeout(left.min(live::LOOK)) {
                Err(RecvTimeoutError::Timeout) => live.show(what, left, self.done()),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(_)) | Err(RecvTimeoutError::Disconnected) => bail!("a thread ended early"),
            }
        }
    }

    /// The same for a window, until something is done in it.
    pub(super) fn watch_some(&self, time: Duration, live: &mut Live) -> anyhow::Result<()> {
        let overtime = Overtime::of(time, self.done());
        self.watch("measuring", time, live)?;
        while overtime.goes_on(self.done()) {
            self.watch("measuring", overtime::LOOK, live)?;
        }
        Ok(())
    }

    /// Asks nothing more; [`Self::finish`] then returns when the last answers have come.
    pub(super) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }

    /// Waits until all clients are done; they, in no order, and what was recorded.
    pub(super) fn finish(self, what: &str, live: &mut Live) -> anyhow::Result<(Vec<C>, Latencies)> {
        let mut clients = Vec::new();
        let mut latencies = Latencies::new();
        let (mut done, mut heard_at) = (self.done(), Instant::now());
        for _ in 0..self.threads {
            let outcome = loop {
                match self.outcomes.recv_timeout(live::LOOK) {
                    Ok(outcome) => break outcome?,
                    Err(RecvTimeoutError::Disconnected) => bail!("a thread ended early"),
                    Err(RecvTimeoutError::Timeout) => {}
                }
                live.show_count(what, self.done());
                if self.done() != done {
                    (done, heard_at) = (self.done(), Instant::now());
                }
                ensure!(
                    heard_at.elapsed() < SILENCE_MAX,
                    "the server has answered nothing for {SILENCE_MAX:?}"
                );
            };
            clients.extend(outcome.0);
            latencies.add(&outcome.1)?;
        }
        Ok((clients, latencies))
    }
}

impl<C> Drop for Run<C> {
    /// The threads of a run that failed end as well.
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }
}

/// One thread with its share of the connections.
fn hold<C: Client>(
    share: Vec<(C, TcpStream)>,
    in_flight: usize,
    shared: &Arc<Shared>,
) -> anyhow::Result<(Vec<C>, Latencies)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let latencies = Rc::new(RefCell::new(Latencies::new()));
    let clients = LocalSet::new().block_on(&runtime, async {
        let mut tasks = JoinSet::new();
        for (client, stream) in share {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            tasks.spawn_local(drive(client, stream, in_flight, shared.clone(), latencies.clone()));
        }
        let mut clients = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            clients.push(ended??);
        }
        Ok::<_, anyhow::Error>(clients)
    })?;
    let latencies = Rc::into_inner(latencies).expect("the tasks that shared it have ended");
    Ok((clients, latencies.into_inner()))
}

/// One connection, until nothing more is asked and all is answered; the client.
async fn drive<C: Client>(
    mut client: C,
    mut stream: tokio::net::TcpStream,
    in_flight: usize,
    shared: Arc<Shared>,
    latencies: Rc<RefCell<Latencies>>,
) -> anyhow::Result<C> {
    let mut parser = ReplyParser::new(ReplyLimits::default());
    let mut unanswered = VecDeque::with_capacity(in_flight);
    let (mut input, mut output) = (Vec::with_capacity(16 << 10), Vec::new());
    loop {
        let now_ns = shared.now_ns();
        while unanswered.len() < in_flight && !shared.stopped.load(Ordering::Relaxed) {
            let Some(sort) = client.ask(&mut output) else { break };
            unanswered.push_back((sort, now_ns));
        }
        if unanswered.is_empty() {
            return Ok(client);
        }
        if !output.is_empty() {
            stream.write_all(&output).await.context("a connection was lost")?;
            output.clear();
        }
        if stream.read_buf(&mut input).await.context("a connection was lost")? == 0 {
            bail!("the server closed a connection");
        }
        let now_ns = shared.now_ns();
        let measuring = shared.measuring.load(Ordering::Relaxed);
        let (mut taken, mut done) = (0, 0);
        while let Some((answer, length)) = parser.next(&input[taken..])? {
            taken += length;
            let (sort, sent_ns) = unanswered.pop_front().context("more answers than requests")?;
            done += client.answered(sort, answer)?;
            if measuring {
                latencies.borrow_mut().record(sort, now_ns - sent_ns);
            }
        }
        input.drain(..taken);
        shared.done.fetch_add(done, Ordering::Relaxed);
    }
}
