//! `COMMAND GETKEYS` and `COMMAND GETKEYSANDFLAGS`: which arguments of a command are keys, and what it does to them.

use naru_resp::Command;

use super::{
    Context, Outcome, Refusal,
    table::{self, Entry},
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
    let flags = access(entry);
    context.reply(|writer| {
        writer.array(keys.len());
        for key in keys {
            writer.array(2);
            writer.bulk(key);
            writer.set(flags.len());
            flags.iter().for_each(|flag| writer.simple(flag));
        }
    })
}

/// The command behind `COMMAND GETKEYS`, and its keys.
fn keys<'a>(command: &Command<'a>) -> Result<(&'static Entry, Vec<&'a [u8]>), Refusal> {
    let words: Vec<&[u8]> = command.iter().skip(2).collect();
    let exists = |entry: &&Entry| {
        entry.subcommands.is_empty() || words.get(1).is_none_or(|name| entry.subcommand(name).is_some())
    };
    let entry = table::find(command.arg(2)).filter(exists);
    let entry = entry.ok_or_else(|| Refusal::from("ERR Invalid command specified"))?;
    // What SSUBSCRIBE and its like have is placed like keys in a cluster, but is none.
    let is_xread = entry.name == "xread";
    if entry.group == "pubsub" || entry.keys.0 == 0 && !is_xread {
        return Err("ERR The command has no key arguments".into());
    }
    if !entry.arity.accepts(words.len()) {
        return Err("ERR Invalid number of arguments specified for command".into());
    }
    if is_xread {
        let streams = words.iter().position(|word| word.eq_ignore_ascii_case(b"streams"));
        let streams =
            streams.ok_or_else(|| Refusal::from("ERR Invalid arguments specified for command"))? + 1;
        let count = (words.len() - streams) / 2;
        return Ok((entry, words[streams..streams + count].to_vec()));
    }
    let (first, last, step) = entry.keys;
    let last = if last < 0 { words.len() as i64 + last } else { last };
    let places = (first..=last).step_by(usize::try_from(step).unwrap_or(1).max(1));
    Ok((entry, places.filter_map(|place| words.get(place as usize).copied()).collect()))
}

/// What a command does to its keys, in the words of Redis's key specifications.
fn access(entry: &Entry) -> &'static [&'static str] {
    match entry.name {
        "del" => &["RM", "delete"],
        "xadd" => &["RW", "update"],
        "xtrim" | "xdel" => &["RW", "delete"],
        "xrange" | "xrevrange" | "xread" => &["RO", "access"],
        _ if entry.is_write() => &["RW"],
        _ => &["RO"],
    }
}
