use std::collections::BTreeMap;

use naru_resp::Command;

use super::rule::{BadRule, has_spaces};
use crate::command::{Called, Category, Entry, all_called, called_count, find};

/// Which commands somebody may run, and the rules that say so.
///
/// The rules are remembered as they were given. Redis 7.0 instead guesses them from the bits; but its table has other
/// commands than ours, and a category guessed where a command was meant (`+@blocking` for `+xread`) would allow more as
/// soon as a later version has more in it. Redis 7.2 remembers them as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commands {
    /// A bit for everything that can be called, by number.
    allowed: Box<[u64]>,
    /// Nothing was taken away since `+@all`.
    all: bool,
    /// It began with `+@all`, so commands of later versions are allowed too.
    begins_with_all: bool,
    /// Commands allowed with these first arguments only, by number (`+select|0`).
    first_arguments: BTreeMap<usize, Vec<Box<[u8]>>>,
    /// What was said since the last `+@all` or `-@all`, without what was overruled.
    given: Vec<Given>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    allow: bool,
    /// A command, subcommand, first argument, or category.
    what: String,
}

/// What the name in a rule stands for.
struct Named {
    entry: &'static Entry,
    subcommand: Option<usize>,
}

impl Named {
    /// `command` or `command|subcommand`, in any case.
    fn parse(name: &str) -> Result<Named, BadRule> {
        let (command, subcommand) = match name.split_once('|') {
            Some((command, subcommand)) => (command, Some(subcommand)),
            None => (name, None),
        };
        let entry = find(command.as_bytes()).ok_or(BadRule::Unknown)?;
        let place = |name: &str| entry.subcommand(name.as_bytes()).ok_or(BadRule::Unknown);
        Ok(Named { entry, subcommand: subcommand.map(place).transpose()? })
    }

    /// The numbers that it is about; those of its subcommands too.
    fn numbers(&self) -> std::ops::RangeInclusive<usize> {
        let number = self.entry.itself().number;
        match self.subcommand {
            Some(at) => number + 1 + at..=number + 1 + at,
            None => number..=number + self.entry.subcommands.len(),
        }
    }
}

impl Commands {
    pub(super) fn none() -> Self {
        Commands {
            allowed: vec![0; called_count().div_ceil(64)].into(),
            all: false,
            begins_with_all: false,
            first_arguments: BTreeMap::new(),
            given: Vec::new(),
        }
    }

    /// `+@all` and `-@all`
    pub(super) fn reset(&mut self, allow: bool) {
        *self = Commands {
            allowed: vec![if allow { u64::MAX } else { 0 }; self.allowed.len()].into(),
            all: allow,
            begins_with_all: allow,
            ..Commands::none()
        };
    }

    /// Takes what stands behind a `+` or a `-`.
    pub(super) fn apply(&mut self, allow: bool, what: &[u8]) -> Result<(), BadRule> {
        if what.eq_ignore_ascii_case(b"@all") {
            self.reset(allow);
            return Ok(());
        }
        let what = str::from_utf8(what).map_err(|_| BadRule::Unknown)?;
        if let Some(category) = what.strip_prefix('@') {
            let category = Category::named(category.as_bytes()).ok_or(BadRule::Unknown)?;
            for called in all_called().filter(|called| category.holds(*called)) {
                self.change(called.number, allow);
            }
        } else if let Some((command, argument)) = what.rsplit_once('|').filter(|_| allow) {
            return self.allow_part(what, command, argument);
        } else {
            for number in Named::parse(what)?.numbers() {
                self.change(number, allow);
            }
        }
        self.give(allow, what.to_ascii_lowercase());
        Ok(())
    }

    /// `+command|subcommand`, or with the first argument of a command that has no subcommands.
    fn allow_part(&mut self, what: &str, command: &str, argument: &str) -> Result<(), BadRule> {
        let named = Named::parse(command)?;
        if named.subcommand.is_some() {
            return Err(BadRule::ArgumentOfSubcommand);
        }
        if argument.is_empty() || has_spaces(argument.as_bytes()) {
            return Err(BadRule::Syntax);
        }
        if !named.entry.subcommands.is_empty() {
            for number in Named::parse(what)?.numbers() {
                self.change(number, true);
            }
            self.give(true, what.to_ascii_lowercase());
            return Ok(());
        }
        let arguments = self.first_arguments.entry(named.entry.itself().number).or_default();
        if !arguments.iter().any(|known| known.eq_ignore_ascii_case(argument.as_bytes())) {
            arguments.push(argument.as_bytes().into());
            self.give(true, format!("{}|{argument}", named.entry.name));
        }
        Ok(())
    }

    fn change(&mut self, number: usize, allow: bool) {
        let bit = 1 << (number % 64);
        if allow {
            self.allowed[number / 64] |= bit;
        } else {
            self.allowed[number / 64] &= !bit;
            self.all = false;
        }
        self.first_arguments.remove(&number);
    }

    /// Remembers a rule instead of those of its subject or of a part of that.
    fn give(&mut self, allow: bool, what: String) {
        let is_overruled = |old: &Given| {
            old.what.strip_prefix(&what).is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        };
        self.given.retain(|old| !is_overruled(old));
        self.given.push(Given { allow, what });
    }

    /// Whether there is nothing that it forbids.
    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    pub(super) fn allow(&self, called: Called, command: &Command<'_>) -> bool {
        let bit = self.allowed[called.number / 64] >> (called.number % 64) & 1;
        bit == 1 || self.allow_argument(called, command)
    }

    #[cold]
    fn allow_argument(&self, called: Called, command: &Command<'_>) -> bool {
        let arguments = self.first_arguments.get(&called.number);
        command.get(1).is_some_and(|first| {
            arguments.is_some_and(|known| known.iter().any(|known| known.eq_ignore_ascii_case(first)))
        })
    }

    /// The rules that lead here from nothing.
    pub(super) fn describe(&self) -> String {
        let mut text = String::from(if self.begins_with_all { "+@all" } else { "-@all" });
        for Given { allow, what } in &self.given {
            text.extend([if *allow { " +" } else { " -" }, what]);
        }
        text
    }
}
