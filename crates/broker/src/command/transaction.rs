//! MULTI, EXEC, DISCARD, WATCH, UNWATCH, and how commands wait in between.

use bytes::Bytes;
use naru_resp::{Command, ReplyWriter};

use super::{Context, Entry, Flow, Outcome, Refusal, perform, permission};
use crate::{
    client::{Capture, Captured},
    keeper::Task,
    replies::Ticket,
    transaction::{self, Queued, Step, Transaction},
};

pub(super) fn multi(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    if context.client.transaction().is_some() {
        return Err("ERR MULTI calls can not be nested".into());
    }
    *context.client.transaction() = Some(Transaction::default());
    context.client.show_queued(Some(0));
    context.reply(|writer| writer.simple("OK"))
}

/// Keeps a command for EXEC, if the client is in a transaction and the command is not one that ends or asks about it.
pub(super) fn queue(context: &Context<'_>, entry: &'static Entry, command: &Command<'_>) -> Option<Outcome> {
    let mut open = context.client.transaction();
    let transaction = open.as_mut().filter(|_| !entry.is_never_queued())?;
    if let Err(no_room) = transaction.queue(entry, command) {
        transaction.abort();
        return Some(Err(no_room.to_string().into()));
    }
    context.client.show_queued(Some(transaction.len()));
    Some(context.reply(|writer| writer.simple("QUEUED")))
}

/// Refuses a command before it was executed or queued: what transaction it is in will not be executed. EXEC itself
/// then ends it, as in Redis.
pub(super) fn refuse(context: &Context<'_>, name: &str, refusal: &Refusal) -> Outcome {
    if name != "exec" {
        if let Some(transaction) = &mut *context.client.transaction() {
            transaction.abort();
        }
        return Ok(context.refuse(refusal.text()));
    }
    let reason = refusal.text();
    let reason = reason.strip_prefix("ERR ").unwrap_or(reason);
    let text = format!("EXECABORT Transaction discarded because of: {reason}");
    end(context, |writer| writer.error(text))
}

pub(super) fn discard(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    if context.client.transaction().is_none() {
        return Err("ERR DISCARD without MULTI".into());
    }
    end(context, |writer| writer.simple("OK"))
}

pub(super) fn watch(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    if context.client.transaction().is_some() {
        return Err("ERR WATCH inside MULTI is not allowed".into());
    }
    context.client.start_watching();
    let keys = command.iter().skip(1).map(Bytes::copy_from_slice).collect();
    context.ask(Task::Watch { keys, profile: context.client.profile().clone() })
}

pub(super) fn unwatch(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    unwatch_and_reply(context, |writer| writer.simple("OK"))
}

/// Ends a transaction that was begun, and what is watched for it; with this reply.
pub(super) fn end(context: &Context<'_>, write: impl FnOnce(&mut ReplyWriter<'_, Vec<u8>>)) -> Outcome {
    context.client.take_transaction();
    unwatch_and_reply(context, write)
}

fn unwatch_and_reply(context: &Context<'_>, write: impl FnOnce(&mut ReplyWriter<'_, Vec<u8>>)) -> Outcome {
    if !context.client.stop_watching() {
        return context.reply(write);
    }
    let mut reply = Vec::new();
    write(&mut ReplyWriter::new(&mut reply, context.client.version()));
    context.ask(Task::Unwatch(reply))
}

/// Executes what was queued. If the keeper takes part, all of its part is one job, and the core does the rest when that
/// is durable; otherwise the core does it all at once.
pub(super) fn exec(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    let Some(transaction) = context.client.take_transaction() else {
        return Err("ERR EXEC without MULTI".into());
    };
    let Some(commands) = transaction.into_commands() else {
        return unwatch_and_reply(context, |writer| {
            writer.error("EXECABORT Transaction discarded because of previous errors.");
        });
    };
    let is_for_keeper =
        context.client.stop_watching() || commands.iter().any(|queued| queued.entry.is_kept());
    let ticket = context.client.reserve();
    if !is_for_keeper {
        finish(context, ticket, commands.into_iter().map(Step::Run).collect());
        return Ok(Flow::Next);
    }
    // What is published before and after a subscription of the same transaction must be so for the core too.
    let subscribes = commands.iter().any(|queued| queued.entry.subscribes());
    let plan = |queued: Queued| {
        let entry = queued.entry;
        if entry.is_kept() || entry.publishes() && !subscribes {
            plan(context, &queued)
        } else {
            Step::Run(queued)
        }
    };
    let steps: Vec<Step> = commands.into_iter().map(plan).collect();
    // What comes after is not to be published before, nor to be heard by who is not subscribed yet.
    let settles = steps.iter().any(|step| matches!(step, Step::Publish { .. } | Step::Run(_)));
    let flow = context.send(ticket, Task::Exec(steps))?;
    Ok(if settles && matches!(flow, Flow::Next) { Flow::Settle } else { flow })
}

/// What the keeper is to do for a command; or its reply, if it asks for nothing that can be done.
fn plan(context: &Context<'_>, queued: &Queued) -> Step {
    let Captured { reply, step, .. } = run(context, queued, Capture::Plan);
    step.unwrap_or(Step::Answered(reply))
}

fn run(context: &Context<'_>, Queued { entry, command }: &Queued, capture: Capture) -> Captured {
    context.client.capture(capture, || {
        let command = command.as_command();
        let called = entry.called(&command).unwrap_or(entry.itself());
        let denied = permission::denied_since(context, entry, called, &command);
        let outcome = match denied {
            Some(refusal) => Err(refusal),
            None => perform(context, entry, called, &command),
        };
        if let Err(refusal) = outcome {
            context.refuse(refusal.text());
        }
    })
}

/// Executes the steps that are the core's, and gives the whole reply.
pub(crate) fn finish(context: &Context<'_>, ticket: Ticket, mut steps: Vec<Step>) {
    context.client.show_queued(Some(steps.len()));
    for step in &mut steps {
        if let Step::Run(queued) = step {
            let Captured { mut reply, step: unplanned, .. } = run(context, queued, Capture::Run);
            if unplanned.is_some() {
                let version = context.client.version();
                ReplyWriter::new(&mut reply, version).error("ERR Command not allowed inside a transaction");
            }
            *step = Step::Answered(reply);
        }
    }
    context.client.show_queued(None);
    let reply = transaction::reply(&steps).expect("every step that was not answered has been run above");
    context.client.answer(ticket, reply);
}
