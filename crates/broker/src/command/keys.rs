use bytes::Bytes;
use naru_resp::Command;

use super::{
    Context, Outcome, Refusal,
    arguments::{Arguments, database, integer, repeating, syntax_error, unknown_subcommand},
};
use crate::keeper::{Condition, Deadline, KeyOp, Op, Scan};

pub(super) const OBJECT_SUBCOMMANDS: &[&str] =
    &["object|encoding", "object|freq", "object|help", "object|idletime", "object|refcount"];

const OBJECT_HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

const NO_FREQUENCY: &str = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
                            when switching between policies at runtime LRU and LFU data will take some time to adjust.";

fn key(command: &Command<'_>) -> Bytes {
    Bytes::copy_from_slice(command.arg(1))
}

fn keep(context: &Context<'_>, op: KeyOp) -> Outcome {
    context.keep(Op::Keys(op))
}

pub(super) fn del(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Delete(all_keys(command)))
}

pub(super) fn exists(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Exists(all_keys(command)))
}

pub(super) fn kind(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Type(key(command)))
}

fn all_keys(command: &Command<'_>) -> Vec<Bytes> {
    command.iter().skip(1).map(Bytes::copy_from_slice).collect()
}

pub(super) fn expire(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    expire_at(context, command, "expire", |seconds| Some(Deadline::After(seconds.checked_mul(1000)?)))
}

pub(super) fn pexpire(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    expire_at(context, command, "pexpire", |millis| Some(Deadline::After(millis)))
}

pub(super) fn expireat(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    expire_at(context, command, "expireat", |seconds| Some(Deadline::At(seconds.checked_mul(1000)?)))
}

pub(super) fn pexpireat(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    expire_at(context, command, "pexpireat", |millis| Some(Deadline::At(millis)))
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
fn expire_at(
    context: &Context<'_>,
    command: &Command<'_>,
    name: &'static str,
    deadline: impl Fn(i64) -> Option<Deadline>,
) -> Outcome {
    let mut condition = Condition::default();
    for option in command.iter().skip(3) {
        let flag = match option.to_ascii_lowercase().as_slice() {
            b"nx" => &mut condition.stays,
            b"xx" => &mut condition.goes,
            b"gt" => &mut condition.earlier,
            b"lt" => &mut condition.later,
            _ => return Err(repeating("ERR Unsupported option ", option, "")),
        };
        *flag = true;
    }
    if condition.stays && (condition.goes || condition.earlier || condition.later) {
        return Err("ERR NX and XX, GT or LT options at the same time are not compatible".into());
    }
    if condition.earlier && condition.later {
        return Err("ERR GT and LT options at the same time are not compatible".into());
    }
    let deadline = deadline(integer(command.arg(2))?)
        .ok_or_else(|| Refusal::from(format!("ERR invalid expire time in '{name}' command")))?;
    keep(context, KeyOp::Expire { key: key(command), deadline, condition, command: name })
}

pub(super) fn ttl(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Expiry { key: key(command), from_now: true, in_millis: false })
}

pub(super) fn pttl(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Expiry { key: key(command), from_now: true, in_millis: true })
}

pub(super) fn expiretime(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Expiry { key: key(command), from_now: false, in_millis: false })
}

pub(super) fn pexpiretime(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Expiry { key: key(command), from_now: false, in_millis: true })
}

pub(super) fn persist(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Persist(key(command)))
}

pub(super) fn rename(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    rename_to(context, command, true)
}

pub(super) fn renamenx(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    rename_to(context, command, false)
}

fn rename_to(context: &Context<'_>, command: &Command<'_>, replace: bool) -> Outcome {
    let to = Bytes::copy_from_slice(command.arg(2));
    keep(context, KeyOp::Rename { from: key(command), to, replace })
}

/// `COPY source destination [DB destination-db] [REPLACE]`
pub(super) fn copy(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let (from, to) = (arguments.next()?, arguments.next()?);
    let mut replace = false;
    while arguments.left() > 0 {
        if arguments.takes("replace") {
            replace = true;
        } else if arguments.takes_before_value("db") {
            database(arguments.next()?)?;
        } else {
            return Err(syntax_error());
        }
    }
    if from == to {
        return Err("ERR source and destination objects are the same".into());
    }
    let [from, to] = [from, to].map(Bytes::copy_from_slice);
    keep(context, KeyOp::Copy { from, to, replace })
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let mut scan = Scan { cursor: cursor(arguments.next()?)?, pattern: None, count: 10, kind: None };
    while arguments.left() > 0 {
        if arguments.left() == 1 {
            return Err(syntax_error());
        }
        if arguments.takes("count") {
            let count = arguments.next_integer()?;
            scan.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(syntax_error)?;
        } else if arguments.takes("match") {
            scan.pattern = Some(Bytes::copy_from_slice(arguments.next()?));
        } else if arguments.takes("type") {
            scan.kind = Some(Bytes::copy_from_slice(arguments.next()?));
        } else {
            return Err(syntax_error());
        }
    }
    keep(context, KeyOp::Scan(scan))
}

/// As `strtoul` reads it: a sign may come first, and what is negative is beyond all keys.
fn cursor(argument: &[u8]) -> Result<u64, Refusal> {
    let invalid = || Refusal::from("ERR invalid cursor");
    let digits = argument.strip_prefix(b"+").or(argument.strip_prefix(b"-")).unwrap_or(argument);
    let text = str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = match text {
        // It reads nothing, and that is 0.
        Some("") if argument.is_empty() => 0,
        Some(text) => text.parse::<u64>().map_err(|_| invalid())?,
        None => return Err(invalid()),
    };
    Ok(if argument.starts_with(b"-") { number.wrapping_neg() } else { number })
}

pub(super) fn keys(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Matching(key(command)))
}

pub(super) fn dbsize(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Count)
}

pub(super) fn randomkey(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    keep(context, KeyOp::Random)
}

/// `FLUSHALL [ASYNC | SYNC]`. Memory is given back by another thread in either case.
pub(super) fn flush(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let is_known = |word: &[u8]| word.eq_ignore_ascii_case(b"async") || word.eq_ignore_ascii_case(b"sync");
    if command.len() > 2 || !command.get(1).is_none_or(is_known) {
        return Err(syntax_error());
    }
    context.keep(Op::Flush)
}

/// Nothing is noted of how often, or when, a key was read, and a value belongs to one key.
pub(super) fn object(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let key = || Bytes::copy_from_slice(command.get(2).unwrap_or_default());
    match command.arg(1).to_ascii_lowercase().as_slice() {
        b"encoding" => keep(context, KeyOp::Encoding(key())),
        b"freq" => keep(context, KeyOp::Refuse(key(), NO_FREQUENCY)),
        b"idletime" => keep(context, KeyOp::Number(key(), 0)),
        b"refcount" => keep(context, KeyOp::Number(key(), 1)),
        b"help" => context.help(OBJECT_HELP),
        _ => Err(unknown_subcommand("OBJECT", command.arg(1))),
    }
}
