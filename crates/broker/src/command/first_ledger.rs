//! The ledger's commands, what gateways speak. Entries travel as JSON (see `keeper::ledger`).

use naru_ledger::{Append, ClientId, Device, Direct, NameError, Position, Seq, Server, Useq, User};
use naru_resp::Command;
use serde::de::IgnoredAny;

use super::{
    Context, Outcome, Refusal,
    arguments::{integer, text},
};
use crate::{
    keeper::{LedgerOp, Op},
    limits::PAGE_ENTRIES_MAX,
};

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        format!("INVALID {error}").into()
    }
}

fn user(argument: &[u8]) -> Result<User, Refusal> {
    Ok(User::parse(text(argument)?)?)
}

fn users(command: &Command<'_>) -> Result<Vec<User>, Refusal> {
    command.iter().skip(1).map(user).collect()
}

/// A position in an inbox or a log: 0 is before its first entry.
fn position(argument: &[u8]) -> Result<u64, Refusal> {
    u64::try_from(integer(argument)?).map_err(|_| "ERR a position is not negative".into())
}

fn entries_max(argument: &[u8]) -> Result<usize, Refusal> {
    Ok(usize::try_from(integer(argument)?).unwrap_or(0).clamp(1, PAGE_ENTRIES_MAX))
}

/// `NARU.SERVER server`
pub(super) fn server(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let server = Server::parse(text(command.arg(1))?)?;
    context.client.hold_in_keeper();
    context.keep(Op::Ledger(LedgerOp::Server(server)))
}

/// `NARU.ROUTE user [user ...]`
pub(super) fn route(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    context.keep(Op::Ledger(LedgerOp::Route(users(command)?)))
}

/// `NARU.UNROUTE user [user ...]`
pub(super) fn unroute(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    context.keep(Op::Ledger(LedgerOp::Unroute(users(command)?)))
}

/// `NARU.SEND from to client-id body`
pub(super) fn send(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (sender, recipient) = (user(command.arg(1))?, user(command.arg(2))?);
    let client_id = ClientId::parse(text(command.arg(3))?)?;
    let body = command.arg(4);
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(body) {
        return Err(format!("INVALID the body is not JSON: {error}").into());
    }
    let conversation = Direct::between(&sender, &recipient);
    let append = Append { conversation, sender, client_id, body: body.into() };
    context.keep(Op::Ledger(LedgerOp::Send(append)))
}

/// `NARU.RESUME user device epoch offset limit`; with an empty epoch from the device's cursor.
pub(super) fn resume(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let user = user(command.arg(1))?;
    let device = Device::parse(text(command.arg(2))?)?;
    let from = match text(command.arg(3))? {
        "" => None,
        epoch => {
            Some(Position { epoch: naru_ledger::Epoch::parse(epoch)?, useq: Useq(position(command.arg(4))?) })
        }
    };
    let entries_max = entries_max(command.arg(5))?;
    context.keep(Op::Ledger(LedgerOp::Resume { user, device, from, entries_max }))
}

/// `NARU.ENTRIES user after limit`
pub(super) fn entries(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let (user, after) = (user(command.arg(1))?, Useq(position(command.arg(2))?));
    context.keep(Op::Ledger(LedgerOp::Entries { user, after, entries_max: entries_max(command.arg(3))? }))
}

/// `NARU.ACK user device offset`
pub(super) fn ack(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let user = user(command.arg(1))?;
    let device = Device::parse(text(command.arg(2))?)?;
    context.keep(Op::Ledger(LedgerOp::Ack { user, device, useq: Useq(position(command.arg(3))?) }))
}

/// `NARU.HISTORY user conversation before limit`; with 0 before nothing, so from the newest on.
pub(super) fn history(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let user = user(command.arg(1))?;
    let conversation =
        Direct::parse(text(command.arg(2))?).map_err(|error| Refusal::from(format!("INVALID {error}")))?;
    let before = Some(position(command.arg(3))?).filter(|before| *before > 0).map(Seq);
    let entries_max = entries_max(command.arg(4))?;
    context.keep(Op::Ledger(LedgerOp::History { user, conversation, before, entries_max }))
}
