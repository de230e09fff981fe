//! What is stored of a conversation: its entries, and who takes part.

use naru_ledger::op::{Change, From, History, Membership, What};
use naru_ledger::{ClientId, Op, Role, Room, Seq, User};
use naru_resp::Command;

use super::words::Words;
use crate::command::Refusal;

pub(super) fn history(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let conversation = words.conversation()?;
    let reader = words.parsed_or_none("a user name", User::parse)?;
    let is_after = words.takes("AFTER");
    if !is_after && !words.takes("BEFORE") {
        return Err(words.unknown("BEFORE or AFTER"));
    }
    let from = match Seq(words.number("the entry's number")?) {
        seq if is_after => From::After(seq),
        Seq::ZERO => From::Newest,
        seq => From::Before(seq),
    };
    let limit = words.limit("the limit")?;
    let bytes = if words.left() > 0 { Some(words.limit("the number of bytes")?) } else { None };
    if words.left() > 0 {
        return Err(words.unknown("a number of bytes, as the last word"));
    }
    Ok(Op::History(History { conversation, reader, from, limit, bytes }))
}

pub(super) fn make(command: &Command<'_>) -> Result<Op, Refusal> {
    membership(command, |_| Ok(Change::Make))
}

pub(super) fn join(command: &Command<'_>) -> Result<Op, Refusal> {
    membership(command, |words| Ok(Change::Join(role(words)?)))
}

pub(super) fn leave(command: &Command<'_>) -> Result<Op, Refusal> {
    membership(command, |_| Ok(Change::Leave))
}

pub(super) fn change_role(command: &Command<'_>) -> Result<Op, Refusal> {
    membership(command, |words| Ok(Change::Role(role(words)?)))
}

fn membership(
    command: &Command<'_>,
    change: impl FnOnce(&mut Words<'_, '_>) -> Result<Change, Refusal>,
) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let room = words.parsed("the id of a room", Room::parse)?;
    Ok(Op::Membership(Membership { room, user: words.user()?, change: change(&mut words)? }))
}

fn role(words: &mut Words<'_, '_>) -> Result<Role, Refusal> {
    words.parsed("a role", Role::parse)
}

pub(super) fn members(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let conversation = words.conversation()?;
    let after = words.parsed_or_none("a user name", User::parse)?;
    Ok(Op::Members { conversation, after, limit: words.limit("the limit")? })
}

pub(super) fn mark(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let (conversation, user) = (words.conversation()?, words.user()?);
    Ok(Op::Mark { conversation, user, seq: Seq(words.number("the entry's number")?) })
}

pub(super) fn trace(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let conversation = words.conversation()?;
    let what = if words.left() == 1 {
        What::Seq(Seq(words.number("the entry's number")?))
    } else {
        What::Sent { sender: words.user()?, client_id: words.parsed("a client message id", ClientId::parse)? }
    };
    if words.left() > 0 {
        return Err(words.unknown("an entry's number, or its sender and client id, as the last words"));
    }
    Ok(Op::Trace { conversation, what })
}
