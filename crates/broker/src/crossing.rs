//! What crosses, as events of the tracing target `crossing` at debug level; the gateway has its own of the same kind.
//!
//! | `step` | when | fields beside `server` (which is `broker`) |
//! |---|---|---|
//! | `queue` | an entry comes into a user's inbox | `user`, `conversation`, `seq`, `offset` |
//! | `route` | and from there to the servers that hold the user | `user`, `servers` (names; empty: the user is away) |

use naru_ledger::answer::Delivered;
use naru_ledger::{Conversation, Seq, Server};
use tracing::{Level, debug, enabled};

pub(crate) fn queued(conversation: &Conversation, seq: Seq, delivered: &[Delivered]) {
    if !enabled!(target: "crossing", Level::DEBUG) {
        return;
    }
    for Delivered { user, useq, servers, .. } in delivered {
        let user = user.as_str();
        debug!(
            target: "crossing", step = "queue", server = "broker", user,
            conversation = conversation.as_str(), seq = seq.0, offset = useq.0
        );
        let servers = servers.iter().map(Server::as_str).collect::<Vec<_>>().join(", ");
        debug!(target: "crossing", step = "route", server = "broker", user, servers);
    }
}
