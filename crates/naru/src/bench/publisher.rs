use std::sync::Arc;

use anyhow::{Context as _, bail};
use naru_resp::{ReplyLimits, ReplyParser, Value};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    frame::{Frame, Stamp},
    progress::{Phase, Progress},
};

/// What goes to a channel and comes from it.
pub(super) struct Channel {
    pub(super) publish: Frame,
    pub(super) message: Arc<Frame>,
    /// Its subscribers, and so the answer to each publish.
    pub(super) fan_out: u32,
}

/// One connection that publishes, to all channels in turn.
pub(super) struct Publisher {
    stream: TcpStream,
    number: u32,
    channels: Arc<[Channel]>,
    in_flight: u64,
    progress: Arc<Progress>,
    /// Publishes so far: message `sent` goes to channel `sent % channels`, as its number `sent / channels`.
    sent: u64,
    answered: u64,
    output: Vec<u8>,
    input: Vec<u8>,
    parser: ReplyParser,
}

impl Publisher {
    pub(super) fn new(
        stream: TcpStream,
        number: u32,
        channels: Arc<[Channel]>,
        in_flight: u32,
        progress: Arc<Progress>,
    ) -> Self {
        Publisher {
            stream,
            number,
            channels,
            in_flight: in_flight.into(),
            progress,
            sent: 0,
            answered: 0,
            output: Vec::new(),
            input: Vec::with_capacity(16 << 10),
            parser: ReplyParser::new(ReplyLimits::default()),
        }
    }

    /// Publishes until the run drains and all answers have come.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let number = self.number;
        let lost = || format!("publisher {number} lost its connection");
        loop {
            let blocked = self.top_up();
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
                () = self.progress.room(), if blocked => {}
            }
        }
    }

    /// Writes as many publishes as are due; whether too many deliveries on their way are why it wrote no more.
    fn top_up(&mut self) -> bool {
        if self.progress.is(Phase::Drain) {
            return false;
        }
        let sent_ns = self.progress.now_ns();
        while self.sent - self.answered < self.in_flight {
            let channels = self.channels.len() as u64;
            let channel = &self.channels[(self.sent % channels) as usize];
            if !self.progress.try_publish(channel.fan_out) {
                return true;
            }
            let stamp = Stamp { publisher: self.number, sequence: self.sent / channels, sent_ns };
            channel.publish.write(stamp, &mut self.output);
            self.sent += 1;
        }
        false
    }

    fn take_answers(&mut self) -> anyhow::Result<()> {
        let before = self.answered;
        let mut taken = 0;
        while let Some((answer, length)) = self.parser.next(&self.input[taken..])? {
            taken += length;
            let channel = &self.channels[(self.answered % self.channels.len() as u64) as usize];
            match answer {
                Value::Integer(receivers) if receivers == i64::from(channel.fan_out) => {}
                Value::Integer(receivers) => {
                    bail!("a publish reached {receivers} subscribers of {}", channel.fan_out)
                }
                Value::Error(text) => bail!("a publish was refused: {}", String::from_utf8_lossy(&text)),
                other => bail!("a publish was answered with {other:?}"),
            }
            if self.answered == self.sent {
                bail!("more answers than publishes");
            }
            self.answered += 1;
        }
        self.input.drain(..taken);
        self.progress.answer(self.answered - before);
        Ok(())
    }
}
