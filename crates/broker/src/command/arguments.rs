use std::{
    ops::RangeInclusive,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use naru_resp::{Command, parse_integer};

use super::Refusal;
use crate::c_string::c_string;

/// How many arguments Redis repeats of an unknown command, in bytes.
const REPEATED_BYTES_MAX: usize = 128;

pub(crate) fn wrong_number(command: &str) -> Refusal {
    format!("ERR wrong number of arguments for '{command}' command").into()
}

pub(crate) fn syntax_error() -> Refusal {
    "ERR syntax error".into()
}

/// A refusal that repeats a word of the client's, as C prints it.
pub(crate) fn repeating(before: &str, word: &[u8], after: &str) -> Refusal {
    [before.as_bytes(), c_string(word), after.as_bytes()].concat().into()
}

pub(crate) fn unknown_command(command: &Command<'_>) -> Refusal {
    let mut repeated = Vec::new();
    for argument in command.iter().skip(1) {
        if repeated.len() >= REPEATED_BYTES_MAX {
            break;
        }
        let room = REPEATED_BYTES_MAX - repeated.len();
        repeated.extend([b"'", c_string(shortened(argument, room)), b"' "].concat());
    }
    let name = c_string(shortened(command.name(), REPEATED_BYTES_MAX));
    [b"ERR unknown command '", name, b"', with args beginning with: ", &repeated].concat().into()
}

fn shortened(word: &[u8], bytes_max: usize) -> &[u8] {
    &word[..word.len().min(bytes_max)]
}

pub(crate) fn unknown_subcommand(command: &str, subcommand: &[u8]) -> Refusal {
    let subcommand = shortened(subcommand, REPEATED_BYTES_MAX);
    repeating("ERR unknown subcommand '", subcommand, &format!("'. Try {command} HELP."))
}

/// Redis's text where a subcommand takes an argument or not, and got more.
pub(crate) fn unknown_or_wrong_number(command: &str, subcommand: &[u8]) -> Refusal {
    let subcommand = shortened(subcommand, REPEATED_BYTES_MAX);
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    repeating(before, subcommand, &format!("'. Try {command} HELP."))
}

pub(crate) fn integer(argument: &[u8]) -> Result<i64, Refusal> {
    parse_integer(argument).ok_or_else(|| "ERR value is not an integer or out of range".into())
}

/// An integer within these bounds.
pub(crate) fn integer_within(argument: &[u8], bounds: RangeInclusive<i64>) -> Result<i64, Refusal> {
    let number = integer(argument)?;
    if bounds.contains(&number) {
        return Ok(number);
    }
    let (least, most) = (bounds.start(), bounds.end());
    Err(format!("ERR value is out of range, value must between {least} and {most}").into())
}

/// The number of a database; there is one.
pub(crate) fn database(argument: &[u8]) -> Result<(), Refusal> {
    match integer_within(argument, i32::MIN.into()..=i32::MAX.into())? {
        0 => Ok(()),
        _ => Err("ERR DB index is out of range".into()),
    }
}

/// How long to wait, in milliseconds.
pub(crate) fn timeout(argument: &[u8]) -> Result<Duration, Refusal> {
    let millis = parse_integer(argument)
        .ok_or_else(|| Refusal::from("ERR timeout is not an integer or out of range"))?;
    timeout_of(millis)
}

/// So long, if that ends before the clock's numbers do.
pub(crate) fn timeout_of(millis: i64) -> Result<Duration, Refusal> {
    let timeout = u64::try_from(millis).map_err(|_| Refusal::from("ERR timeout is negative"))?;
    let timeout = Duration::from_millis(timeout);
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(timeout);
    if i64::try_from(end.as_millis()).is_err() {
        return Err("ERR timeout is out of range".into());
    }
    Ok(timeout)
}

/// Reads arguments one after the other.
pub(crate) struct Arguments<'c, 'a> {
    command: &'c Command<'a>,
    at: usize,
}

impl<'c, 'a> Arguments<'c, 'a> {
    /// Starts behind the command's name.
    pub(crate) fn of(command: &'c Command<'a>) -> Self {
        Arguments { command, at: 1 }
    }

    /// The next one, whatever it is.
    pub(crate) fn next(&mut self) -> Result<&'a [u8], Refusal> {
        let argument = self.command.get(self.at).ok_or_else(syntax_error)?;
        self.at += 1;
        Ok(argument)
    }

    pub(crate) fn next_integer(&mut self) -> Result<i64, Refusal> {
        integer(self.next()?)
    }

    /// Takes the next one if it is this word, in any case, and something is behind it.
    pub(crate) fn takes_before_value(&mut self, word: &str) -> bool {
        self.left() > 1 && self.takes(word)
    }

    /// Takes the next one if it is this word, in any case.
    pub(crate) fn takes(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(found);
        found
    }

    pub(crate) fn peek(&self) -> Option<&'a [u8]> {
        self.command.get(self.at)
    }

    pub(crate) fn left(&self) -> usize {
        self.command.len() - self.at
    }
}
