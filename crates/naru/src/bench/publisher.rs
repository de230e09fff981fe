use std::{future::pending, sync::Arc};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    answers::{Answer, Answers},
    frame::{Frame, Stamp},
    metronome::Metronome,
    nats,
    progress::{Phase, Progress},
    protocol::Protocol,
};

/// What goes to a channel and comes from it.
pub(super) struct Channel {
    pub(super) publish: Frame,
    pub(super) message: Arc<Frame>,
    /// Its subscribers, and so the answer to each publish.
    pub(super) fan_out: u32,
}

/// How a publisher publishes.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) protocol: Protocol,
    /// Of each publisher.
    pub(super) in_flight: u32,
    pub(super) publishers: u32,
}

/// One connection that publishes, to all channels in turn.
pub(super) struct Publisher {
    stream: TcpStream,
    number: u32,
    channels: Arc<[Channel]>,
    in_flight: u64,
    /// `None` for as many as the server answers.
    metronome: Option<Arc<Metronome>>,
    progress: Arc<Progress>,
    /// Publishes so far: message `sent` goes to channel `sent % channels`, as its number `sent / channels`.
    sent: u64,
    answered: u64,
    output: Vec<u8>,
    input: Vec<u8>,
    answers: Answers,
}

/// What publishing the next message waits for.
enum Until {
    /// Answers, or the end of the run.
    Answered,
    /// Fewer deliveries on their way.
    Room,
    /// Its time.
    Due,
}

impl Publisher {
    pub(super) fn new(
        stream: TcpStream,
        number: u32,
        channels: Arc<[Channel]>,
        pace: Pace,
        metronome: Option<Arc<Metronome>>,
        progress: Arc<Progress>,
    ) -> Self {
        Publisher {
            stream,
            number,
            channels,
            in_flight: pace.in_flight.into(),
            metronome,
            progress,
            sent: 0,
            answered: 0,
            output: Vec::new(),
            input: Vec::with_capacity(16 << 10),
            answers: Answers::new(pace.protocol),
        }
    }

    /// Publishes until the run drains and all answers have come.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let number = self.number;
        let lost = || format!("publisher {number} lost its connection");
        loop {
            let until = self.top_up();
            if !self.output.is_empty() {
                self.stream.write_all(&self.output).await.with_context(lost)?;
                self.output.clear();
            }
            let waiting = self.sent > self.answered;
            if !waiting && self.progress.is(Phase::Drain) {
                self.progress.publisher_done();
                return Ok(());
            }
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.input), if waiting => match read.with_context(lost)? {
                    0 => bail!("the server closed the connection of publisher {number}"),
                    _ => self.take_answers()?,
                },
                () = self.progress.room(), if matches!(until, Until::Room) => {}
                () = beat(self.metronome.as_deref(), number), if matches!(until, Until::Due) => {}
            }
        }
    }

    /// Writes as many publishes as are due; why it wrote no more.
    fn top_up(&mut self) -> Until {
        let before = self.sent;
        let until = self.write_publishes();
        self.answers.ask(self.sent - before, &mut self.output);
        until
    }

    fn write_publishes(&mut self) -> Until {
        if self.progress.is(Phase::Drain) {
            return Until::Answered;
        }
        let now_ns = self.progress.now_ns();
        while self.sent - self.answered < self.in_flight {
            let due_ns = self.metronome.as_ref().map(|metronome| metronome.due_ns(self.number, self.sent));
            let sent_ns = due_ns.unwrap_or(now_ns);
            if sent_ns > now_ns {
                return Until::Due;
            }
            let channels = self.channels.len() as u64;
            let channel = &self.channels[(self.sent % channels) as usize];
            if !self.progress.try_publish(channel.fan_out) {
                return Until::Room;
            }
            let stamp = Stamp { publisher: self.number, sequence: self.sent / channels, sent_ns };
            channel.publish.write(stamp, &mut self.output);
            self.sent += 1;
        }
        Until::Answered
    }

    fn take_answers(&mut self) -> anyhow::Result<()> {
        let before = self.answered;
        let mut taken = 0;
        while let Some((answer, length)) = self.answers.next(&self.input[taken..])? {
            taken += length;
            match answer {
                Answer::Reached(receivers) => {
                    let channel = &self.channels[(self.answered % self.channels.len() as u64) as usize];
                    if receivers != i64::from(channel.fan_out) {
                        bail!("a publish reached {receivers} subscribers of {}", channel.fan_out);
                    }
                    self.answered += 1;
                }
                Answer::Taken(count) => self.answered += count,
                Answer::Asked => self.output.extend_from_slice(nats::PONG),
            }
            if self.answered > self.sent {
                bail!("more answers than publishes");
            }
        }
        self.input.drain(..taken);
        self.progress.answer(self.answered - before);
        Ok(())
    }
}

/// Waits until a message is due; for ever if none ever is.
async fn beat(metronome: Option<&Metronome>, publisher: u32) {
    match metronome {
        Some(metronome) => metronome.beat_of(publisher).await,
        None => pending().await,
    }
}
