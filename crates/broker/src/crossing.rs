//! What crosses, as events of the tracing target `crossing` at debug level; the gateway has its own of the same kind.
//!
//! | `step` | when | fields beside `server` (which is `broker`) |
//! |---|---|---|
//! | `queue` | a message goes into a user's inbox | `user`, `from`, `to`, `conversation`, `seq`, `offset` |
//! | `route` | and from there to the servers that hold the user | `user`, `from`, `to`, `servers` (names; empty: the user is away) |

use naru_ledger::{Entry, Server, User};
use tracing::{Level, debug, enabled};

pub(crate) fn queued(user: &User, entry: &Entry, servers: &[Server]) {
    if !enabled!(target: "crossing", Level::DEBUG) {
        return;
    }
    let (user, from, to) = (user.as_str(), entry.from.as_str(), entry.to.as_str());
    debug!(
        target: "crossing", step = "queue", server = "broker", user, from, to,
        conversation = entry.conversation.as_str(), seq = entry.seq.0, offset = entry.useq.map(|useq| useq.0)
    );
    let servers = servers.iter().map(Server::as_str).collect::<Vec<_>>().join(", ");
    debug!(target: "crossing", step = "route", server = "broker", user, from, to, servers);
}
