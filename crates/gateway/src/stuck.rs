//! Clients that take nothing of what waits for them: after `limits.write_timeout` they are sent away.

use std::{rc::Rc, time::Duration};

use naru_fanout::{Core, Peer};
use tokio::time::sleep;

use crate::{codes::Disconnect, wire::Gate};

/// Looks within that time. Between two of them it is not seen when a client took something last, so it has a part of the time more.
const LOOKS: u32 = 4;

/// Sees to it for as long as the core runs. Who is not held up costs nothing here, neither time nor memory.
pub(crate) fn watch(core: &Rc<Core<Gate>>) {
    let core = core.clone();
    let timeout = core.shared().limits.write_timeout;
    tokio::task::spawn_local(async move {
        loop {
            sleep(timeout / LOOKS).await;
            look(&core, timeout);
        }
    });
}

fn look(core: &Rc<Core<Gate>>, timeout: Duration) {
    for session in core.held_up() {
        if session.link().stuck_for() >= timeout {
            session.end(Disconnect::WriteError);
        }
    }
}
