use std::{rc::Rc, sync::atomic::Ordering, time::Duration};

use naru_fanout::{Core, Peer};

use crate::{class::Class, client::Client, while_limited::while_limited, wire::Resp};

/// How often a core looks for clients that are silent for too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sees to it that clients of the core that are silent for longer than `timeout` are closed. While there is no such
/// limit nothing runs.
pub(crate) fn watch(core: &Rc<Core<Resp>>) {
    if core.shared().config.timeout().is_none() || core.local().watches_idle.replace(true) {
        return;
    }
    let core = core.clone();
    tokio::task::spawn_local(async move {
        let look = |timeout| {
            core.each_peer(|client| {
                if is_due(client, timeout) {
                    tracing::info!(address = %client.profile().address, "closed: idle");
                    client.link().close();
                }
            });
        };
        while_limited(LOOK_EVERY, || core.shared().config.timeout(), look).await;
        core.local().watches_idle.set(false);
    });
}

/// Who listens, whose command waits, or who is still taking a long reply is not idle, as in Redis.
fn is_due(client: &Client, timeout: Duration) -> bool {
    let profile = client.profile();
    if client.takes_output() {
        profile.active();
    }
    profile.class() == Class::Normal
        && !profile.is_monitor()
        && !profile.is_blocked.load(Ordering::Relaxed)
        && profile.idle().as_secs() > timeout.as_secs()
}
