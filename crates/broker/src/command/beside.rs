//! Commands that read or write a file: beside the core's thread, which serves its other clients meanwhile.

use std::sync::Arc;

use naru_resp::ReplyWriter;

use super::{Context, Flow, Outcome, Refusal, table::Called};
use crate::wire::Shared;

/// Whether a command does its work beside the core's thread. It is not taken into a transaction, which is executed in one
/// go.
pub(super) fn works_beside(called: Called) -> bool {
    matches!(called.name, "acl|load" | "acl|save" | "config|rewrite" | "naru.backup")
}

/// Works, and then, on the core again, takes up what came of it and says OK. What the client sends behind it waits.
pub(super) fn beside<T: Send + 'static>(
    context: &Context<'_>,
    work: impl FnOnce(&Shared) -> T + Send + 'static,
    take_up: impl FnOnce(&Context<'_>, T) -> Result<(), Refusal> + 'static,
) -> Outcome {
    let ticket = context.client.reserve();
    let (core, client) = (context.core.clone(), context.client.clone());
    let shared = Arc::clone(core.shared());
    tokio::task::spawn_local(async move {
        // It ends without a result only together with the process.
        let Ok(done) = tokio::task::spawn_blocking(move || work(&shared)).await else { return };
        let context = Context { core: &core, client: &client };
        let mut reply = Vec::new();
        let mut writer = ReplyWriter::new(&mut reply, client.version());
        match take_up(&context, done) {
            Ok(()) => writer.simple("OK"),
            Err(refusal) => {
                core.shared().counters.error(refusal.text());
                writer.error(refusal.text());
            }
        }
        client.answer(ticket, reply);
    });
    Ok(Flow::Settle)
}
