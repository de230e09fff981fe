use bytes::Bytes;
use naru_resp::Command;

use super::{
    Context, Outcome, Refusal,
    arguments::{Arguments, integer, syntax_error, wrong_number},
};
use crate::{
    keeper::{Deadline, Existing, Expiry, NoTime, Op, SetOp, TextOp},
    strings::LongDouble,
};

fn bytes(command: &Command<'_>, at: usize) -> Bytes {
    Bytes::copy_from_slice(command.arg(at))
}

fn keep(context: &Context<'_>, op: TextOp) -> Outcome {
    context.keep(Op::Text(op))
}

pub(super) fn get(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, TextOp::Get(bytes(command, 1)))
}

pub(super) fn mget(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, TextOp::GetSeveral(command.iter().skip(1).map(Bytes::copy_from_slice).collect()))
}

pub(super) fn getdel(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, TextOp::GetAndDelete(bytes(command, 1)))
}

/// `GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]`
pub(super) fn getex(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let key = Bytes::copy_from_slice(arguments.next()?);
    let (mut time, mut persists) = (None, false);
    while arguments.left() > 0 {
        if time.is_none() && arguments.takes("persist") {
            persists = true;
        } else if persists {
            return Err(syntax_error());
        } else {
            time = Some(Time::next(&mut arguments, time)?);
        }
    }
    let expiry = match time {
        None => Ok(persists.then_some(Expiry::Stays)),
        Some(time) => match time.deadline("getex") {
            Ok(deadline) => Ok(Some(Expiry::Goes(deadline))),
            Err(refusal) => Err(NoTime(refusal.text().into())),
        },
    };
    keep(context, TextOp::GetAndExpire { key, expiry })
}

/// `SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds |
/// KEEPTTL]`
pub(super) fn set(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let mut arguments = Arguments::of(command);
    let (key, value) = (arguments.next()?, arguments.next()?);
    let mut op = plain(key, value, "set");
    let mut time = None;
    while arguments.left() > 0 {
        if op.only_if != Some(Existing::There) && arguments.takes("nx") {
            op.only_if = Some(Existing::NotThere);
        } else if op.only_if != Some(Existing::NotThere) && arguments.takes("xx") {
            op.only_if = Some(Existing::There);
        } else if arguments.takes("get") {
            op.get = true;
        } else if time.is_none() && arguments.takes("keepttl") {
            op.expiry = Expiry::Kept;
        } else if op.expiry == Expiry::Kept {
            return Err(syntax_error());
        } else {
            time = Some(Time::next(&mut arguments, time)?);
        }
    }
    if let Some(time) = time {
        op.expiry = Expiry::Goes(time.deadline("set")?);
    }
    keep(context, TextOp::Set(op))
}

fn plain(key: &[u8], value: &[u8], command: &'static str) -> SetOp {
    let [key, value] = [key, value].map(Bytes::copy_from_slice);
    SetOp { key, value, expiry: Expiry::Stays, only_if: None, get: false, in_numbers: false, command }
}

pub(super) fn setnx(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let op = plain(command.arg(1), command.arg(2), "setnx");
    keep(context, TextOp::Set(SetOp { only_if: Some(Existing::NotThere), in_numbers: true, ..op }))
}

pub(super) fn setex(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    set_and_expire(context, command, Unit::Seconds, "setex")
}

pub(super) fn psetex(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    set_and_expire(context, command, Unit::Millis, "psetex")
}

fn set_and_expire(context: &Context<'_>, command: &Command<'_>, unit: Unit, name: &'static str) -> Outcome {
    let expiry = Expiry::Goes(Time { unit, number: command.arg(2) }.deadline(name)?);
    keep(context, TextOp::Set(SetOp { expiry, ..plain(command.arg(1), command.arg(3), name) }))
}

pub(super) fn getset(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, TextOp::Set(SetOp { get: true, ..plain(command.arg(1), command.arg(2), "getset") }))
}

pub(super) fn mset(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    set_several(context, command, false, "mset")
}

pub(super) fn msetnx(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    set_several(context, command, true, "msetnx")
}

fn set_several(context: &Context<'_>, command: &Command<'_>, only_new: bool, name: &str) -> Outcome {
    if command.len().is_multiple_of(2) {
        return Err(wrong_number(name));
    }
    let pairs =
        (1..command.len()).step_by(2).map(|at| (bytes(command, at), bytes(command, at + 1))).collect();
    keep(context, TextOp::SetSeveral { pairs, only_new })
}

pub(super) fn incr(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    add(context, command, 1)
}

pub(super) fn decr(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    add(context, command, -1)
}

pub(super) fn incrby(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    add(context, command, integer(command.arg(2))?)
}

pub(super) fn decrby(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let number = integer(command.arg(2))?.checked_neg();
    add(context, command, number.ok_or_else(|| Refusal::from("ERR decrement would overflow"))?)
}

fn add(context: &Context<'_>, command: &Command<'_>, number: i64) -> Outcome {
    keep(context, TextOp::Add { key: bytes(command, 1), number })
}

pub(super) fn incrbyfloat(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let number = LongDouble::parse(command.arg(2));
    keep(context, TextOp::AddReal { key: bytes(command, 1), number })
}

pub(super) fn append(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, TextOp::Append { key: bytes(command, 1), bytes: bytes(command, 2) })
}

pub(super) fn strlen(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    keep(context, TextOp::Len(bytes(command, 1)))
}

pub(super) fn getrange(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let range = (integer(command.arg(2))?, integer(command.arg(3))?);
    keep(context, TextOp::Range { key: bytes(command, 1), range })
}

pub(super) fn setrange(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let offset = usize::try_from(integer(command.arg(2))?);
    let offset = offset.map_err(|_| Refusal::from("ERR offset is out of range"))?;
    keep(context, TextOp::Write { key: bytes(command, 1), offset, bytes: bytes(command, 3) })
}

/// How the time is given when something goes away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Millis,
    UnixSeconds,
    UnixMillis,
}

/// A unit, and the number behind it.
#[derive(Clone, Copy)]
struct Time<'a> {
    unit: Unit,
    number: &'a [u8],
}

impl<'a> Time<'a> {
    /// Takes the next one. Behind one `before` it, only the same unit may come again; the last counts.
    fn next(arguments: &mut Arguments<'_, 'a>, before: Option<Self>) -> Result<Self, Refusal> {
        let units = [
            ("ex", Unit::Seconds),
            ("px", Unit::Millis),
            ("exat", Unit::UnixSeconds),
            ("pxat", Unit::UnixMillis),
        ];
        let taken = units.into_iter().find(|(word, _)| arguments.takes(word));
        let (_, unit) = taken.ok_or_else(syntax_error)?;
        if before.is_some_and(|before| before.unit != unit) {
            return Err(syntax_error());
        }
        Ok(Time { unit, number: arguments.next()? })
    }

    fn deadline(self, command: &str) -> Result<Deadline, Refusal> {
        let number = integer(self.number)?;
        let factor = if matches!(self.unit, Unit::Seconds | Unit::UnixSeconds) { 1000 } else { 1 };
        let millis = number.checked_mul(factor).filter(|millis| *millis > 0);
        let millis =
            millis.ok_or_else(|| Refusal::from(format!("ERR invalid expire time in '{command}' command")))?;
        Ok(match self.unit {
            Unit::Seconds | Unit::Millis => Deadline::After(millis),
            Unit::UnixSeconds | Unit::UnixMillis => Deadline::At(millis),
        })
    }
}
