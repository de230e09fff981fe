use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use naru_fanout::CoreId;
use naru_resp::Command;

use super::{Called, Context, Outcome, redacted::redacted};
use crate::{escaped::escaped, wire::Mail};

/// Redis's commands for administrators, which monitors do not see.
const HIDDEN: &[&str] = &[
    "acl|deluser",
    "acl|dryrun",
    "acl|getuser",
    "acl|list",
    "acl|load",
    "acl|log",
    "acl|save",
    "acl|setuser",
    "acl|users",
    "client|kill",
    "client|list",
    "client|no-evict",
    "client|pause",
    "client|unblock",
    "client|unpause",
    "config|get",
    "config|resetstat",
    "config|rewrite",
    "config|set",
    "latency|doctor",
    "latency|graph",
    "latency|histogram",
    "latency|history",
    "latency|latest",
    "latency|reset",
    "monitor",
    "slowlog|get",
    "slowlog|len",
    "slowlog|reset",
];

/// `MONITOR`: from here on the client sees every command that is executed, on whichever core. It is a subscriber in
/// this: who falls behind is closed.
pub(super) fn monitor(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    if context.client.capturing().is_some() {
        return Err("ERR MONITOR isn't allowed for DENY BLOCKING client".into());
    }
    if context.client.profile().set_monitor(true) {
        // Redis does not answer who is one already.
        return Ok(super::Flow::Next);
    }
    context.core.local().monitors.borrow_mut().push(context.client.profile().id);
    context.core.shared().monitors.added(context.core.id());
    context.client.limit_output();
    context.reply(|writer| writer.simple("OK"))
}

/// Tells all monitors of a command that was executed.
pub(super) fn tell(context: &Context<'_>, called: Called, command: &Command<'_>) {
    if HIDDEN.contains(&called.name) {
        return;
    }
    show(context, redacted(called, command));
}

/// Shows these words to all monitors as a command that was executed.
pub(super) fn show<'a>(context: &Context<'_>, words: impl IntoIterator<Item = &'a [u8]>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let address = &context.client.profile().address;
    let mut line = format!("{}.{:06} [0 {address}]", now.as_secs(), now.subsec_micros());
    for word in words {
        line.push(' ');
        line.push_str(&escaped(word));
    }
    let line = Bytes::from(line);
    for core in (0..context.core.directory().cores()).map(CoreId) {
        if context.core.shared().monitors.are_on(core) {
            context.core.directory().send(core, Mail::Executed(line.clone()));
        }
    }
}
