use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use naru_fanout::CoreId;
use naru_resp::Command;

use super::{Called, Context, Entry, Outcome, redacted::redacted};
use crate::{escaped::escaped, wire::Mail};

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

/// Tells all monitors of a command that was executed, unless it is one for administrators, as in Redis.
pub(super) fn tell(context: &Context<'_>, entry: &Entry, called: Called, command: &Command<'_>) {
    if !entry.flags_of(called).contains(&"admin") {
        show(context, redacted(called, command));
    }
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
