//! What crosses, as events of the tracing target `crossing` at debug level: who watches sees the ferry at work, and
//! never what is in the messages. `naru demo` makes its lines from these.
//!
//! | `step` | when | fields beside `server` |
//! |---|---|---|
//! | `online` | a client has connected | `user`, `device` |
//! | `offline` | a client has gone | `user`, `device` |
//! | `hand` | a message is handed to the broker | `user`, `from`, `to` |
//! | `send` | a message is stored at the broker | `user`, `from`, `to`, `conversation`, `seq`, `duplicate` |
//! | `deliver` | a message is handed to a user's clients | `user`, `from`, `to`, `conversation`, `seq`, `offset`, `receivers` (clients), `missed` (it waited for this client) |
//! | `resume` | a client came back to its inbox | `user`, `device`, `offset` (from here on), `head` (up to here), `missed` (how many) |
//! | `ack` | a device has acknowledged | `user`, `device`, `offset` |
//! | `publish` | a live publication went to the broker | `user`, `channel`, `receivers` (servers that follow it; 0: nobody heard it) |
//!
//! `server` is the name of this gateway; users, devices and channels are names; the rest are numbers and booleans.

use naru_bus::first::{Entry, Resumed, Sent};
use naru_ledger::{Device, Server, User};
use tracing::debug;

pub(crate) fn online(server: &Server, user: &User, device: &Device) {
    debug!(target: "crossing", step = "online", server = server.as_str(), user = user.as_str(), device = device.as_str());
}

pub(crate) fn offline(server: &Server, user: &User, device: &Device) {
    debug!(target: "crossing", step = "offline", server = server.as_str(), user = user.as_str(), device = device.as_str());
}

pub(crate) fn hand(server: &Server, from: &User, to: &User) {
    let user = from.as_str();
    debug!(target: "crossing", step = "hand", server = server.as_str(), user, from = user, to = to.as_str());
}

pub(crate) fn send(server: &Server, from: &User, to: &User, sent: &Sent) {
    debug!(
        target: "crossing", step = "send", server = server.as_str(), user = from.as_str(), from = from.as_str(),
        to = to.as_str(), conversation = sent.conversation, seq = sent.seq, duplicate = sent.duplicate
    );
}

pub(crate) fn deliver(server: &Server, user: &str, entry: &Entry, receivers: usize, missed: bool) {
    debug!(
        target: "crossing", step = "deliver", server = server.as_str(), user, from = entry.from, to = entry.to,
        conversation = entry.conversation, seq = entry.seq, offset = entry.offset, receivers, missed
    );
}

pub(crate) fn resume(server: &Server, user: &User, device: &Device, resumed: &Resumed) {
    debug!(
        target: "crossing", step = "resume", server = server.as_str(), user = user.as_str(),
        device = device.as_str(), offset = resumed.start, head = resumed.head,
        missed = resumed.head.saturating_sub(resumed.start)
    );
}

pub(crate) fn ack(server: &Server, user: &User, device: &Device, offset: u64) {
    debug!(
        target: "crossing", step = "ack", server = server.as_str(), user = user.as_str(), device = device.as_str(),
        offset
    );
}

pub(crate) fn publish(server: &Server, user: &User, channel: &str, receivers: u64) {
    debug!(target: "crossing", step = "publish", server = server.as_str(), user = user.as_str(), channel, receivers);
}
