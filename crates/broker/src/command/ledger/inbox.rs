//! A device's place in its user's inbox, and what the user has read.

use naru_ledger::op::{Ack, Read, Resume, Within};
use naru_ledger::{Device, Epoch, Op, Position, Seq, Useq};
use naru_resp::Command;

use super::words::Words;
use crate::command::Refusal;

pub(super) fn resume(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let (user, device) = (words.user()?, device(&mut words)?);
    let epoch = words.parsed_or_none("an epoch", Epoch::parse)?;
    let useq = Useq(words.number("the offset")?);
    let from = epoch.map(|epoch| Position { epoch, useq });
    Ok(Op::Resume(Resume { user, device, from, limit: words.limit("the limit")? }))
}

pub(super) fn changed(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let (user, device) = (words.user()?, device(&mut words)?);
    Ok(Op::Changed { user, device, after: Useq(words.number("after")?), limit: words.limit("the limit")? })
}

pub(super) fn conversations(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let user = words.user()?;
    let before = Some(Useq(words.number("before")?)).filter(|before| *before > Useq::ZERO);
    Ok(Op::Conversations { user, before, limit: words.limit("the limit")? })
}

pub(super) fn ack(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let (user, device) = (words.user()?, device(&mut words)?);
    let useq = Useq(words.number("the offset")?);
    let mut within = None;
    if words.takes("WITHIN") {
        let conversation = words.conversation()?;
        within = Some(Within { conversation, seq: Seq(words.number("the entry's number")?) });
    }
    if words.left() > 0 {
        return Err(words.unknown("WITHIN, a conversation and a number, once"));
    }
    Ok(Op::Ack(Ack { user, device, useq, within }))
}

pub(super) fn read(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    Ok(Op::Read(Read {
        user: words.user()?,
        conversation: words.conversation()?,
        seq: Seq(words.number("the entry's number")?),
        count: words.number("the entry's count")?,
    }))
}

pub(super) fn standing(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    Ok(Op::Standing { user: words.user()?, conversation: words.conversation()? })
}

fn device(words: &mut Words<'_, '_>) -> Result<Device, Refusal> {
    words.parsed("a device name", Device::parse)
}
