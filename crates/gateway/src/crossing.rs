//! What crosses, as events of the tracing target `crossing` at debug level: who watches sees the ferry at work, and
//! never what is in the messages. `naru demo` makes its lines from these.
//!
//! | `step` | when | fields beside `server` |
//! |---|---|---|
//! | `online` | a client has connected | `user`, `device` |
//! | `offline` | a client has gone | `user`, `device` |
//! | `hand` | a message is handed to the broker | `user`, `from`, `to` (a user, or a room's id) |
//! | `send` | a message is stored at the broker | `user`, `from`, `to`, `conversation`, `seq`, `duplicate` |
//! | `deliver` | a message is handed to a user's clients | `user`, `from`, `to`, `conversation`, `seq`, `offset`, `receivers` (clients), `missed` (it waited for this client) |
//! | `resume` | a client came back to its inbox | `user`, `device`, `offset` (from here on), `head` (up to here), `missed` (how many) |
//! | `ack` | a device has acknowledged | `user`, `device`, `offset` |
//! | `publish` | a live publication went to the broker | `user`, `channel`, `receivers` (servers that follow it; 0: nobody heard it) |
//!
//! `server` is the name of this gateway; users, devices and channels are names; the rest are numbers and booleans.

use naru_ledger::{
    Conversation, Device, Server, Useq, User,
    answer::{Appended, Entry, Resumed},
};
use tracing::debug;

use crate::protocol::data::other;

pub(crate) fn online(server: &Server, user: &User, device: &Device) {
    debug!(target: "crossing", step = "online", server = server.as_str(), user = user.as_str(), device = device.as_str());
}

pub(crate) fn offline(server: &Server, user: &User, device: &Device) {
    debug!(target: "crossing", step = "offline", server = server.as_str(), user = user.as_str(), device = device.as_str());
}

pub(crate) fn hand(server: &Server, from: &User, conversation: &Conversation) {
    let (user, to) = (from.as_str(), to(conversation, from));
    debug!(target: "crossing", step = "hand", server = server.as_str(), user, from = user, to);
}

pub(crate) fn send(server: &Server, from: &User, conversation: &Conversation, sent: &Appended) {
    debug!(
        target: "crossing", step = "send", server = server.as_str(), user = from.as_str(), from = from.as_str(),
        to = to(conversation, from), conversation = conversation.as_str(), seq = sent.seq.0, duplicate = sent.repeat
    );
}

pub(crate) fn deliver(
    server: &Server,
    user: &User,
    entry: &Entry,
    offset: Useq,
    receivers: usize,
    missed: bool,
) {
    let to = to(&entry.conversation, &entry.sender);
    debug!(
        target: "crossing", step = "deliver", server = server.as_str(), user = user.as_str(),
        from = entry.sender.as_str(), to, conversation = entry.conversation.as_str(), seq = entry.seq.0,
        offset = offset.0, receivers, missed
    );
}

pub(crate) fn resume(server: &Server, user: &User, device: &Device, resumed: &Resumed) {
    debug!(
        target: "crossing", step = "resume", server = server.as_str(), user = user.as_str(),
        device = device.as_str(), offset = resumed.start.0, head = resumed.head.0,
        missed = resumed.head.0.saturating_sub(resumed.start.0)
    );
}

pub(crate) fn ack(server: &Server, user: &User, device: &Device, offset: Useq) {
    debug!(
        target: "crossing", step = "ack", server = server.as_str(), user = user.as_str(), device = device.as_str(),
        offset = offset.0
    );
}

pub(crate) fn publish(server: &Server, user: &str, channel: &str, receivers: u64) {
    debug!(target: "crossing", step = "publish", server = server.as_str(), user, channel, receivers);
}

/// Whom one writes to: the other of two, or a room.
fn to<'a>(conversation: &'a Conversation, from: &User) -> &'a str {
    other(conversation, from).map_or(conversation.as_str(), User::as_str)
}
