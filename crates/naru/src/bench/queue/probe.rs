//! Another client of a server under load: it asks at a fixed rate, whatever is answered, and tells how late the answers are.
//!
//! A latency counts from when its request was *due*: a server that stalls is charged with every request that would have
//! come meanwhile (there is no coordinated omission).

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use naru_resp::{ReplyLimits, ReplyParser, Value, encode_request};
use serde::Serialize;

use super::{
    adder::FIELD,
    body::{Bodies, NUMBER_BYTES},
    streams::Id,
};
use crate::bench::{
    connect::Connector,
    frame::{Frame, FrameReader, Heard, STAMP_BYTES, Stamp},
    protocol::Protocol,
    report::Latency,
    table::Table,
    worker::latencies,
};

/// Bytes of what is published or added.
const PAYLOAD_BYTES: usize = 64;

const _: () = assert!(PAYLOAD_BYTES >= STAMP_BYTES && PAYLOAD_BYTES >= NUMBER_BYTES);

/// How late the last answers may be.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// How often a thread that waits for answers looks whether there will be any.
const LOOK: Duration = Duration::from_millis(20);

/// One sleep takes at most so long, so that the end of a run is noticed.
const SLEEP_MAX: Duration = Duration::from_millis(20);

/// Requests at a fixed rate on a connection of their own.
pub(super) struct Probe {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

/// What a probe has seen in a while.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    /// From when a request was due to its answer, or its message's arrival.
    #[serde(flatten)]
    latency: Latency,
    /// Of that, what the load generator itself was late to send, in the worst case: a busy machine, or a server that does
    /// not read.
    sent_late_max_us: f64,
}

struct Shared {
    start: Instant,
    /// Requests a second.
    rate: u32,
    asked: AtomicU64,
    /// No more is asked.
    stop: AtomicBool,
    /// `asked` is final.
    sender_ended: AtomicBool,
    latency: Mutex<Histogram<u64>>,
    sent_late_max_ns: AtomicU64,
}

impl Probe {
    /// Publishes to a channel with one subscriber. A latency ends when the subscriber has the message.
    pub(super) fn publish(connector: &Connector, channel: &str, rate: u32) -> anyhow::Result<Self> {
        let subscriber = connector.subscriber(channel)?;
        let publisher = connector.publisher(PAYLOAD_BYTES)?;
        let publish = Frame::publish(Protocol::Resp, channel, PAYLOAD_BYTES);
        let message = Arc::new(Frame::message(Protocol::Resp, channel, PAYLOAD_BYTES));
        let mut probe = Probe::new(rate);
        let answers = publisher.try_clone()?;
        probe.spawn("sender", move |shared| {
            send(publisher, shared, |sequence, out| {
                publish.write(Stamp { publisher: 0, sequence, sent_ns: shared.due_ns(sequence) }, out);
            })
        })?;
        probe.spawn("answers", move |shared| {
            receive_replies(answers, shared, |_, answer| {
                ensure!(
                    answer == Value::Integer(1),
                    "PUBLISH to one subscriber was answered with {answer:?}"
                );
                Ok(())
            })
        })?;
        probe.spawn("subscriber", move |shared| {
            let mut reader = FrameReader::new(message);
            receive(subscriber, shared, |input, received| {
                reader.read(input, |heard| {
                    let Heard::Message(stamp) = heard else { bail!("a subscriber was asked for something") };
                    ensure!(
                        stamp.sequence == *received,
                        "message {} came where {received} should",
                        stamp.sequence
                    );
                    shared.record(*received);
                    *received += 1;
                    Ok(())
                })
            })
        })?;
        Ok(probe)
    }

    /// Adds entries to a stream. A latency ends with the answer.
    pub(super) fn add(connector: &Connector, stream: &str, rate: u32) -> anyhow::Result<Self> {
        let connection = connector.idle()?;
        let bodies = Bodies::new(PAYLOAD_BYTES);
        let stream = stream.to_owned();
        let mut probe = Probe::new(rate);
        let answers = connection.try_clone()?;
        probe.spawn("sender", move |shared| {
            let mut body = Vec::new();
            send(connection, shared, |number, out| {
                body.clear();
                bodies.write(number, &mut body);
                let words = [b"XADD", stream.as_bytes(), b"*", FIELD.as_bytes(), &body];
                encode_request(words, out);
            })
        })?;
        probe.spawn("answers", move |shared| {
            let mut last = Id::ZERO;
            receive_replies(answers, shared, |number, answer| {
                let id = answer.as_bytes().and_then(Id::parsed);
                let id = id.with_context(|| format!("XADD was answered with {answer:?}"))?;
                ensure!(id > last, "{id:?} came behind {last:?}");
                last = id;
                shared.record(number);
                Ok(())
            })
        })?;
        Ok(probe)
    }

    fn new(rate: u32) -> Self {
        let shared = Shared {
            start: Instant::now(),
            rate,
            asked: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            sender_ended: AtomicBool::new(false),
            latency: Mutex::new(latencies()),
            sent_late_max_ns: AtomicU64::new(0),
        };
        Probe { shared: Arc::new(shared), threads: Vec::new() }
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce(&Shared) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let shared = self.shared.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = run(&shared);
            if ended.is_err() {
                shared.stop.store(true, Ordering::SeqCst);
            }
            ended
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// What was seen since the start or the last call.
    pub(super) fn take(&self) -> Seen {
        let latency = std::mem::replace(&mut *self.shared.histogram(), latencies());
        let late_ns = self.shared.sent_late_max_ns.swap(0, Ordering::SeqCst);
        Seen { latency: Latency::new(&latency), sent_late_max_us: late_ns as f64 / 1e3 }
    }

    /// Asks no more, and waits for the last answers; what was seen since the last [`Self::take`], and how much was asked
    /// in all.
    pub(super) fn finish(mut self) -> anyhow::Result<(Seen, u64)> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let ended: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        for thread in ended {
            match thread {
                Ok(ended) => ended?,
                Err(_) => bail!("a thread of the load generator failed"),
            }
        }
        Ok((self.take(), self.shared.asked.load(Ordering::SeqCst)))
    }
}

impl Seen {
    pub(super) fn show(&self, of: &str, table: &mut Table) {
        table.latency(of, &self.latency);
        table.row("  of it sent late, at most", format!("{:.0} µs", self.sent_late_max_us));
    }
}

impl Drop for Probe {
    /// The threads of a run that failed end as well.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn now_ns(&self) -> u64 {
        // 584 years fit.
        self.start.elapsed().as_nanos() as u64
    }

    /// When request `number` is due, counted from 0.
    fn due_ns(&self, number: u64) -> u64 {
        (u128::from(number) * 1_000_000_000 / u128::from(self.rate)) as u64
    }

    /// The answer to request `number` has come.
    fn record(&self, number: u64) {
        let latency_ns = self.now_ns().saturating_sub(self.due_ns(number));
        self.histogram().saturating_record(latency_ns);
    }

    fn histogram(&self) -> std::sync::MutexGuard<'_, Histogram<u64>> {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks what is due, until told to stop.
fn send(
    mut stream: TcpStream,
    shared: &Shared,
    mut write: impl FnMut(u64, &mut Vec<u8>),
) -> anyhow::Result<()> {
    let _ended = Ended(shared);
    stream.set_nonblocking(false)?;
    let mut output = Vec::new();
    let mut number = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        let now_ns = shared.now_ns();
        let late_ns = now_ns.saturating_sub(shared.due_ns(number));
        shared.sent_late_max_ns.fetch_max(late_ns, Ordering::SeqCst);
        while shared.due_ns(number) <= now_ns {
            write(number, &mut output);
            number += 1;
        }
        shared.asked.store(number, Ordering::SeqCst);
        stream.write_all(&output).context("a connection was lost")?;
        output.clear();
        let left_ns = shared.due_ns(number).saturating_sub(shared.now_ns());
        thread::sleep(Duration::from_nanos(left_ns).min(SLEEP_MAX));
    }
    Ok(())
}

/// Tells the receivers that no more is asked, however the sender ends.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.sender_ended.store(true, Ordering::SeqCst);
    }
}

/// Calls `each` with every reply and the number of its request.
fn receive_replies(
    stream: TcpStream,
    shared: &Shared,
    mut each: impl FnMut(u64, Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut parser = ReplyParser::new(ReplyLimits::default());
    let mut pending = Vec::new();
    receive(stream, shared, |input, received| {
        pending.extend_from_slice(input);
        let mut taken = 0;
        while let Some((answer, length)) = parser.next(&pending[taken..])? {
            taken += length;
            if let Value::Error(text) = &answer {
                bail!("a request was refused: {}", String::from_utf8_lossy(text));
            }
            each(*received, answer)?;
            *received += 1;
        }
        pending.drain(..taken);
        Ok(())
    })
}

/// Hands what comes to `take`, which counts it, until all that was asked is answered.
fn receive(
    mut stream: TcpStream,
    shared: &Shared,
    mut take: impl FnMut(&[u8], &mut u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK))?;
    let mut buffer = vec![0; 64 << 10];
    let mut received = 0;
    let mut heard_at = Instant::now();
    loop {
        let ended = shared.sender_ended.load(Ordering::SeqCst);
        let asked = shared.asked.load(Ordering::SeqCst);
        if ended && received == asked {
            return Ok(());
        }
        match stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => {
                take(&buffer[..count], &mut received)?;
                heard_at = Instant::now();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                ensure!(
                    received == asked || heard_at.elapsed() < ANSWER_TIME_MAX,
                    "{} answers at a fixed rate did not come within {ANSWER_TIME_MAX:?}",
                    asked - received
                );
            }
            Err(error) => return Err(error).context("a connection was lost"),
        }
    }
}
