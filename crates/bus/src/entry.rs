//! What goes over the link: messages, where a device stands, and pages of both.

use std::fmt;

use naru_ledger::{ClientId, User};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A message from one user to another, not stored yet.
pub struct NewMessage {
    /// Who writes.
    pub from: User,
    /// Who it is for.
    pub to: User,
    /// The name the sender's client gave it: a repeat stores nothing.
    pub id: ClientId,
    /// What it says: any JSON.
    pub body: Box<RawValue>,
}

/// Where a message went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The conversation's id, as `dm:alice:bob`.
    pub conversation: String,
    /// The message's number in it, from 1.
    pub seq: u64,
    /// When it was stored: milliseconds since 1970 in UTC.
    pub at: u64,
    /// Whether it had been sent before; the other fields are those of the first time.
    pub duplicate: bool,
}

/// A message as a device sees it: JSON between broker and gateway.
#[derive(Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Its number in the inbox it is read from; absent in a page of history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The conversation's id, as `dm:alice:bob`.
    pub conversation: String,
    /// Its number in the conversation, from 1.
    pub seq: u64,
    /// Who wrote it.
    pub from: String,
    /// Who it is for.
    pub to: String,
    /// The name the sender's client gave it.
    pub id: String,
    /// When it was stored: milliseconds since 1970 in UTC.
    pub at: u64,
    /// What it says: any JSON.
    pub body: Box<RawValue>,
}

impl fmt::Debug for Entry {
    /// The body's length only: bodies never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("offset", &self.offset)
            .field("conversation", &self.conversation)
            .field("seq", &self.seq)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("id", &self.id)
            .field("at", &self.at)
            .field("body_bytes", &self.body.get().len())
            .finish()
    }
}

/// Where a client says it stands in an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The life of the ledger that gave the offset.
    pub epoch: String,
    /// The last offset it has seen.
    pub offset: u64,
}

/// What a device has missed.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// The life of the ledger that the offsets belong to.
    pub epoch: String,
    /// How far the device has acknowledged.
    pub cursor: u64,
    /// The offset of the newest entry.
    pub head: u64,
    /// The entries are those after this offset.
    pub start: u64,
    /// Whether that continues where the client said it stood: nothing lies between.
    pub recovered: bool,
    /// In order, without holes, at most as many as were asked for.
    pub entries: Vec<Entry>,
    /// Whether there are further ones up to `head`.
    pub more: bool,
}

/// A stretch of an inbox.
#[derive(Debug, Clone)]
pub struct Page {
    /// The offset of the newest entry.
    pub head: u64,
    /// In order, without holes, at most as many as were asked for.
    pub entries: Vec<Entry>,
    /// Whether there are further ones up to `head`.
    pub more: bool,
}

/// A stretch of a conversation.
#[derive(Debug, Clone)]
pub struct History {
    /// In the broker's order, at most as many as were asked for.
    pub entries: Vec<Entry>,
    /// Whether there are older ones.
    pub more: bool,
}
