use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail};
use naru_resp::{ReplyLimits, ReplyParser, Value};

use super::frame::shown;

/// How long the server may take for one step of opening a connection.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

/// No line of a server that greets is longer.
const LINE_BYTES_MAX: usize = 64 << 10;

/// A connection that is being opened: one asks, and waits for the answer.
pub(super) struct Dialog {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Dialog {
    pub(super) fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, STEP_TIME_MAX).with_context(|| {
            format!("cannot connect to {server}: is the server running, and does it allow so many?")
        })?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STEP_TIME_MAX))?;
        Ok(Dialog { stream, received: Vec::new() })
    }

    /// From now on the server may take so long for an answer.
    pub(super) fn wait_for(&self, time_max: Duration) -> anyhow::Result<()> {
        Ok(self.stream.set_read_timeout(Some(time_max))?)
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).context("the connection was lost")
    }

    /// The next reply on the Redis wire.
    pub(super) fn reply(&mut self) -> anyhow::Result<Value> {
        let mut parser = ReplyParser::new(ReplyLimits::default());
        loop {
            if let Some((value, taken)) = parser.next(&self.received)? {
                self.received.drain(..taken);
                return Ok(value);
            }
            self.receive()?;
        }
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.received[..end]).into_owned();
                self.received.drain(..end + 2);
                return Ok(line);
            }
            if self.received.len() > LINE_BYTES_MAX {
                bail!("a line without an end: {}", shown(&self.received));
            }
            self.receive()?;
        }
    }

    /// The connection, for whoever does not wait for answers.
    pub(super) fn done(self) -> anyhow::Result<TcpStream> {
        if !self.received.is_empty() {
            bail!("more came than was asked for: {}", shown(&self.received));
        }
        self.stream.set_nonblocking(true)?;
        Ok(self.stream)
    }

    fn receive(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer).context("no answer came")? {
            0 => bail!("the server closed the connection (does it allow so many?)"),
            count => self.received.extend_from_slice(&buffer[..count]),
        }
        Ok(())
    }
}
