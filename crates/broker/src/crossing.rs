//! What crosses, as events of the tracing target `crossing` at debug level; the gateway has its own of the same kind.
//!
//! | `step` | when | fields beside `server` (which is `broker`) |
//! |---|---|---|
//! | `queue` | a message goes into a user's inbox | `user`, `from`, `conversation`, `seq`, `offset` |
//! | `route` | and from there to the servers that hold the user | `user`, `from`, `conversation`, `servers` (names; empty: the user is away) |

use naru_ledger::{Conversation, Seq, Server, Useq, User, answer::Entry};
use tracing::{Level, debug, enabled};

pub(crate) fn queued(
    user: &User,
    conversation: &Conversation,
    seq: Seq,
    useq: Useq,
    entry: Option<&Entry>,
    servers: &[Server],
) {
    if !enabled!(target: "crossing", Level::DEBUG) {
        return;
    }
    let (user, conversation) = (user.as_str(), conversation.as_str());
    let from = entry.map(|entry| entry.sender.as_str());
    debug!(
        target: "crossing", step = "queue", server = "broker", user, from, conversation, seq = seq.0, offset = useq.0
    );
    let servers = servers.iter().map(Server::as_str).collect::<Vec<_>>().join(", ");
    debug!(target: "crossing", step = "route", server = "broker", user, from, conversation, servers);
}
