use std::collections::VecDeque;

use anyhow::bail;
use naru_resp::{ReplyLimits, ReplyParser, Value};

use super::{frame::shown, nats, protocol::Protocol};

/// No line of a NATS server to a publisher is longer.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Reads what the server says to a publisher, as answers to its publishes.
pub(super) enum Answers {
    Resp(ReplyParser),
    /// How many publishes were in each write that a PING closed. No more than those in flight.
    Nats(VecDeque<u64>),
}

/// What the server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// One publish reached so many subscribers.
    Reached(i64),
    /// So many publishes were taken, of which no more is told.
    Taken(u64),
    /// It wants a sign of life.
    Asked,
}

impl Answers {
    pub(super) fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Resp => Answers::Resp(ReplyParser::new(ReplyLimits::default())),
            Protocol::Nats => Answers::Nats(VecDeque::new()),
        }
    }

    /// Appends to a write of `count` publishes what makes the server answer them.
    pub(super) fn ask(&mut self, count: u64, output: &mut Vec<u8>) {
        if let Answers::Nats(writes) = self
            && count > 0
        {
            output.extend_from_slice(nats::PING);
            writes.push_back(count);
        }
    }

    /// The next answer, and how many bytes of `input` it takes.
    pub(super) fn next(&mut self, input: &[u8]) -> anyhow::Result<Option<(Answer, usize)>> {
        match self {
            Answers::Resp(parser) => {
                let Some((reply, taken)) = parser.next(input)? else { return Ok(None) };
                match reply {
                    Value::Integer(receivers) => Ok(Some((Answer::Reached(receivers), taken))),
                    Value::Error(text) => bail!("a publish was refused: {}", String::from_utf8_lossy(&text)),
                    other => bail!("a publish was answered with {other:?}"),
                }
            }
            Answers::Nats(writes) => {
                let Some(end) = input.windows(2).position(|pair| pair == b"\r\n") else {
                    if input.len() > LINE_BYTES_MAX {
                        bail!("a line without an end: {}", shown(input));
                    }
                    return Ok(None);
                };
                let answer = match &input[..end] {
                    b"PONG" => match writes.pop_front() {
                        Some(count) => Answer::Taken(count),
                        None => bail!("a PONG without a PING"),
                    },
                    b"PING" => Answer::Asked,
                    other => bail!("a publish was refused: {}", shown(other)),
                };
                Ok(Some((answer, end + 2)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_answers_the_publishes_of_one_write() {
        let mut answers = Answers::new(Protocol::Nats);
        let mut output = Vec::new();
        answers.ask(3, &mut output);
        answers.ask(0, &mut output);
        answers.ask(5, &mut output);
        assert_eq!(output, b"PING\r\nPING\r\n");
        assert_eq!(answers.next(b"PONG\r").unwrap(), None);
        assert_eq!(answers.next(b"PONG\r\nPO").unwrap(), Some((Answer::Taken(3), 6)));
        assert_eq!(answers.next(b"PING\r\n").unwrap(), Some((Answer::Asked, 6)));
        assert_eq!(answers.next(b"PONG\r\n").unwrap(), Some((Answer::Taken(5), 6)));
        assert!(answers.next(b"PONG\r\n").is_err());
        assert!(answers.next(b"-ERR 'Slow Consumer'\r\n").is_err());
    }

    #[test]
    fn on_the_redis_wire_each_publish_is_answered() {
        let mut answers = Answers::new(Protocol::Resp);
        let mut output = Vec::new();
        answers.ask(3, &mut output);
        assert!(output.is_empty());
        assert_eq!(answers.next(b":7\r\n:8").unwrap(), Some((Answer::Reached(7), 4)));
        assert!(answers.next(b"-NOPERM no\r\n").is_err());
    }
}
