//! Commands that nobody sits in front of: one from the command line, or many from a pipe.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use naru_resp::{Value, split_line};

use super::connection::{Endpoint, Receiver, Sender, connect};
use super::format::Style;
use super::subscriptions::{Frame, Subscriptions};
use crate::printed::Printed;

/// Runs one command; after a subscription, prints messages until the connection or the process ends.
pub(super) fn run_command(
    endpoint: &Endpoint,
    command: &[Vec<u8>],
    style: Style,
) -> anyhow::Result<ExitCode> {
    let mut script = Script::start(endpoint, Printed, style)?;
    script.run(command)?;
    Ok(script.exit_code())
}

/// Runs each line of `input`, whatever became of the one before.
pub(super) fn run_lines(endpoint: &Endpoint, input: impl BufRead, style: Style) -> anyhow::Result<ExitCode> {
    let mut script = Script::start(endpoint, Printed, style)?;
    for line in input.split(b'\n') {
        match split_line(&line?) {
            Ok(command) if command.is_empty() => {}
            Ok(command) => script.run(&command)?,
            Err(_) => script.refuse()?,
        }
    }
    Ok(script.exit_code())
}

struct Script<W> {
    sender: Sender,
    receiver: Receiver,
    subscriptions: Subscriptions,
    output: W,
    style: Style,
    failed: bool,
}

impl<W: Write> Script<W> {
    fn start(endpoint: &Endpoint, output: W, style: Style) -> anyhow::Result<Self> {
        let (sender, receiver) = connect(endpoint)?;
        Ok(Self { sender, receiver, subscriptions: Subscriptions::default(), output, style, failed: false })
    }

    fn run(&mut self, command: &[Vec<u8>]) -> anyhow::Result<()> {
        self.sender.send(command)?;
        let style = self.style.of_reply(command);
        let mut awaited = self.subscriptions.replies_to(command);
        while awaited > 0 || self.subscriptions.any() {
            match self.show_next(style)? {
                (Frame::Reply, Value::Error(_)) => {
                    self.failed = true;
                    awaited = 0;
                }
                (Frame::Reply, _) => awaited = awaited.saturating_sub(1),
                (Frame::Message, _) => {}
            }
        }
        Ok(())
    }

    fn show_next(&mut self, style: Style) -> anyhow::Result<(Frame, Value)> {
        let value = self.receiver.receive()?;
        self.output.write_all(&style.format(&value))?;
        self.output.flush()?;
        Ok((self.subscriptions.follow(&value), value))
    }

    /// For a line that is no command.
    fn refuse(&mut self) -> anyhow::Result<()> {
        self.failed = true;
        writeln!(self.output, "Invalid argument(s)")?;
        Ok(())
    }

    fn exit_code(&self) -> ExitCode {
        if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
