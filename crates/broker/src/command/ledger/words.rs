//! Reading the words of a ledger command, and saying what is wrong with them.

use std::fmt::Display;

use bytes::Bytes;
use naru_ledger::{Body, Conversation, Level, User};
use naru_resp::Command;
use serde_json::value::RawValue;

use crate::command::Refusal;

/// As many bytes of a word that is not understood are said again.
const REPEATED_BYTES_MAX: usize = 64;

/// The words of a command after its name, one after the other. Each is asked for by what it is, which a refusal says.
pub(in crate::command) struct Words<'c, 'a> {
    command: &'c Command<'a>,
    at: usize,
}

pub(in crate::command) fn invalid(what: impl Display) -> Refusal {
    format!("INVALID {what}").into()
}

impl<'c, 'a> Words<'c, 'a> {
    pub(in crate::command) fn of(command: &'c Command<'a>) -> Self {
        Words { command, at: 1 }
    }

    pub(in crate::command) fn left(&self) -> usize {
        self.command.len() - self.at
    }

    fn next(&mut self, what: &str) -> Result<&'a [u8], Refusal> {
        let word =
            self.command.get(self.at).ok_or_else(|| invalid(format_args!("{what} is missing at the end")))?;
        self.at += 1;
        Ok(word)
    }

    pub(in crate::command) fn text(&mut self, what: &str) -> Result<&'a str, Refusal> {
        str::from_utf8(self.next(what)?).map_err(|_| invalid(format_args!("{what} is no UTF-8")))
    }

    /// Any bytes.
    pub(in crate::command) fn bytes(&mut self, what: &str) -> Result<Bytes, Refusal> {
        self.next(what).map(Bytes::copy_from_slice)
    }

    /// A word that reads as something; why it does not is said by who reads it.
    pub(in crate::command) fn parsed<T, E: Display>(
        &mut self,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Refusal> {
        parse(self.text(what)?).map_err(invalid)
    }

    /// The same of a word that may be empty, which is none.
    pub(in crate::command) fn parsed_or_none<T, E: Display>(
        &mut self,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Refusal> {
        match self.text(what)? {
            "" => Ok(None),
            text => parse(text).map(Some).map_err(invalid),
        }
    }

    pub(in crate::command) fn user(&mut self) -> Result<User, Refusal> {
        self.parsed("a user name", User::parse)
    }

    pub(in crate::command) fn conversation(&mut self) -> Result<Conversation, Refusal> {
        self.parsed("a conversation id", Conversation::parse)
    }

    pub(in crate::command) fn number(&mut self, what: &str) -> Result<u64, Refusal> {
        let text = self.text(what)?;
        number(text).ok_or_else(|| {
            invalid(format_args!("{what} is a whole number of 0 or more, not '{}'", shown(text.as_bytes())))
        })
    }

    /// How many of something at most. More than there can be is all there are.
    pub(in crate::command) fn limit(&mut self, what: &str) -> Result<usize, Refusal> {
        Ok(usize::try_from(self.number(what)?).unwrap_or(usize::MAX))
    }

    /// `n user …`, after the word that is named.
    pub(in crate::command) fn counted_users(&mut self, after: &str) -> Result<Vec<User>, Refusal> {
        let count = self.limit(&format!("the number of users after {after}"))?;
        if count > self.left() {
            let left = self.left();
            return Err(invalid(format_args!("{after} says {count} users, and {left} words follow")));
        }
        (0..count).map(|_| self.user()).collect()
    }

    /// Everything that is left.
    pub(in crate::command) fn users(&mut self) -> Result<Vec<User>, Refusal> {
        (0..self.left()).map(|_| self.user()).collect()
    }

    /// What a message says: JSON of any kind, without the space around it.
    pub(in crate::command) fn body(&mut self) -> Result<Body, Refusal> {
        let body = self.next("the body")?;
        let json: &RawValue = serde_json::from_slice(body)
            .map_err(|error| invalid(format_args!("the body is not JSON: {error}")))?;
        Ok(Body::from(json.get().as_bytes()))
    }

    /// `[LEVEL level]` and nothing else.
    pub(in crate::command) fn only_level(&mut self) -> Result<Level, Refusal> {
        let mut level = None;
        while self.left() > 0 {
            if !self.takes_level(&mut level)? {
                return Err(self.unknown("LEVEL"));
            }
        }
        Ok(level.unwrap_or_default())
    }

    pub(in crate::command) fn takes_level(&mut self, level: &mut Option<Level>) -> Result<bool, Refusal> {
        let takes = self.takes("LEVEL");
        if takes {
            once("LEVEL", level, self.parsed("the level", Level::parse)?)?;
        }
        Ok(takes)
    }

    /// Takes the next word if it is this one, in any case.
    pub(in crate::command) fn takes(&mut self, word: &str) -> bool {
        let found = self.command.get(self.at).is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(found);
        found
    }

    /// The word here is none of these.
    pub(in crate::command) fn unknown(&self, known: &str) -> Refusal {
        let word = self.command.get(self.at).unwrap_or_default();
        invalid(format_args!("'{}' is not understood; what may stand here is {known}", shown(word)))
    }
}

/// Notes what an option says, which it says once.
pub(in crate::command) fn once<T>(option: &str, place: &mut Option<T>, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(format_args!("{option} stands there twice"))),
    }
}

/// A whole number in its digits alone.
pub(in crate::command) fn number(text: &str) -> Option<u64> {
    // The library takes a plus sign, too.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(&word[..word.len().min(REPEATED_BYTES_MAX)]).into_owned()
}
