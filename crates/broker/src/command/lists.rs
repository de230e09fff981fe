use std::time::Duration;

use bytes::Bytes;
use naru_resp::Command;

use super::{
    Context, Outcome, Refusal,
    arguments::{Arguments, integer, integer_within, syntax_error, timeout_of, wrong_number},
    real::real,
};
use crate::{
    keeper::{ListOp, NoInteger, Op, Search},
    lists::End,
};

fn bytes(command: &Command<'_>, at: usize) -> Bytes {
    Bytes::copy_from_slice(command.arg(at))
}

fn keep(context: &Context<'_>, op: ListOp) -> Outcome {
    context.keep(Op::List(op))
}

pub(super) fn lpush(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    push(context, command, End::Left, true)
}

pub(super) fn rpush(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    push(context, command, End::Right, true)
}

pub(super) fn lpushx(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    push(context, command, End::Left, false)
}

pub(super) fn rpushx(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    push(context, command, End::Right, false)
}

fn push(context: &Context<'_>, command: &Command<'_>, end: End, create: bool) -> Outcome {
    let elements = command.iter().skip(2).map(Bytes::copy_from_slice).collect();
    keep(context, ListOp::Push { key: bytes(command, 1), end, elements, create })
}

pub(super) fn lpop(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    pop(context, command, End::Left, "lpop")
}

pub(super) fn rpop(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    pop(context, command, End::Right, "rpop")
}

/// `LPOP key [count]`
fn pop(context: &Context<'_>, command: &Command<'_>, end: End, name: &str) -> Outcome {
    if command.len() > 3 {
        return Err(wrong_number(name));
    }
    let count = command
        .get(2)
        .map(|count| at_least(count, 0, "ERR value is out of range, must be positive"))
        .transpose()?;
    keep(context, ListOp::Pop { key: bytes(command, 1), end, count })
}

/// `LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`
pub(super) fn lmpop(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (keys, end, count) = several(command, 1)?;
    keep(context, ListOp::PopAny { keys, end, count, block: None })
}

/// `BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`
pub(super) fn blmpop(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (keys, end, count) = several(command, 2)?;
    let block = Some(timeout(command.arg(1))?);
    context.keep_waiting(Op::List(ListOp::PopAny { keys, end, count, block }))
}

/// `numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`
fn several(command: &Command<'_>, at: usize) -> Result<(Vec<Bytes>, End, Option<usize>), Refusal> {
    let keys = at_least(command.arg(at), 1, "ERR numkeys should be greater than 0")?;
    let place =
        at.checked_add(1).and_then(|first| first.checked_add(keys)).filter(|end| *end < command.len());
    let place = place.ok_or_else(syntax_error)?;
    let end = end(command.arg(place))?;
    let mut arguments = Arguments::of(command);
    for _ in 0..place {
        arguments.next()?;
    }
    let mut count = None;
    while arguments.left() > 0 {
        if count.is_some() || !arguments.takes("count") {
            return Err(syntax_error());
        }
        count = Some(at_least(arguments.next()?, 1, "ERR count should be greater than 0")?);
    }
    let keys = command.iter().skip(at + 1).take(keys).map(Bytes::copy_from_slice).collect();
    Ok((keys, end, Some(count.unwrap_or(1))))
}

pub(super) fn blpop(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    blocking_pop(context, command, End::Left)
}

pub(super) fn brpop(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    blocking_pop(context, command, End::Right)
}

/// `BLPOP key [key ...] timeout`
fn blocking_pop(context: &Context<'_>, command: &Command<'_>, end: End) -> Outcome {
    let last = command.len() - 1;
    let block = Some(timeout(command.arg(last))?);
    let keys = command.iter().take(last).skip(1).map(Bytes::copy_from_slice).collect();
    context.keep_waiting(Op::List(ListOp::PopAny { keys, end, count: None, block }))
}

/// `LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>`
pub(super) fn lmove(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (from, to) = (end(command.arg(3))?, end(command.arg(4))?);
    keep(context, move_one(command, (from, to), None))
}

/// `BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout`
pub(super) fn blmove(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let ends = (end(command.arg(3))?, end(command.arg(4))?);
    let block = Some(timeout(command.arg(5))?);
    context.keep_waiting(Op::List(move_one(command, ends, block)))
}

pub(super) fn rpoplpush(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, move_one(command, (End::Right, End::Left), None))
}

/// `BRPOPLPUSH source destination timeout`
pub(super) fn brpoplpush(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let block = Some(timeout(command.arg(3))?);
    context.keep_waiting(Op::List(move_one(command, (End::Right, End::Left), block)))
}

fn move_one(command: &Command<'_>, (from, to): (End, End), block: Option<Option<Duration>>) -> ListOp {
    ListOp::Move { from: (bytes(command, 1), from), to: (bytes(command, 2), to), block }
}

pub(super) fn llen(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, ListOp::Len { key: bytes(command, 1) })
}

pub(super) fn lrange(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let range = (integer(command.arg(2))?, integer(command.arg(3))?);
    keep(context, ListOp::Range { key: bytes(command, 1), range })
}

pub(super) fn ltrim(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let range = (integer(command.arg(2))?, integer(command.arg(3))?);
    keep(context, ListOp::Trim { key: bytes(command, 1), range })
}

/// A number that is none is refused only where there is a list.
fn index(argument: &[u8]) -> Result<i64, NoInteger> {
    integer(argument).map_err(|_| NoInteger)
}

pub(super) fn lindex(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, ListOp::Index { key: bytes(command, 1), index: index(command.arg(2)) })
}

pub(super) fn lset(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let element = bytes(command, 3);
    keep(context, ListOp::Set { key: bytes(command, 1), index: index(command.arg(2)), element })
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub(super) fn lpos(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let (key, element) = (arguments.next()?, arguments.next()?);
    let mut search = Search { rank: 1, count: None, compared_max: 0 };
    while arguments.left() > 0 {
        if arguments.left() == 1 {
            return Err(syntax_error());
        }
        if arguments.takes("rank") {
            search.rank = integer_within(arguments.next()?, -i64::MAX..=i64::MAX)?;
            if search.rank == 0 {
                return Err("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                            negative to start from the end of the list"
                    .into());
            }
        } else if arguments.takes("count") {
            search.count = Some(at_least(arguments.next()?, 0, "ERR COUNT can't be negative")?);
        } else if arguments.takes("maxlen") {
            search.compared_max = at_least(arguments.next()?, 0, "ERR MAXLEN can't be negative")?;
        } else {
            return Err(syntax_error());
        }
    }
    let (key, element) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(element));
    keep(context, ListOp::Position { key, element, search })
}

/// `LREM key count element`
pub(super) fn lrem(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let count = integer(command.arg(2))?;
    keep(context, ListOp::Remove { key: bytes(command, 1), count, element: bytes(command, 3) })
}

/// `LINSERT key <BEFORE | AFTER> pivot element`
pub(super) fn linsert(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let before = match command.arg(2).to_ascii_lowercase().as_slice() {
        b"before" => true,
        b"after" => false,
        _ => return Err(syntax_error()),
    };
    let (pivot, element) = (bytes(command, 3), bytes(command, 4));
    keep(context, ListOp::Insert { key: bytes(command, 1), before, pivot, element })
}

fn end(argument: &[u8]) -> Result<End, Refusal> {
    match argument.to_ascii_lowercase().as_slice() {
        b"left" => Ok(End::Left),
        b"right" => Ok(End::Right),
        _ => Err(syntax_error()),
    }
}

fn at_least(argument: &[u8], least: i64, refusal: &str) -> Result<usize, Refusal> {
    let number = integer(argument).ok().filter(|number| *number >= least);
    number.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| refusal.into())
}

/// How long to wait, in seconds; for ever if that is none.
fn timeout(argument: &[u8]) -> Result<Option<Duration>, Refusal> {
    let seconds =
        real(argument).ok_or_else(|| Refusal::from("ERR timeout is not a float or out of range"))?;
    let millis = (seconds * 1000.0).ceil();
    if millis >= i64::MAX as f64 {
        return Err("ERR timeout is out of range".into());
    }
    let timeout = timeout_of(millis as i64)?;
    Ok((!timeout.is_zero()).then_some(timeout))
}
