//! `COMMAND GETKEYS` and `COMMAND GETKEYSANDFLAGS`: which arguments of a command are keys, and what it does to them.

use std::{iter::StepBy, ops::Range};

use naru_resp::{Command, parse_integer};

use super::{
    Context, Outcome, Refusal,
    table::{self, Called, Entry},
};

/// The arguments of a whole command that are keys.
pub(super) fn getkeys(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (_, keys) = keys(command)?;
    context.reply(|writer| {
        writer.array(keys.len());
        keys.iter().for_each(|key| writer.bulk(key));
    })
}

/// The same, each with what is done to it.
pub(super) fn getkeys_and_flags(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (entry, keys) = keys(command)?;
    let whole = command.without_first(2);
    context.reply(|writer| {
        writer.array(keys.len());
        for (number, key) in keys.into_iter().enumerate() {
            let flags =
                access(entry, entry.called_or_itself(&whole.as_command()), Some(&whole.as_command()), number);
            writer.array(2);
            writer.bulk(key);
            writer.set(flags.len());
            flags.iter().for_each(|flag| writer.simple(flag));
        }
    })
}

/// The command behind `COMMAND GETKEYS`, and its keys.
fn keys<'a>(command: &Command<'a>) -> Result<(&'static Entry, Vec<&'a [u8]>), Refusal> {
    let whole = command.without_first(2);
    let whole = whole.as_command();
    let exists = |entry: &&Entry| {
        entry.subcommands.is_empty() || whole.get(1).is_none_or(|name| entry.subcommand(name).is_some())
    };
    let entry = table::find(whole.name()).filter(exists);
    let entry = entry.ok_or_else(|| Refusal::from("ERR Invalid command specified"))?;
    if !has_keys(entry, &whole) {
        return Err("ERR The command has no key arguments".into());
    }
    if !entry.arity.accepts(whole.len()) {
        return Err("ERR Invalid number of arguments specified for command".into());
    }
    let places = key_places(entry, &whole)
        .ok_or_else(|| Refusal::from("ERR Invalid arguments specified for command"))?;
    Ok((entry, places.filter_map(|place| command.get(2 + place)).collect()))
}

/// Whether some of its arguments are keys. What SSUBSCRIBE and its like have is placed like keys in a cluster, but is
/// none.
fn has_keys(entry: &Entry, command: &Command<'_>) -> bool {
    let (first, ..) = entry.keys_of(entry.called_or_itself(command));
    entry.group != "pubsub" && first != 0 || entry.flags.contains(&"movablekeys")
}

/// Where the keys of a command are among its arguments; none if it is not built as it must be, and so will be refused.
pub(crate) fn key_places(entry: &Entry, command: &Command<'_>) -> Option<StepBy<Range<usize>>> {
    if !has_keys(entry, command) {
        return Some((0..0).step_by(1));
    }
    match entry.name {
        "xread" | "xreadgroup" => {
            // A group may be called so.
            let from = if entry.name == "xread" { 1 } else { 4 };
            let is_it = |word: &[u8]| word.eq_ignore_ascii_case(b"streams");
            let streams = command.iter().skip(from).position(is_it)? + from + 1;
            return Some((streams..streams + (command.len() - streams) / 2).step_by(1));
        }
        _ => {}
    }
    if let Some(counted) = count_of_keys(entry) {
        let count = parse_integer(command.get(counted)?).and_then(|count| usize::try_from(count).ok())?;
        let first = counted + 1;
        let end = first.checked_add(count).filter(|end| count > 0 && *end <= command.len())?;
        return Some((first..end).step_by(1));
    }
    let (first, last, step) = entry.keys_of(entry.called_or_itself(command));
    let last = if last < 0 { command.len() as i64 + last } else { last };
    let place = |number: i64| usize::try_from(number).unwrap_or(0);
    Some((place(first)..place(last + 1)).step_by(place(step).max(1)))
}

/// Where it is said how many keys follow, if it is.
fn count_of_keys(entry: &Entry) -> Option<usize> {
    match entry.name {
        "lmpop" => Some(1),
        "blmpop" => Some(2),
        _ => None,
    }
}

/// What is done to a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyAccess {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

impl KeyAccess {
    /// What a command does to one of its keys, counted from 0. As in Redis, whether there is one, and of what kind, is
    /// not read from it.
    pub(crate) fn of(entry: &Entry, command: &Command<'_>, key: usize) -> Self {
        let flags = access(entry, entry.called_or_itself(command), Some(command), key);
        KeyAccess { reads: flags.contains(&"access"), writes: flags.first() != Some(&"RO") }
    }

    /// Whether all of `wanted` is in it.
    pub(crate) fn covers(self, wanted: Self) -> bool {
        (self.reads || !wanted.reads) && (self.writes || !wanted.writes)
    }

    /// Both together.
    pub(crate) fn or(self, other: Self) -> Self {
        KeyAccess { reads: self.reads || other.reads, writes: self.writes || other.writes }
    }
}

/// What a command or subcommand does to one of its keys, which are counted from 0, in the words of Redis's key
/// specifications; without a command, what it may do.
pub(super) fn access(
    entry: &Entry,
    called: Called,
    command: Option<&Command<'_>>,
    key: usize,
) -> &'static [&'static str] {
    match (called.name, key) {
        ("del" | "unlink", _) => &["RM", "delete"],
        ("copy", 0) => &["RO", "access"],
        ("rename" | "renamenx", 0) => &["RW", "access", "delete"],
        ("rename" | "copy", _) | ("setex" | "psetex" | "mset", _) => &["OW", "update"],
        ("renamenx", _) | ("setnx" | "msetnx", _) => &["OW", "insert"],
        ("expire" | "pexpire" | "expireat" | "pexpireat" | "persist", _) => &["RW", "update"],
        ("set", _) if command.is_none_or(reads_old_value) => &["RW", "access", "update"],
        ("set", _) => &["OW", "update"],
        ("getset" | "getex" | "incr" | "decr" | "incrby" | "decrby" | "incrbyfloat", _) => {
            &["RW", "access", "update"]
        }
        ("getdel" | "lpop" | "rpop" | "lmpop" | "blpop" | "brpop" | "blmpop", _) => {
            &["RW", "access", "delete"]
        }
        ("lmove" | "blmove" | "rpoplpush" | "brpoplpush", 0) => &["RW", "access", "delete"],
        ("lmove" | "blmove" | "rpoplpush" | "brpoplpush", _) => &["RW", "insert"],
        ("append" | "lpush" | "rpush" | "lpushx" | "rpushx" | "linsert", _) => &["RW", "insert"],
        ("lrem" | "ltrim", _) => &["RW", "delete"],
        ("setrange" | "lset", _) => &["RW", "update"],
        ("xadd" | "xack" | "xclaim" | "xsetid" | "xgroup" | "xgroup|setid", _) => &["RW", "update"],
        ("xtrim" | "xdel" | "xautoclaim" | "xgroup|destroy" | "xgroup|delconsumer", _) => &["RW", "delete"],
        ("xgroup|create" | "xgroup|createconsumer", _) => &["RW", "insert"],
        ("xreadgroup", _) => &["RO", "access"],
        ("exists" | "type" | "touch" | "strlen" | "llen" | "xlen", _) => &["RO"],
        _ if matches!(entry.name, "object" | "memory") => &["RO"],
        _ if entry.is_write() => &["RW"],
        _ if matches!(entry.group, "generic" | "list" | "stream" | "string") => &["RO", "access"],
        _ => &["RO"],
    }
}

/// Whether SET answers what was there before.
fn reads_old_value(command: &Command<'_>) -> bool {
    command.iter().skip(3).any(|option| option.eq_ignore_ascii_case(b"get"))
}
