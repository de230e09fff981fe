//! From a reply to an operation's answer.

use naru_ledger::answer::{
    Appended, Changed, Delivered, DeviceStanding, Followed, How, Member, Members, Open, Page, Pointer,
    PointerKind, Present, Resumed, Row, Rows, Standing, Traced, Unread, Written,
};
use naru_ledger::{Answer, Epoch, Follow, Level, Millis, Mode, Op, Role, Seq, Useq, Version};
use redis::Value;

use super::entry;
use crate::error::BusError;
use crate::reply::{self, Fields};

/// Reads the reply to an operation.
pub fn answer(op: &Op, value: Value) -> Result<Answer, BusError> {
    Ok(match op {
        Op::Append(_) | Op::Edit(_) | Op::Delete(_) | Op::Send(_) => Answer::Appended(sent(value)?),
        Op::Deliver(_) => Answer::Delivered(reply::each(value, delivered)?),
        Op::Done { .. } => Answer::Done(Seq(reply::number(value)?)),
        Op::Sweep(_) => Answer::Open(reply::each(value, open)?),
        Op::Resume(_) => Answer::Resumed(resumed(Fields::of(value)?)?),
        Op::Changed { .. } | Op::Conversations { .. } => {
            let mut fields = Fields::of(value)?;
            Answer::Rows(Rows { more: fields.flag()?, rows: fields.each(row)? })
        }
        Op::Ack(_) => Answer::Acked(Useq(reply::number(value)?)),
        Op::Read(_) => Answer::Unread(unread(Fields::of(value)?)?),
        Op::Mark { .. } => Answer::Marked(Seq(reply::number(value)?)),
        Op::History(_) => Answer::Page(page(Fields::of(value)?)?),
        Op::Membership(_) => Answer::Changed(changed(Fields::of(value)?)?),
        Op::Members { .. } => Answer::Members(members(Fields::of(value)?)?),
        Op::Server(_) | Op::Route { .. } | Op::Unroute { .. } => match reply::text(value)?.as_str() {
            "OK" => Answer::Ok,
            _ => return Err(reply::wrong("another word where OK belongs")),
        },
        Op::Presence { .. } => Answer::Present(reply::each(value, present)?),
        Op::Trace { .. } => Answer::Traced(traced(Fields::of(value)?)?),
        Op::Standing { .. } => Answer::Standing(standing(Fields::of(value)?)?),
    })
}

/// The answer to a message that was sent.
pub(crate) fn sent(value: Value) -> Result<Appended, BusError> {
    appended(Fields::of(value)?)
}

fn appended(mut fields: Fields) -> Result<Appended, BusError> {
    Ok(Appended {
        seq: Seq(fields.number()?),
        at: Millis(fields.number()?),
        prev: Seq(fields.number()?),
        count: fields.number()?,
        repeat: fields.flag()?,
        version: Version(fields.number()?),
        mode: fields.parsed(Mode::parse)?,
        level: fields.parsed(Level::parse)?,
    })
}

/// One inbox that an entry has come into.
pub(crate) fn delivered(mut fields: Fields) -> Result<Delivered, BusError> {
    Ok(Delivered {
        user: fields.name()?,
        useq: Useq(fields.number()?),
        after: Seq(fields.number()?),
        servers: fields.names()?,
    })
}

fn open(mut fields: Fields) -> Result<Open, BusError> {
    Ok(Open {
        conversation: fields.conversation()?,
        from: Seq(fields.number()?),
        to: Seq(fields.number()?),
        version: Version(fields.number()?),
    })
}

fn resumed(mut fields: Fields) -> Result<Resumed, BusError> {
    Ok(Resumed {
        epoch: fields.parsed(Epoch::parse)?,
        cursor: Useq(fields.number()?),
        head: Useq(fields.number()?),
        start: Useq(fields.number()?),
        how: fields.parsed(How::parse)?,
        more: fields.flag()?,
        pointers: fields.each(pointer)?,
        channels: fields.each(followed)?,
    })
}

fn pointer(mut fields: Fields) -> Result<Pointer, BusError> {
    Ok(Pointer {
        useq: Useq(fields.number()?),
        conversation: fields.conversation()?,
        after: Seq(fields.number()?),
        seq: Seq(fields.number()?),
        kind: fields.parsed(PointerKind::parse)?,
    })
}

fn followed(mut fields: Fields) -> Result<Followed, BusError> {
    Ok(Followed { conversation: fields.conversation()?, read: fields.number()? })
}

fn row(mut fields: Fields) -> Result<Row, BusError> {
    Ok(Row {
        conversation: fields.conversation()?,
        from: Seq(fields.number()?),
        head: Seq(fields.number()?),
        count: fields.number()?,
        read: fields.number()?,
        mentions: fields.number()?,
        useq: Useq(fields.number()?),
        follow: fields.parsed(Follow::parse)?,
    })
}

fn unread(mut fields: Fields) -> Result<Unread, BusError> {
    Ok(Unread {
        useq: Useq(fields.number()?),
        count: fields.number()?,
        read: fields.number()?,
        mentions: fields.number()?,
        follow: fields.parsed(Follow::parse)?,
    })
}

fn page(mut fields: Fields) -> Result<Page, BusError> {
    let (trimmed, head) = (Seq(fields.number()?), Seq(fields.number()?));
    let more = fields.flag()?;
    let entries = fields.list()?.into_iter().map(entry::read).collect::<Result<_, _>>()?;
    Ok(Page { trimmed, head, more, entries })
}

fn changed(mut fields: Fields) -> Result<Changed, BusError> {
    let version = Version(fields.number()?);
    let (seq, is_written) = (Seq(fields.number()?), fields.flag()?);
    let (at, prev, count) = (Millis(fields.number()?), Seq(fields.number()?), fields.number()?);
    let mode = fields.parsed(Mode::parse)?;
    let switched = Some(Seq(fields.number()?)).filter(|switched| *switched > Seq::ZERO);
    let written = is_written.then_some(Written { seq, at, prev, count, switched });
    Ok(Changed { version, mode, written })
}

fn members(mut fields: Fields) -> Result<Members, BusError> {
    Ok(Members {
        version: Version(fields.number()?),
        mode: fields.parsed(Mode::parse)?,
        more: fields.flag()?,
        members: fields.each(member)?,
    })
}

fn member(mut fields: Fields) -> Result<Member, BusError> {
    Ok(Member {
        user: fields.name()?,
        role: fields.parsed(Role::parse)?,
        since: Seq(fields.number()?),
        read: Seq(fields.number()?),
    })
}

fn present(mut fields: Fields) -> Result<Present, BusError> {
    Ok(Present { user: fields.name()?, servers: fields.names()? })
}

fn traced(mut fields: Fields) -> Result<Traced, BusError> {
    let (head, fanned_out, trimmed) = (fields.number()?, fields.number()?, fields.number()?);
    Ok(Traced {
        head: Seq(head),
        fanned_out: Seq(fanned_out),
        trimmed: Seq(trimmed),
        version: Version(fields.number()?),
        mode: fields.parsed(Mode::parse)?,
        done: fields.flag()?,
        entry: fields.optional()?.map(entry::read).transpose()?,
    })
}

fn standing(mut fields: Fields) -> Result<Standing, BusError> {
    Ok(Standing {
        epoch: fields.parsed(Epoch::parse)?,
        head: Useq(fields.number()?),
        ring: Useq(fields.number()?),
        row: fields.optional()?.map(|value| row(Fields::of(value)?)).transpose()?,
        devices: fields.each(device)?,
        servers: fields.names()?,
    })
}

fn device(mut fields: Fields) -> Result<DeviceStanding, BusError> {
    Ok(DeviceStanding {
        device: fields.name()?,
        cursor: Useq(fields.number()?),
        seen: Millis(fields.number()?),
        from: Seq(fields.number()?),
    })
}
