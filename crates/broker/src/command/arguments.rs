use naru_resp::{Command, parse_integer};

use super::Refusal;

/// How many arguments Redis repeats of an unknown command, in bytes.
const REPEATED_BYTES_MAX: usize = 128;

pub(crate) fn wrong_number(command: &str) -> Refusal {
    format!("ERR wrong number of arguments for '{command}' command").into()
}

pub(crate) fn syntax_error() -> Refusal {
    "ERR syntax error".into()
}

pub(crate) fn unknown_command(command: &Command<'_>) -> String {
    let mut repeated = String::new();
    for argument in command.iter().skip(1) {
        if repeated.len() >= REPEATED_BYTES_MAX {
            break;
        }
        let room = REPEATED_BYTES_MAX - repeated.len();
        repeated.push_str(&format!("'{}' ", String::from_utf8_lossy(&argument[..argument.len().min(room)])));
    }
    let name = command.name();
    let name = String::from_utf8_lossy(&name[..name.len().min(REPEATED_BYTES_MAX)]);
    format!("ERR unknown command '{name}', with args beginning with: {repeated}")
}

pub(crate) fn unknown_subcommand(command: &str, subcommand: &[u8]) -> Refusal {
    let subcommand = &subcommand[..subcommand.len().min(REPEATED_BYTES_MAX)];
    format!("ERR unknown subcommand '{}'. Try {command} HELP.", String::from_utf8_lossy(subcommand)).into()
}

/// Redis's text where a subcommand takes an argument or not, and got more.
pub(crate) fn unknown_or_wrong_number(command: &str, subcommand: &[u8]) -> Refusal {
    let subcommand = &subcommand[..subcommand.len().min(REPEATED_BYTES_MAX)];
    let subcommand = String::from_utf8_lossy(subcommand);
    format!("ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try {command} HELP.")
        .into()
}

pub(crate) fn integer(argument: &[u8]) -> Result<i64, Refusal> {
    parse_integer(argument).ok_or_else(|| "ERR value is not an integer or out of range".into())
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
