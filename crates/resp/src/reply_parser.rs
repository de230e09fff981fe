//! Bytes from a server to values.

use crate::integer::parse_integer;
use crate::limits::ReplyLimits;
use crate::value::Value;

/// The other side does not speak RESP, or says more than we accept: close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedReply {
    /// No type of value starts with this byte.
    #[error("reply starts with byte {0:#04x}, which is no RESP type")]
    Kind(u8),
    /// A number, a boolean or a null that is none.
    #[error("reply holds a malformed number")]
    Number,
    /// A length that is no number, or negative.
    #[error("reply announces a malformed length")]
    Length,
    /// Longer than the limits allow.
    #[error("reply is longer than this client accepts")]
    TooLong,
    /// Nested deeper than the limits allow.
    #[error("reply is nested deeper than this client accepts")]
    TooDeep,
    /// A string is not followed by a line break.
    #[error("reply lacks a line break where one must be")]
    LineBreak,
}

/// Reads values from the front of a buffer that fills as bytes arrive. Attributes are read and dropped.
///
/// Memory grows with bytes received; nesting costs no stack.
#[derive(Debug, Default)]
pub struct ReplyParser {
    limits: ReplyLimits,
    /// Aggregates whose elements are still coming, outermost first.
    open: Vec<Open>,
    /// Where in the input the next unread thing starts.
    at: usize,
    /// No `\n` between `at` and here.
    searched: usize,
    /// A string whose length is read and whose bytes start at `at`.
    string: Option<(StringKind, usize)>,
}

#[derive(Clone, Copy, Debug)]
enum StringKind {
    Bulk,
    Error,
    Verbatim,
}

#[derive(Clone, Copy, Debug)]
enum AggregateKind {
    Array,
    Set,
    Push,
    Map,
    Attribute,
}

/// An aggregate with `missing` elements still to come, at least one.
#[derive(Debug)]
struct Open {
    kind: AggregateKind,
    missing: usize,
    elements: Vec<Value>,
}

/// What one step of reading found.
enum Step {
    Value(Value),
    /// Part of a value: an opened aggregate, or an attribute that is over.
    Progress,
    NeedMore,
}

impl ReplyParser {
    /// A parser at the start of a connection.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Reads the value at the front of `input`, and says how many bytes it took.
    ///
    /// `None`: call again with the same bytes and more behind them. What was read is remembered.
    pub fn next(&mut self, input: &[u8]) -> Result<Option<(Value, usize)>, MalformedReply> {
        loop {
            let mut step = self.step(input)?;
            while let Step::Value(value) = step {
                let Some(parent) = self.open.last_mut() else {
                    let consumed = self.at;
                    self.advance(0);
                    return Ok(Some((value, consumed)));
                };
                parent.elements.push(value);
                parent.missing -= 1;
                step = if parent.missing > 0 { Step::Progress } else { self.close() };
            }
            if let Step::NeedMore = step {
                return Ok(None);
            }
        }
    }

    fn step(&mut self, input: &[u8]) -> Result<Step, MalformedReply> {
        if let Some((kind, length)) = self.string {
            return self.read_string(input, kind, length);
        }
        let Some(end) = self.line_end(input)? else { return Ok(Step::NeedMore) };
        let line = input[self.at..end].strip_suffix(b"\r").ok_or(MalformedReply::LineBreak)?;
        let (&kind, text) = line.split_first().ok_or(MalformedReply::LineBreak)?;
        self.advance(end + 1);
        let value = match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Integer(parse_integer(text).ok_or(MalformedReply::Number)?),
            b'_' if text.is_empty() => Value::Null,
            b'#' if text == b"t" => Value::Boolean(true),
            b'#' if text == b"f" => Value::Boolean(false),
            b'_' | b'#' => return Err(MalformedReply::Number),
            b',' => Value::Double(parse_double(text)?),
            b'(' => Value::BigNumber(big_number(text)?.to_vec()),
            b'$' => return self.announce(StringKind::Bulk, text),
            b'!' => return self.announce(StringKind::Error, text),
            b'=' => return self.announce(StringKind::Verbatim, text),
            b'*' => return self.enter(AggregateKind::Array, text),
            b'~' => return self.enter(AggregateKind::Set, text),
            b'>' => return self.enter(AggregateKind::Push, text),
            b'%' => return self.enter(AggregateKind::Map, text),
            b'|' => return self.enter(AggregateKind::Attribute, text),
            other => return Err(MalformedReply::Kind(other)),
        };
        Ok(Step::Value(value))
    }

    fn announce(&mut self, kind: StringKind, text: &[u8]) -> Result<Step, MalformedReply> {
        if text == b"-1" && matches!(kind, StringKind::Bulk) {
            return Ok(Step::Value(Value::Null));
        }
        let length = parse_length(text)?;
        if length > self.limits.bulk_bytes_max {
            return Err(MalformedReply::TooLong);
        }
        self.string = Some((kind, length));
        Ok(Step::Progress)
    }

    fn read_string(&mut self, input: &[u8], kind: StringKind, length: usize) -> Result<Step, MalformedReply> {
        if input.len().saturating_sub(self.at) < length.saturating_add(2) {
            return Ok(Step::NeedMore);
        }
        let end = self.at + length;
        if &input[end..end + 2] != b"\r\n" {
            return Err(MalformedReply::LineBreak);
        }
        let bytes = &input[self.at..end];
        let value = match kind {
            StringKind::Bulk => Value::Bulk(bytes.to_vec()),
            StringKind::Error => Value::Error(bytes.to_vec()),
            StringKind::Verbatim => match bytes {
                [_, _, _, b':', text @ ..] => Value::Verbatim(text.to_vec()),
                _ => return Err(MalformedReply::Length),
            },
        };
        self.string = None;
        self.advance(end + 2);
        Ok(Step::Value(value))
    }

    fn enter(&mut self, kind: AggregateKind, text: &[u8]) -> Result<Step, MalformedReply> {
        if text == b"-1" && matches!(kind, AggregateKind::Array) {
            return Ok(Step::Value(Value::Null));
        }
        let announced = parse_length(text)?;
        let missing = match kind {
            AggregateKind::Map | AggregateKind::Attribute => announced.saturating_mul(2),
            AggregateKind::Array | AggregateKind::Set | AggregateKind::Push => announced,
        };
        if missing > self.limits.elements_max {
            return Err(MalformedReply::TooLong);
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(MalformedReply::TooDeep);
        }
        self.open.push(Open { kind, missing, elements: Vec::new() });
        Ok(if missing > 0 { Step::Progress } else { self.close() })
    }

    /// Ends the innermost aggregate.
    fn close(&mut self) -> Step {
        let Some(Open { kind, elements, .. }) = self.open.pop() else { return Step::Progress };
        Step::Value(match kind {
            AggregateKind::Array => Value::Array(elements),
            AggregateKind::Set => Value::Set(elements),
            AggregateKind::Push => Value::Push(elements),
            AggregateKind::Map => Value::Map(pairs(elements)),
            AggregateKind::Attribute => return Step::Progress,
        })
    }

    /// Where the `\n` is that ends the line at `at`, if it does so within the limit, however it was cut.
    fn line_end(&mut self, input: &[u8]) -> Result<Option<usize>, MalformedReply> {
        let limit = self.at.saturating_add(self.limits.line_bytes_max);
        let seen = input.len().min(limit.saturating_add(1));
        let fresh = input.get(self.searched..seen).unwrap_or_default();
        if let Some(offset) = memchr::memchr(b'\n', fresh) {
            return Ok(Some(self.searched + offset));
        }
        if seen > limit {
            return Err(MalformedReply::TooLong);
        }
        self.searched = self.searched.max(seen);
        Ok(None)
    }

    fn advance(&mut self, to: usize) {
        self.at = to;
        self.searched = to;
    }
}

fn pairs(elements: Vec<Value>) -> Vec<(Value, Value)> {
    let mut elements = elements.into_iter();
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn parse_length(text: &[u8]) -> Result<usize, MalformedReply> {
    let length = parse_integer(text).ok_or(MalformedReply::Length)?;
    usize::try_from(length).map_err(|_| MalformedReply::Length)
}

fn parse_double(text: &[u8]) -> Result<f64, MalformedReply> {
    let text = std::str::from_utf8(text).map_err(|_| MalformedReply::Number)?;
    text.parse().map_err(|_| MalformedReply::Number)
}

fn big_number(text: &[u8]) -> Result<&[u8], MalformedReply> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    valid.then_some(text).ok_or(MalformedReply::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<Option<(Value, usize)>, MalformedReply> {
        ReplyParser::default().next(input)
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let text = |text: &str| text.as_bytes().to_vec();
        for (input, value) in [
            ("+OK\r\n", Value::Simple(text("OK"))),
            ("-ERR no\r\n", Value::Error(text("ERR no"))),
            ("!6\r\nERR\r\na\r\n", Value::Error(text("ERR\r\na"))),
            (":-3\r\n", Value::Integer(-3)),
            ("$2\r\nhi\r\n", Value::Bulk(text("hi"))),
            ("$-1\r\n", Value::Null),
            ("*-1\r\n", Value::Null),
            ("_\r\n", Value::Null),
            ("#t\r\n", Value::Boolean(true)),
            (",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
            (",1.5e3\r\n", Value::Double(1500.0)),
            (
                "(-340282366920938463463374607431768211456\r\n",
                Value::BigNumber(text("-340282366920938463463374607431768211456")),
            ),
            ("=7\r\ntxt:a b\r\n", Value::Verbatim(text("a b"))),
            ("*0\r\n", Value::Array(vec![])),
            (
                "*2\r\n*1\r\n:1\r\n~0\r\n",
                Value::Array(vec![Value::Array(vec![Value::Integer(1)]), Value::Set(vec![])]),
            ),
            (
                "%1\r\n+a\r\n>1\r\n:1\r\n",
                Value::Map(vec![(Value::Simple(text("a")), Value::Push(vec![Value::Integer(1)]))]),
            ),
            ("|1\r\n+ttl\r\n*1\r\n:9\r\n:1\r\n", Value::Integer(1)),
            (
                "*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n|0\r\n:2\r\n",
                Value::Array(vec![Value::Integer(1), Value::Integer(2)]),
            ),
        ] {
            assert_eq!(read(input.as_bytes()), Ok(Some((value, input.len()))), "{input:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for (input, error) in [
            ("HTTP/1.1 400 Bad Request\r\n", MalformedReply::Kind(b'H')),
            ("\r\n", MalformedReply::LineBreak),
            ("+OK\n", MalformedReply::LineBreak),
            ("$1\r\nabc", MalformedReply::LineBreak),
            (":1.5\r\n", MalformedReply::Number),
            ("#x\r\n", MalformedReply::Number),
            ("_x\r\n", MalformedReply::Number),
            (",x\r\n", MalformedReply::Number),
            ("(1e3\r\n", MalformedReply::Number),
            ("$x\r\n", MalformedReply::Length),
            ("$-2\r\n", MalformedReply::Length),
            ("%-1\r\n", MalformedReply::Length),
            ("$?\r\n", MalformedReply::Length),
            ("*99999999999999999999\r\n", MalformedReply::Length),
            ("=3\r\ntxt\r\n", MalformedReply::Length),
            ("$536870913\r\n", MalformedReply::TooLong),
            ("*9223372036854775807\r\n", MalformedReply::TooLong),
            ("%9223372036854775807\r\n", MalformedReply::TooLong),
        ] {
            assert_eq!(read(input.as_bytes()), Err(error), "{input:?}");
        }
        assert_eq!(read(&[b'+'; 64 * 1024 + 1]), Err(MalformedReply::TooLong));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| ["*1\r\n".repeat(depth), ":1\r\n".to_owned()].concat();
        assert!(read(nested(32).as_bytes()).unwrap().is_some());
        assert_eq!(read(nested(33).as_bytes()), Err(MalformedReply::TooDeep));
        assert_eq!(read("|1\r\n".repeat(1_000_000).as_bytes()), Err(MalformedReply::TooDeep));
    }

    #[test]
    fn what_is_only_announced_takes_no_memory() {
        let mut parser = ReplyParser::default();
        assert!(parser.next(b"*16777216\r\n").unwrap().is_none());
        assert_eq!(parser.open[0].elements.capacity(), 0);
        assert!(parser.next(b"*16777216\r\n$536870912\r\n").unwrap().is_none());
        assert_eq!(parser.open[0].elements.capacity(), 0);
    }
}
