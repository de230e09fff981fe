//! The commands: one file a family, one table entry a command.

mod acl;
mod arguments;
mod backup;
mod beside;
mod category;
mod channels;
mod client;
mod cluster;
mod config;
mod connection;
mod describe;
mod foresee;
mod getkeys;
mod info;
mod keys;
mod kill;
mod latency_report;
mod ledger;
mod lists;
mod manual;
mod memory;
mod monitor;
#[cfg(test)]
mod page;
mod permission;
mod pubsub;
mod real;
mod redacted;
mod scripting;
mod slow;
mod stream_groups;
mod stream_info;
mod streams;
mod strings;
mod syntax;
mod table;
mod traits;
mod transaction;

use std::{rc::Rc, time::Duration};

use naru_fanout::{Core, Peer};
use naru_resp::{Command, ReplyWriter};

use arguments::unknown_subcommand;

use crate::{
    client::Client,
    handover::{Handover, Put},
    keeper::{Asker, Job, Op, Task},
    replies::Ticket,
    stopwatch::Run,
    transaction::Part,
    wire::Resp,
};

pub(crate) use category::Category;
pub(crate) use channels::{write_answer as write_channel_answer, write_refused as write_channel_refused};
pub(crate) use getkeys::{KeyAccess, key_places};
pub(crate) use ledger::{write_answer, write_refused};
pub(crate) use table::{Called, Entry, LastFound, all_called, called_count, find};
pub(crate) use transaction::finish;

/// Where a command is executed: on a core, for a client.
pub(crate) struct Context<'a> {
    pub(crate) core: &'a Rc<Core<Resp>>,
    pub(crate) client: &'a Rc<Client>,
}

/// After a command that took so long, other cores do not wait until the turn ends.
const LONG_COMMAND: Duration = Duration::from_micros(100);

/// How to go on after a command.
pub(crate) enum Flow {
    /// With the next one.
    Next,
    /// With the next one, once the keeper has answered everything, which may take as long as it likes.
    Wait,
    /// With the next one, once everything is answered, which will be soon.
    Settle,
    /// With the next one, once the keeper has room for this.
    Full(Box<Job>),
    /// With this one again, once clients are no longer paused.
    Paused,
    /// Not at all: the client gets what it is owed, and the connection ends.
    End,
}

/// Why a command was not executed, as the client is told; names in it may have any bytes.
#[derive(Debug)]
pub(crate) struct Refusal(Vec<u8>);

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Refusal(text.into())
    }
}

impl From<Vec<u8>> for Refusal {
    fn from(text: Vec<u8>) -> Self {
        Refusal(text)
    }
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Refusal(text.into())
    }
}

impl Refusal {
    pub(crate) fn text(&self) -> &[u8] {
        &self.0
    }
}

/// What most handlers return.
pub(crate) type Outcome = Result<Flow, Refusal>;

impl Context<'_> {
    /// Writes the reply, in the order of the commands.
    pub(crate) fn reply(&self, write: impl FnOnce(&mut ReplyWriter<'_, Vec<u8>>)) -> Outcome {
        self.client.reply(write);
        Ok(Flow::Next)
    }

    /// Answers with an error.
    pub(crate) fn refuse(&self, text: &[u8]) -> Flow {
        self.core.shared().counters.error(text);
        self.client.reply(|writer| writer.error(text));
        Flow::Next
    }

    /// Writes the lines of a `HELP`.
    fn help(&self, lines: &[&str]) -> Outcome {
        self.reply(|writer| {
            writer.array(lines.len());
            lines.iter().for_each(|line| writer.simple(line));
        })
    }

    /// Lets the keeper make the reply, in the order of the commands; in a transaction, in its place in there.
    fn keep(&self, op: Op) -> Outcome {
        if self.client.capturing().is_some() {
            self.client.capture_part(Part::Keep(op, self.client.version()));
            return Ok(Flow::Next);
        }
        self.ask(Task::Do(op))
    }

    /// The same for what may take as long as it likes: no further command of the client is read meanwhile, as in Redis.
    fn keep_waiting(&self, op: Op) -> Outcome {
        self.client.hold_in_keeper();
        // The keeper's queue, if full, is waited for first.
        Ok(match self.keep(op)? {
            Flow::Next => Flow::Wait,
            other => other,
        })
    }

    /// Has the keeper do something and reply, in the order of the commands.
    fn ask(&self, task: Task) -> Outcome {
        self.send(self.client.reserve(), task)
    }

    fn send(&self, ticket: Ticket, task: Task) -> Outcome {
        let asker = Asker {
            client: self.client.id(),
            core: self.core.id(),
            version: self.client.version(),
            ticket: Some(ticket),
        };
        Ok(match Handover::put(self.core, Job { asker, task }) {
            Put::Taken => Flow::Next,
            Put::Full(job) => Flow::Full(job),
            // The place kept will not be filled any more.
            Put::Gone => Flow::End,
        })
    }
}

/// Executes one command that has a name, and says how to go on.
pub(crate) fn execute(context: &Context<'_>, command: &Command<'_>) -> Flow {
    let counters = context.core.shared().counters.of(context.core.id());
    let entry = context.core.local().commands.find(command.name());
    if entry.is_none_or(|entry| entry.name == "get") && is_http(command) {
        return end_http(context);
    }
    if !context.client.is_signed_in() && !entry.is_some_and(|entry| entry.flags.contains(&"no_auth")) {
        if let Some(entry) = entry {
            counters.rejected(entry.called_or_itself(command));
        }
        let refusal = "NOAUTH Authentication required.".into();
        return or_error(context, transaction::refuse(context, command, &refusal));
    }
    let Some(entry) = entry else { return refuse_unknown(context, command) };
    let Some(called) = entry.called(command) else {
        let refusal = unknown_subcommand(&entry.name.to_uppercase(), command.arg(1));
        return or_error(context, transaction::refuse(context, command, &refusal));
    };
    context.client.executes(called.name);
    if let Some(refusal) = refusal(context, entry, called, command) {
        counters.rejected(called);
        return or_error(context, transaction::refuse(context, command, &refusal));
    }
    let writes = entry.is_write() || entry.name == "exec" && context.client.has_queued_writes();
    if context.core.shared().pause.holds(writes) {
        return Flow::Paused;
    }
    if let Some(queued) = transaction::queue(context, entry, command) {
        return or_error(context, queued);
    }
    or_error(context, perform(context, entry, called, command))
}

/// Runs a command, now or for its transaction, and tells who keeps count.
fn perform(context: &Context<'_>, entry: &Entry, called: Called, command: &Command<'_>) -> Outcome {
    let stopwatch = &context.core.local().stopwatch;
    if let Some(run) = stopwatch.run_before(called) {
        count_timed(context.core, run, stopwatch.lap());
    }
    let outcome = (entry.run)(context, command);
    if entry.is_brief && !context.core.shared().config.wants_each_time() {
        stopwatch.joins_run(called);
        show(context, entry, called, command);
        if outcome.is_err() {
            context.core.shared().counters.of(context.core.id()).failed(called);
        }
        return outcome;
    }
    let took = stopwatch.lap();
    if took >= LONG_COMMAND {
        context.core.wake_others();
    }
    count(context, entry, called, command, (took, outcome.is_err()));
    outcome
}

/// Tells who keeps count of a command that was executed: how long that took, and whether it failed.
fn count(
    context: &Context<'_>,
    entry: &Entry,
    called: Called,
    command: &Command<'_>,
    (took, has_failed): (Duration, bool),
) {
    let counters = context.core.shared().counters.of(context.core.id());
    counters.executed(called, 1, took);
    if has_failed {
        counters.failed(called);
    }
    slow::note(context, entry, called, command, took);
    show(context, entry, called, command);
}

/// Counts the brief commands that have been executed and not been counted yet.
pub(crate) fn count_run(core: &Rc<Core<Resp>>) {
    let stopwatch = &core.local().stopwatch;
    if let Some(run) = stopwatch.end_run() {
        count_timed(core, run, stopwatch.lap());
    }
}

fn count_timed(core: &Rc<Core<Resp>>, run: Run, took: Duration) {
    core.shared().counters.of(core.id()).executed(run.called, run.count, took);
    if took >= LONG_COMMAND {
        core.wake_others();
    }
}

/// Shows a command to those who watch.
fn show(context: &Context<'_>, entry: &Entry, called: Called, command: &Command<'_>) {
    // EXEC is shown behind what it executes, by itself.
    if context.core.shared().monitors.any() && entry.name != "exec" {
        monitor::tell(context, entry, called, command);
    }
}

fn or_error(context: &Context<'_>, outcome: Outcome) -> Flow {
    outcome.unwrap_or_else(|refusal| context.refuse(refusal.text()))
}

/// Why a command is not executed at all.
fn refusal(context: &Context<'_>, entry: &Entry, called: Called, command: &Command<'_>) -> Option<Refusal> {
    if !entry.arity.accepts(command.len()) {
        return Some(arguments::wrong_number(entry.name));
    }
    if called.number != entry.itself().number && !manual::arity(called).accepts(command.len()) {
        return Some(arguments::wrong_number(called.name));
    }
    if let Err(denied) = context.client.access().check(entry, called, command) {
        return Some(permission::denied(context, called, command, denied));
    }
    if context.client.transaction().is_some() && beside::works_beside(called) {
        return Some("ERR Command not allowed inside a transaction".into());
    }
    (context.client.is_in_subscribed_mode() && !entry.in_subscribed_mode).then(|| {
        format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            called.name
        )
        .into()
    })
}

/// Whether something was said in HTTP: what Redis takes for such, and every request's first line.
fn is_http(command: &Command<'_>) -> bool {
    let name = command.name();
    name.eq_ignore_ascii_case(b"post")
        || name.eq_ignore_ascii_case(b"host:")
        || command.len() == 3 && command.arg(2).starts_with(b"HTTP/")
}

/// Redis's defence against browsers that were made to speak to it: not a word, lest the rest be taken for commands.
fn end_http(context: &Context<'_>) -> Flow {
    tracing::warn!(
        address = %context.client.profile().address,
        "closed: HTTP came in on the RESP port, possibly sent by a browser that was made to"
    );
    Flow::End
}

/// Redis's text for an unknown command.
fn refuse_unknown(context: &Context<'_>, command: &Command<'_>) -> Flow {
    or_error(context, transaction::refuse(context, command, &arguments::unknown_command(command)))
}
