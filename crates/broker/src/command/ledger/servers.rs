//! Which server holds whom.

use std::time::Duration;

use naru_ledger::op::{Run, ServerIs};
use naru_ledger::{Epoch, Op, Server};
use naru_resp::Command;

use super::words::{Words, number};
use crate::command::Refusal;

pub(super) fn server(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let run = run(&mut words)?;
    let lease = words.parsed_or_none("lease-ms", |text| {
        number(text).ok_or("lease-ms is a whole number, or empty for as long as the connection lasts")
    })?;
    Ok(Op::Server(ServerIs { run, lease: lease.map(Duration::from_millis) }))
}

pub(super) fn route(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    Ok(Op::Route { run: run(&mut words)?, users: words.users()? })
}

pub(super) fn unroute(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    Ok(Op::Unroute { run: run(&mut words)?, users: words.users()? })
}

pub(super) fn presence(command: &Command<'_>) -> Result<Op, Refusal> {
    Ok(Op::Presence { users: Words::of(command).users()? })
}

pub(in crate::command) fn run(words: &mut Words<'_, '_>) -> Result<Run, Refusal> {
    Ok(Run {
        server: words.parsed("a server name", Server::parse)?,
        epoch: words.parsed("an epoch", Epoch::parse)?,
    })
}
