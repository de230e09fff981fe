//! Many connections that are cut off, miss something, and all come back at once, beside traffic that goes on.

use std::{
    convert::Infallible,
    rc::Rc,
    sync::{
        Arc,
        mpsc::{self, SyncSender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    sync::{Semaphore, oneshot},
    task::{JoinSet, LocalSet},
    time::timeout,
};

use super::{
    frame::{self, Frames, Sent},
    opening::open_all,
    options::Load,
    payload::Payload,
    place::{Place, To},
    publish::Running,
    server::{CONNECT_ID, Doors, ENTRY_ID, FIRST_ID, upgraded},
    tongue::{Granted, Heard, Position, Tongue},
};
use crate::{
    bench::{
        frame::Stamp,
        live::Live,
        options::seconds,
        progress::Phase,
        report::Latency,
        table::{self, Table},
        worker::latencies,
    },
    files,
};

/// What one of them may take to come back; over it the run fails.
const RETURN_TIME_MAX: Duration = Duration::from_secs(60);

/// Messages that are missed are sent with so many of them under way.
const SENT_AHEAD: usize = 64;

/// How long the live traffic is left alone before it is measured.
const SETTLE_TIME: Duration = Duration::from_millis(500);

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    /// The traffic beside: `--subscribers`, `--publishers`, `--rate` and so on are its own.
    #[command(flatten)]
    live: Load,
    /// Connections that come back: people on Naru with --of people, else each with a channel of its own.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// What they come back to.
    #[arg(long, value_enum, default_value_t = To::People)]
    of: To,
    /// What stands before the `:` in the name of their channels, which must keep messages and positions.
    #[arg(long, default_value = "kept", value_name = "NAME")]
    kept_namespace: String,
    /// Messages that each has missed.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    missed: u32,
    /// How many are on their way back at once.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: u32,
    /// How long the live traffic is measured for comparison, before.
    #[arg(long, default_value = "3", value_name = "SECONDS", value_parser = seconds)]
    quiet: Duration,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: String,
    protocol: &'static str,
    connections: u32,
    missed: u32,
    at_once: u32,
    /// Until all were back with what they had missed.
    resumed_seconds: f64,
    /// Of each, from beginning to connect.
    resume: Latency,
    /// Of the live traffic, before.
    live_quiet: Latency,
    /// Meanwhile.
    live_meanwhile: Latency,
    live_rate: u32,
    generator_cores: f64,
}

impl Options {
    pub(super) fn is_json(&self) -> bool {
        self.live.servers.json
    }
}

/// Has them come, go and come back; checks that each gets what it had missed, once and in order.
pub(super) fn measure(options: &Options) -> anyhow::Result<Report> {
    let load = &options.live;
    load.check()?;
    let rate =
        load.rate.context("--rate is missing: traffic in a closed loop would fill what time there is")?;
    files::allow(load.files() + u64::from(options.connections))?;
    let doors = load.servers.doors()?;
    let mut live = Live::new("connections");
    let returning = Returning::come(options, &doors, &live)?;

    live.write("measuring the traffic beside, for comparison");
    let quiet = Running::start(load, &doors)?;
    quiet.threads.watch(SETTLE_TIME)?;
    quiet.progress.enter(Phase::Measure);
    quiet.threads.watch(options.quiet)?;
    let quiet = quiet.finish()?;

    let meanwhile = Running::start(load, &doors)?;
    meanwhile.threads.watch(SETTLE_TIME)?;
    let cpu_before = crate::bench::process::Process::own().cpu_time()?;
    meanwhile.progress.enter(Phase::Measure);
    live.write("all come back");
    let began = Instant::now();
    let (tell, told) = mpsc::sync_channel(1);
    let (stay, go) = oneshot::channel();
    let come_back =
        thread::Builder::new().name("returning".to_owned()).spawn(move || returning.come_back(&tell, go))?;
    let resume = loop {
        match told.try_recv() {
            Ok(resume) => break Some(resume),
            Err(TryRecvError::Empty) => meanwhile.threads.watch(Duration::from_millis(1))?,
            Err(TryRecvError::Disconnected) => break None,
        }
    };
    let resumed = began.elapsed();
    let cpu = crate::bench::process::Process::own().cpu_time()?.since(cpu_before);
    let meanwhile = meanwhile.finish()?;
    drop(stay);
    come_back.join().map_err(|_| anyhow::anyhow!("the thread of those who come back failed"))??;
    let resume = resume.context("nobody has come back")?;
    live.show_count("came back", u64::from(options.connections));
    Ok(Report {
        server: load.servers.names(),
        protocol: doors.tongue.name(),
        connections: options.connections,
        missed: options.missed,
        at_once: options.at_once,
        resumed_seconds: resumed.as_secs_f64(),
        resume: Latency::new(&resume),
        live_quiet: Latency::new(&quiet),
        live_meanwhile: Latency::new(&meanwhile),
        live_rate: rate,
        generator_cores: (cpu.user + cpu.system).as_secs_f64() / resumed.as_secs_f64(),
    })
}

/// Those who have been there and gone.
struct Returning {
    doors: Doors,
    at_once: u32,
    missed: u32,
    payload: Payload,
    all: Vec<Absent>,
}

/// One who is away.
struct Absent {
    number: u32,
    user: String,
    place: Place,
    at: Position,
}

impl Returning {
    /// Connects all, lets them go, and sends what they miss.
    fn come(options: &Options, doors: &Doors, live: &Live) -> anyhow::Result<Self> {
        ensure!(options.of != To::Rooms, "--of is people or channels");
        let run = std::process::id();
        let mut all = Vec::new();
        let come = |number: u32| {
            // Behind those of the live traffic.
            let place =
                Place::new(options.of, &options.kept_namespace, number + (1 << 20), &options.live.level);
            let user = place.person().map_or_else(|| format!("bench-{run}-back-{number}"), str::to_owned);
            let opened = doors.subscriber(number, &user, &place.entries(doors.tongue))?;
            let at = opened.granted.position.context("the server keeps no position here")?;
            Ok(Absent { number, user, place, at })
        };
        open_all(options.connections, come, |_, absent| {
            if all.len().is_multiple_of(500) {
                live.write(&format!("{} of {} have been there", all.len(), options.connections));
            }
            all.push(absent);
            Ok(())
        })?;
        all.sort_by_key(|absent| absent.number);
        let payload = Payload::new(options.live.payload);
        live.write("sending what they miss");
        send_missed(doors, &all, options.missed, payload.clone())?;
        Ok(Returning { doors: doors.clone(), at_once: options.at_once, missed: options.missed, payload, all })
    }

    /// Tells how long each takes to be back, and holds all until it may `go`: that so many leave at once is not measured.
    fn come_back(
        self,
        tell: &SyncSender<Histogram<u64>>,
        go: oneshot::Receiver<Infallible>,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let turns = Arc::new(Semaphore::new(self.at_once as usize));
        let (doors, missed, payload) = (Rc::new(self.doors), self.missed, Rc::new(self.payload));
        LocalSet::new().block_on(&runtime, async {
            let mut tasks = JoinSet::new();
            for absent in self.all {
                let (turns, doors, payload) = (turns.clone(), doors.clone(), payload.clone());
                tasks.spawn_local(async move {
                    let _turn = turns.acquire().await?;
                    let began = Instant::now();
                    let user = absent.user.clone();
                    let back = timeout(RETURN_TIME_MAX, absent.come_back(&doors, missed, &payload)).await;
                    let stream = back.context("it took too long").flatten().context(user)?;
                    Ok::<_, anyhow::Error>((stream, began.elapsed()))
                });
            }
            let (mut latency, mut there) = (latencies(), Vec::new());
            while let Some(back) = tasks.join_next().await {
                let (stream, took) = back??;
                latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                there.push(stream);
            }
            // Nobody listens any longer if the traffic beside has failed.
            let _ = tell.send(latency);
            // Nothing is ever said: it ends.
            let _ = go.await;
            Ok(())
        })
    }
}

impl Absent {
    /// Connects, says where it stood, and waits for what it has missed.
    async fn come_back(
        self,
        doors: &Doors,
        missed: u32,
        payload: &Payload,
    ) -> anyhow::Result<tokio::net::TcpStream> {
        let tongue = doors.tongue;
        let socket = TcpSocket::new_v4()?;
        let mut stream = socket.connect(doors.address_of(self.number)).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&doors.handshake_of(self.number)).await?;
        let mut received = Vec::with_capacity(512);
        let end = loop {
            if let Some(end) = upgraded(&received)? {
                break end;
            }
            ensure!(stream.read_buf(&mut received).await? > 0, "the server closed the connection");
        };
        received.drain(..end);

        let is_person = self.place.person().is_some();
        let channel = self.place.channel.as_deref().context("a place without a channel")?;
        let at = is_person.then_some((channel, &self.at));
        let mut request = Vec::new();
        frame::write(tongue.opcode(), &doors.sign_in(&self.user, at)?, &mut request);
        if !is_person {
            let mut command = Vec::new();
            tongue.subscribe(ENTRY_ID, channel, Some(&self.at), &mut command);
            frame::write(tongue.opcode(), &command, &mut request);
        }
        stream.write_all(&request).await?;

        let mut back = Back { tongue, place: &self.place, payload, answered: false, next: 0 };
        let wanted = if is_person { CONNECT_ID } else { ENTRY_ID };
        let mut frames = Frames::default();
        while !back.has_all(missed) {
            if received.is_empty() {
                ensure!(stream.read_buf(&mut received).await? > 0, "the server closed the connection");
            }
            back.hear(&mut frames, &received, wanted)?;
            received.clear();
        }
        Ok(stream)
    }
}

/// What one who comes back has heard so far.
struct Back<'a> {
    tongue: Tongue,
    place: &'a Place,
    payload: &'a Payload,
    answered: bool,
    /// The message that is due.
    next: u64,
}

impl Back<'_> {
    fn has_all(&self, missed: u32) -> bool {
        self.answered && self.next >= u64::from(missed)
    }

    fn hear(&mut self, frames: &mut Frames, input: &[u8], wanted: u32) -> anyhow::Result<()> {
        let tongue = self.tongue;
        frames.read(input, |sent| {
            let Sent::Message(message) = sent else { return Ok(()) };
            tongue.split(message, |part| match tongue.read(part)? {
                Heard::Answer { id, granted } if id == wanted => self.granted(granted),
                Heard::Message { channel, data } => self.message(&channel, &data),
                Heard::Answer { .. } | Heard::Ping | Heard::Nothing => Ok(()),
            })
        })
    }

    fn granted(&mut self, granted: Granted) -> anyhow::Result<()> {
        ensure!(granted.recovered, "what was missed had not been kept");
        self.answered = true;
        let channel = self.place.channel.clone().unwrap_or_default();
        granted.missed.iter().try_for_each(|data| self.message(&channel, data))
    }

    fn message(&mut self, channel: &str, data: &[u8]) -> anyhow::Result<()> {
        let Some(body) = self.place.payload(channel, data)? else { return Ok(()) };
        let Stamp { sequence, .. } = self.payload.read(&body)?;
        ensure!(
            sequence == self.next,
            "lost or repeated: message {sequence} came when {} was due",
            self.next
        );
        self.next += 1;
        Ok(())
    }
}

/// Sends each its messages.
fn send_missed(doors: &Doors, all: &[Absent], missed: u32, mut payload: Payload) -> anyhow::Result<()> {
    let tongue = doors.tongue;
    let opened = doors.publisher(&format!("bench-{}-sender", std::process::id()), &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stream = tokio::net::TcpStream::from_std(opened.stream)?;
        let (mut frames, mut received) = (opened.frames, Vec::new());
        let (mut command, mut scratch, mut output) = (Vec::new(), Vec::new(), Vec::new());
        let messages: Vec<_> =
            (0..missed).flat_map(|sequence| all.iter().map(move |absent| (absent, sequence))).collect();
        let mut id = FIRST_ID;
        for some in messages.chunks(SENT_AHEAD) {
            output.clear();
            for (absent, sequence) in some {
                let stamp = Stamp { publisher: 0, sequence: u64::from(*sequence), sent_ns: 0 };
                command.clear();
                absent.place.send(tongue, id, payload.stamped(stamp), &mut scratch, &mut command);
                frame::write(tongue.opcode(), &command, &mut output);
                id += 1;
            }
            stream.write_all(&output).await?;
            let mut waiting = some.len();
            while waiting > 0 {
                received.clear();
                let read = timeout(RETURN_TIME_MAX, stream.read_buf(&mut received)).await;
                if read.context("no answer came")?? == 0 {
                    bail!("the server closed the connection");
                }
                let mut pong = false;
                frames.read(&received, |sent| {
                    let Sent::Message(message) = sent else { return Ok(()) };
                    tongue.split(message, |part| {
                        match tongue.read(part)? {
                            Heard::Answer { .. } => waiting -= 1,
                            Heard::Ping => pong = true,
                            Heard::Message { .. } | Heard::Nothing => {}
                        }
                        Ok(())
                    })
                })?;
                if pong {
                    output.clear();
                    frame::write(tongue.opcode(), tongue.pong(), &mut output);
                    stream.write_all(&output).await?;
                }
            }
        }
        Ok(())
    })
}

impl table::Report for Report {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{} ({}): {} connections come back, {} at once, {} missed each; beside, {} messages a second",
            self.server, self.protocol, self.connections, self.at_once, self.missed, self.live_rate
        ));
        table.row("all are back after", format!("{:.2} s", self.resumed_seconds));
        table.latency("back", &self.resume);
        table.latency("live, quiet", &self.live_quiet);
        table.latency("live, meanwhile", &self.live_meanwhile);
        table.row("load generator CPU", format!("{:.2} cores", self.generator_cores));
        table
    }
}
