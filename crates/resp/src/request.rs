//! What a server reads: commands, as arrays of bulk strings or as typed lines.

use crate::arguments::Arguments;
use crate::inline::{UnbalancedQuotes, split_into, words_max};
use crate::integer::parse_integer;
use crate::limits::{Limits, UNAUTHENTICATED_ARGUMENTS_MAX, UNAUTHENTICATED_BULK_BYTES_MAX};

/// Unquoted bytes kept for the next command; what a larger one needed is given back.
const KEPT_TEXT_BYTES_MAX: usize = 4 * 1024;

/// The peer's fault: answer `-ERR ` and this text, which is Redis's own, then close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The argument count is no number, or beyond [`Limits::arguments_max`].
    #[error("Protocol error: invalid multibulk length")]
    MultibulkLength,
    /// More arguments than someone who has not signed in may send.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// The line with the argument count does not end.
    #[error("Protocol error: too big mbulk count string")]
    MultibulkLine,
    /// An argument does not start with its length.
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    /// The length of an argument is no number, negative, or beyond [`Limits::bulk_bytes_max`]; or it makes the
    /// command longer than 4 GiB.
    #[error("Protocol error: invalid bulk length")]
    BulkLength,
    /// A longer argument than someone who has not signed in may send.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// The line with the length of an argument does not end.
    #[error("Protocol error: too big bulk count string")]
    BulkLine,
    /// A typed line longer than [`Limits::inline_bytes_max`].
    #[error("Protocol error: too big inline request")]
    InlineLine,
    /// A typed line with a quote that is not closed.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
}

impl From<UnbalancedQuotes> for Malformed {
    fn from(_: UnbalancedQuotes) -> Self {
        Self::UnbalancedQuotes
    }
}

/// One command, its arguments borrowed from the input (or, if typed with quotes, from the parser).
///
/// An empty line, `*0` and `*-1` are commands of no arguments: skip them without a reply, as Redis does.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    bytes: &'a [u8],
    arguments: &'a Arguments,
}

impl<'a> Command<'a> {
    /// The first argument as it was sent, in any case; nothing for an empty command.
    pub fn name(&self) -> &'a [u8] {
        self.get(0).unwrap_or_default()
    }

    /// Arguments, the name included.
    pub fn len(&self) -> usize {
        self.arguments.len()
    }

    /// Nothing to do and nothing to answer.
    pub fn is_empty(&self) -> bool {
        self.arguments.len() == 0
    }

    /// Argument `index`, where 0 is the name.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len): check the count of arguments first, or use [`get`](Self::get).
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.get(index).expect("the caller has checked the count of arguments")
    }

    /// Argument `index`, where 0 is the name, if there is one.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.arguments.get(index).map(|range| &self.bytes[range])
    }

    /// All arguments, the name first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone + use<'a> {
        let bytes = self.bytes;
        self.arguments.iter().map(move |range| &bytes[range])
    }

    /// The command that the arguments behind the first `count` are; empty if there are none.
    pub fn without_first(&self, count: usize) -> OwnedCommand {
        OwnedCommand::of(self.iter().skip(count))
    }

    /// A copy that outlives the input.
    pub fn to_owned(&self) -> OwnedCommand {
        OwnedCommand::of(self.iter())
    }
}

/// A command that was kept to be executed later.
#[derive(Clone, Debug)]
pub struct OwnedCommand {
    bytes: Box<[u8]>,
    arguments: Arguments,
}

impl OwnedCommand {
    fn of<'a>(words: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Self {
        let mut bytes = Vec::with_capacity(words.clone().map(<[u8]>::len).sum());
        let mut arguments = Arguments::default();
        arguments.start_words(words.len());
        for word in words {
            bytes.extend_from_slice(word);
            arguments.push_word(bytes.len());
        }
        OwnedCommand { bytes: bytes.into(), arguments }
    }

    /// The command, as it was when it came in.
    pub fn as_command(&self) -> Command<'_> {
        Command { bytes: &self.bytes, arguments: &self.arguments }
    }

    /// The memory it takes, in bytes: its arguments and where each of them lies.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.arguments.memory_bytes()
    }
}

/// Reads commands from the front of a buffer that fills as bytes arrive.
///
/// Memory: at most twice the bytes received and 64 KiB, nothing for what is only announced.
#[derive(Debug)]
pub struct RequestParser {
    limits: Limits,
    /// Where the arguments read so far lie in the input (or in `text`).
    arguments: Arguments,
    /// The words of a typed line, without their quotes.
    text: Vec<u8>,
    /// Arguments still to come; 0 between commands.
    missing: usize,
    /// Where in the input the next unread thing starts.
    at: usize,
    /// No end of line between `at` and here.
    searched: usize,
    /// The length announced for the argument whose bytes start at `at`.
    bulk: Option<usize>,
}

impl RequestParser {
    /// A parser at the start of a connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            arguments: Arguments::default(),
            text: Vec::new(),
            missing: 0,
            at: 0,
            searched: 0,
            bulk: None,
        }
    }

    /// Replaces the limits, from the next length announced on: call it when the peer has signed in.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Reads the command at the front of `input`, and says how many bytes it took.
    ///
    /// `None`: call again with the same bytes and more behind them. What was read is remembered, so
    /// that a command arriving in many pieces is still read once. After an error, close.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<(Command<'a>, usize)>, Malformed> {
        if self.missing == 0 {
            match input.first() {
                None => return Ok(None),
                Some(b'*') => {
                    if !self.read_count(input)? {
                        return Ok(None);
                    }
                }
                Some(_) => return self.read_line(input),
            }
        }
        while self.missing > 0 {
            if !self.read_argument(input)? {
                return Ok(None);
            }
        }
        let consumed = self.finish();
        Ok(Some((Command { bytes: input, arguments: &self.arguments }, consumed)))
    }

    /// Reads `*<count>\r\n`; false if it is not all there.
    fn read_count(&mut self, input: &[u8]) -> Result<bool, Malformed> {
        let Some(end) = self.line_end(input, b'\r', Malformed::MultibulkLine)? else { return Ok(false) };
        if input.len() < end + 2 {
            return Ok(false);
        }
        let count = parse_integer(&input[1..end]).ok_or(Malformed::MultibulkLength)?;
        let count = usize::try_from(count.max(0)).map_err(|_| Malformed::MultibulkLength)?;
        if count > self.limits.arguments_max {
            return Err(Malformed::MultibulkLength);
        }
        if self.limits.unauthenticated && count > UNAUTHENTICATED_ARGUMENTS_MAX {
            return Err(Malformed::UnauthenticatedMultibulkLength);
        }
        self.arguments.start_bulks();
        self.missing = count;
        self.advance(end + 2);
        Ok(true)
    }

    /// Reads `$<length>\r\n<bytes>\r\n`; false if it is not all there. Like Redis, what stands in the
    /// place of the `\n`, or of the `\r\n` after the bytes, is skipped unseen.
    fn read_argument(&mut self, input: &[u8]) -> Result<bool, Malformed> {
        let length = match self.bulk {
            Some(length) => length,
            None => {
                let Some(length) = self.read_length(input)? else { return Ok(false) };
                *self.bulk.insert(length)
            }
        };
        let end = self.at.saturating_add(length);
        let (Ok(from), Ok(to)) = (u32::try_from(self.at), u32::try_from(end)) else {
            return Err(Malformed::BulkLength);
        };
        if input.len().saturating_sub(self.at) < length.saturating_add(2) {
            return Ok(false);
        }
        self.arguments.push_bulk(from..to);
        self.advance(end + 2);
        self.bulk = None;
        self.missing -= 1;
        Ok(true)
    }

    fn read_length(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        let Some(end) = self.line_end(input, b'\r', Malformed::BulkLine)? else { return Ok(None) };
        if input.len() < end + 2 {
            return Ok(None);
        }
        if input[self.at] != b'$' {
            return Err(Malformed::ExpectedBulk(input[self.at]));
        }
        let length = parse_integer(&input[self.at + 1..end]).ok_or(Malformed::BulkLength)?;
        let length = usize::try_from(length).map_err(|_| Malformed::BulkLength)?;
        if length > self.limits.bulk_bytes_max {
            return Err(Malformed::BulkLength);
        }
        if self.limits.unauthenticated && length > UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(Malformed::UnauthenticatedBulkLength);
        }
        self.advance(end + 2);
        Ok(Some(length))
    }

    fn read_line<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<(Command<'a>, usize)>, Malformed> {
        let Some(end) = self.line_end(input, b'\n', Malformed::InlineLine)? else { return Ok(None) };
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        self.text.clear();
        self.text.shrink_to(KEPT_TEXT_BYTES_MAX);
        self.text.reserve_exact(line.len());
        self.arguments.start_words(words_max(line));
        split_into(line, &mut self.text, |end| self.arguments.push_word(end))?;
        self.advance(end + 1);
        let consumed = self.finish();
        Ok(Some((Command { bytes: &self.text, arguments: &self.arguments }, consumed)))
    }

    /// Where the line that starts at `at` ends, if it does so within the limit, however it was cut.
    fn line_end(&mut self, input: &[u8], mark: u8, too_long: Malformed) -> Result<Option<usize>, Malformed> {
        // Below 4 GiB, whatever the limits say: see `Arguments`.
        let limit = self.at.saturating_add(self.limits.inline_bytes_max.min(u32::MAX as usize));
        let seen = input.len().min(limit.saturating_add(1));
        let fresh = input.get(self.searched..seen).unwrap_or_default();
        if let Some(offset) = fresh.iter().position(|byte| *byte == mark) {
            return Ok(Some(self.searched + offset));
        }
        if seen > limit {
            return Err(too_long);
        }
        self.searched = self.searched.max(seen);
        Ok(None)
    }

    fn advance(&mut self, to: usize) {
        self.at = to;
        self.searched = to;
    }

    fn finish(&mut self) -> usize {
        let consumed = self.at;
        self.advance(0);
        consumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_announced_takes_no_memory() {
        let mut parser = RequestParser::new(Limits::authenticated());
        assert!(parser.next(b"*1048576\r\n").unwrap().is_none());
        assert_eq!(parser.arguments.memory_bytes(), 0);
        assert!(parser.next(b"*1048576\r\n$536870912\r\n").unwrap().is_none());
        assert_eq!((parser.arguments.memory_bytes(), parser.text.capacity()), (0, 0));
    }

    #[test]
    fn a_kept_command_is_the_same_when_the_input_is_gone() {
        let mut parser = RequestParser::new(Limits::authenticated());
        let mut input = b"*3\r\n$4\r\nECHO\r\n$0\r\n\r\n$3\r\n\r\n\xff\r\n".to_vec();
        let kept = parser.next(&input).unwrap().unwrap().0.to_owned();
        input.fill(0);
        assert_eq!(kept.as_command().iter().collect::<Vec<_>>(), [&b"ECHO"[..], b"", b"\r\n\xff"]);
    }

    #[test]
    fn what_a_large_command_took_is_given_back() {
        let mut parser = RequestParser::new(Limits::authenticated());
        let words = b"a ".repeat(30_000);
        let line = [&words[..], b"\r\n"].concat();
        assert_eq!(parser.next(&line).unwrap().map(|(command, _)| command.len()), Some(30_000));
        assert!(parser.next(b"*1\r\n$1\r\na\r\n").unwrap().is_some());
        assert!(parser.arguments.memory_bytes() <= 8 * 1024);
        assert!(parser.next(b"b\r\n").unwrap().is_some());
        assert!(parser.text.capacity() <= KEPT_TEXT_BYTES_MAX);
    }

    #[test]
    fn a_long_line_is_searched_once_however_it_arrives() {
        let mut parser = RequestParser::new(Limits::authenticated());
        for length in 0..1000 {
            assert!(parser.next(&vec![b'a'; length]).unwrap().is_none());
            assert_eq!(parser.searched, length);
        }
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let limits =
            Limits { bulk_bytes_max: 3, arguments_max: 2, inline_bytes_max: 9, unauthenticated: false };
        let read = |input: &[u8]| RequestParser::new(limits).next(input).map(|read| read.is_some());
        assert_eq!(read(b"*2\r\n$3\r\nabc\r\n$0\r\n\r\n"), Ok(true));
        assert_eq!(read(b"*3\r\n"), Err(Malformed::MultibulkLength));
        assert_eq!(read(b"*1\r\n$4\r\n"), Err(Malformed::BulkLength));
        assert_eq!(read(b"PING abcd\n"), Ok(true));
        assert_eq!(read(b"PING abcde\n"), Err(Malformed::InlineLine));
        assert_eq!(read(b"*123456789"), Err(Malformed::MultibulkLine));
    }

    #[test]
    fn signing_in_lifts_the_limits_for_the_next_command() {
        let mut parser = RequestParser::new(Limits::unauthenticated());
        let eleven = [&b"*11\r\n"[..], &b"$1\r\na\r\n".repeat(11)].concat();
        assert!(parser.next(b"*1\r\n$1\r\na\r\n").unwrap().is_some());
        parser.set_limits(Limits::authenticated());
        assert_eq!(
            parser.next(&eleven).unwrap().map(|(command, used)| (command.len(), used)),
            Some((11, 82))
        );
    }

    #[test]
    fn a_buffer_that_shrank_does_not_panic() {
        let mut parser = RequestParser::new(Limits::authenticated());
        assert!(parser.next(b"*2\r\n$4\r\nECHO\r\n$1").unwrap().is_none());
        assert!(parser.next(b"*2").unwrap().is_none());
        assert!(parser.next(b"").unwrap().is_none());
    }
}
