//! The ledger's commands: their words as [`naru_ledger::Op`] documents them, and its answers. The bus has the other end
//! of both.

mod answer;
mod inbox;
mod log;
mod saying;
pub(super) mod servers;
pub(super) mod words;

#[cfg(test)]
mod tests;

use naru_resp::Command;

use super::{Context, Outcome};
use crate::keeper::{LedgerOp, Op};

pub(crate) use answer::{write as write_answer, write_refused};

/// Handlers that have the keeper run what the words say.
macro_rules! handlers {
    ($($name:ident: $read:path,)+) => {
        $(
            pub(super) fn $name(context: &Context<'_>, command: &Command<'_>) -> Outcome {
                context.keep(Op::Ledger(LedgerOp::Op($read(command)?)))
            }
        )+
    };
}

handlers!(
    append: saying::append,
    edit: saying::edit,
    delete: saying::delete,
    deliver: saying::deliver,
    done: saying::done,
    send: saying::send,
    sweep: saying::sweep,
    resume: inbox::resume,
    changed: inbox::changed,
    conversations: inbox::conversations,
    ack: inbox::ack,
    read: inbox::read,
    standing: inbox::standing,
    mark: log::mark,
    history: log::history,
    join: log::join,
    make: log::make,
    leave: log::leave,
    role: log::change_role,
    members: log::members,
    trace: log::trace,
    route: servers::route,
    unroute: servers::unroute,
    presence: servers::presence,
);

/// `NARU.SERVER server epoch lease-ms`, which may be for as long as the connection lasts.
pub(super) fn server(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let op = servers::server(command)?;
    context.client.hold_in_keeper();
    context.keep(Op::Ledger(LedgerOp::Op(op)))
}

/// `NARU.GENERATION`: what was given after a backup and is not in it is not given again, once the backup is put to use.
pub(super) fn generation(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    context.keep(Op::Ledger(LedgerOp::Generation))
}
