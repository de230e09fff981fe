//! MULTI, EXEC, DISCARD, WATCH, UNWATCH, and how commands wait in between.

use std::time::{Duration, Instant};

use bytes::Bytes;
use naru_resp::{Command, ReplyWriter, Version};

use super::{
    Context, Entry, Flow, Outcome, Refusal, connection, count,
    foresee::{changes_rights, foresee},
    monitor, perform, permission,
};
use crate::{
    acl::Foreseen,
    client::{Capture, Captured},
    keeper::Task,
    replies::Ticket,
    transaction::{self, Execution, Part, Queued, Step, Transaction},
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
pub(super) fn refuse(context: &Context<'_>, command: &Command<'_>, refusal: &Refusal) -> Outcome {
    if !command.name().eq_ignore_ascii_case(b"exec") {
        if let Some(transaction) = &mut *context.client.transaction() {
            transaction.abort();
        }
        return Ok(context.refuse(refusal.text()));
    }
    show_exec(context, command);
    let reason = refusal.text();
    let reason = reason.strip_prefix(b"ERR ").unwrap_or(reason);
    let text = [b"EXECABORT Transaction discarded because of: ", reason].concat();
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
pub(super) fn exec(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let Some(transaction) = context.client.take_transaction() else {
        show_exec(context, command);
        return Err("ERR EXEC without MULTI".into());
    };
    let Some(commands) = transaction.into_commands() else {
        show_exec(context, command);
        return unwatch_and_reply(context, |writer| {
            writer.error("EXECABORT Transaction discarded because of previous errors.");
        });
    };
    let is_for_keeper = context.client.stop_watching() || commands.iter().any(is_kept);
    let ticket = context.client.reserve();
    let steps = if is_for_keeper {
        planned(context, commands)
    } else {
        commands.into_iter().map(run_later).collect()
    };
    // What comes after is not to be published before, nor to be heard by who is not subscribed yet.
    let settles = steps.iter().any(|step| matches!(step.part, Part::Publish { .. } | Part::Run));
    let execution =
        Execution { exec: command.to_owned(), version: context.client.version(), steps: Some(steps) };
    if !is_for_keeper {
        return Ok(finish(context, ticket, execution));
    }
    let flow = context.send(ticket, Task::Exec(Box::new(execution)))?;
    Ok(if settles && matches!(flow, Flow::Next) { Flow::Settle } else { flow })
}

/// Whether the keeper takes part in it.
fn is_kept(Queued { entry, command }: &Queued) -> bool {
    entry.is_kept()
        || matches!(entry.called_or_itself(&command.as_command()).name, "client|unblock" | "memory|usage")
}

fn run_later(queued: Queued) -> Step {
    Step { queued, planning: Duration::ZERO, part: Part::Run }
}

/// Finds out what the keeper is to do. Nothing is executed by that, nor counted, nor shown.
fn planned(context: &Context<'_>, commands: Vec<Queued>) -> Vec<Step> {
    // What is published before and after a subscription of the same transaction must be so for the core too.
    let subscribes = commands.iter().any(|queued| queued.entry.subscribes());
    let mut version = context.client.version();
    let shared = context.core.shared();
    let mut foreseen = commands
        .iter()
        .any(|queued| changes_rights(queued.entry))
        .then(|| Foreseen::new(&shared.acl, context.client.access()));
    let plan = |queued: Queued| {
        let is_denied = is_denied(context, foreseen.as_ref(), &queued);
        if let Some(foreseen) = foreseen.as_mut().filter(|_| !is_denied) {
            foresee(foreseen, queued.entry, &queued.command.as_command());
        }
        if is_denied || !is_kept(&queued) && (subscribes || !queued.entry.publishes()) {
            if queued.entry.name == "hello" {
                let command = queued.command.as_command();
                version = connection::version_after_hello(context, &command).unwrap_or(version);
            }
            return run_later(queued);
        }
        let start = Instant::now();
        let part = plan(context, &queued, version);
        Step { queued, planning: start.elapsed(), part }
    };
    commands.into_iter().map(plan).collect()
}

/// Whether the client may no longer do it when its turn comes. The core says so then.
fn is_denied(context: &Context<'_>, foreseen: Option<&Foreseen>, Queued { entry, command }: &Queued) -> bool {
    let command = command.as_command();
    let called = entry.called_or_itself(&command);
    let allowed = match foreseen {
        Some(foreseen) => foreseen.check(entry, called, &command),
        None => context.client.access().check(entry, called, &command),
    };
    allowed.is_err()
}

/// What the keeper is to do for a command, and how to answer it; or the reply, if it asks for nothing that can be done.
fn plan(context: &Context<'_>, Queued { entry, command }: &Queued, version: Version) -> Part {
    let mut refusal = None;
    let Captured { mut reply, part, .. } = context.client.capture(Capture::Plan, || {
        refusal = (entry.run)(context, &command.as_command()).err();
    });
    if let Some(refusal) = refusal {
        ReplyWriter::new(&mut reply, version).error(refusal.text());
    }
    match part {
        Some(Part::Keep(op, _)) => Part::Keep(op, version),
        Some(part) => part,
        None => Part::Answered(reply),
    }
}

/// Executes the steps that are the core's, tells of all of them, and gives the whole reply; how to go on behind EXEC.
pub(crate) fn finish(context: &Context<'_>, ticket: Ticket, execution: Execution) -> Flow {
    let Execution { exec, version, steps } = execution;
    let exec = exec.as_command();
    let Some(steps) = steps else {
        show_exec(context, &exec);
        let mut reply = Vec::new();
        ReplyWriter::new(&mut reply, version).null_array();
        context.client.answer(ticket, reply);
        return Flow::Next;
    };
    // Without a part of the core the client's next transaction may have begun by now.
    let is_executing = steps.iter().any(|step| !matches!(step.part, Part::Answered(_)));
    if is_executing {
        context.client.show_queued(Some(steps.len()));
    }
    let mut ends = false;
    let mut replies = Vec::with_capacity(steps.len());
    for Step { queued, planning, part } in steps {
        replies.push(match part {
            Part::Answered(reply) => {
                tell(context, &queued, planning, &reply);
                reply
            }
            Part::Keep(..) | Part::Publish { .. } | Part::PublishKept(..) | Part::Run => {
                let (reply, flow) = run(context, &queued);
                ends |= matches!(flow, Flow::End);
                reply
            }
        });
    }
    if is_executing {
        context.client.show_queued(None);
    }
    show_exec(context, &exec);
    context.client.answer(ticket, transaction::reply(&replies));
    if ends { Flow::End } else { Flow::Next }
}

/// Tells who keeps count of a command that the keeper has executed.
fn tell(context: &Context<'_>, Queued { entry, command }: &Queued, took: Duration, reply: &[u8]) {
    let counters = &context.core.shared().counters;
    let error = reply.strip_prefix(b"-");
    if let Some(error) = error {
        counters.error(error);
    }
    if entry.publishes() {
        counters.of(context.core.id()).published.add(1);
    }
    let command = command.as_command();
    count(context, entry, entry.called_or_itself(&command), &command, (took, error.is_some()));
}

/// Executes a command of a transaction on the core; its reply, and how to go on.
fn run(context: &Context<'_>, Queued { entry, command }: &Queued) -> (Vec<u8>, Flow) {
    let mut flow = Flow::Next;
    let Captured { mut reply, part, .. } = context.client.capture(Capture::Run, || {
        let command = command.as_command();
        let called = entry.called_or_itself(&command);
        let outcome = match permission::denied_since(context, entry, called, &command) {
            Some(refusal) => Err(refusal),
            None => perform(context, entry, called, &command),
        };
        flow = match outcome {
            Ok(flow) => flow,
            Err(refusal) => context.refuse(refusal.text()),
        };
    });
    if part.is_some() {
        let version = context.client.version();
        ReplyWriter::new(&mut reply, version).error("ERR Command not allowed inside a transaction");
    }
    (reply, flow)
}

/// Shows EXEC to those who watch, behind the commands it has executed.
fn show_exec(context: &Context<'_>, exec: &Command<'_>) {
    if context.core.shared().monitors.any() {
        monitor::show(context, exec.iter());
    }
}
