//! The first form of the ledger, in which a gateway asks until it asks by [`Op`](naru_ledger::Op): direct messages only. It
//! goes with the last who uses it.

use std::fmt;

use naru_ledger::{ClientId, Device, User};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::bus::Bus;
use crate::error::BusError;
use crate::reply::{self, Fields};

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

/// A message that came into the inbox of a user this server holds a connection of.
#[derive(Debug, Clone, Deserialize)]
pub struct Delivery {
    /// Whose inbox.
    pub user: String,
    /// The life of the ledger that the entry's offset belongs to.
    pub epoch: String,
    /// The message, with its offset.
    pub entry: Entry,
}

impl Bus {
    /// Stores a message and passes it on. Answered after it is durable; sent twice, it is stored once.
    pub async fn first_send(&self, message: NewMessage) -> Result<Sent, BusError> {
        let NewMessage { from, to, id, body } = message;
        let mut command = redis::cmd("NARU.SEND");
        command.arg(from.as_str()).arg(to.as_str()).arg(id.as_str()).arg(body.get());
        let mut fields = Fields::of(self.call(&command).await?)?;
        Ok(Sent {
            conversation: fields.text()?,
            seq: fields.number()?,
            at: fields.number()?,
            duplicate: fields.flag()?,
        })
    }

    /// What the device has missed: after `position`, or after its cursor when there is none.
    pub async fn first_resume(
        &self,
        user: &User,
        device: &Device,
        position: Option<Position>,
        limit: u32,
    ) -> Result<Resumed, BusError> {
        let Position { epoch, offset } = position.unwrap_or(Position { epoch: String::new(), offset: 0 });
        let mut command = redis::cmd("NARU.RESUME");
        command.arg(user.as_str()).arg(device.as_str()).arg(epoch).arg(offset).arg(limit);
        let mut fields = Fields::of(self.call(&command).await?)?;
        Ok(Resumed {
            epoch: fields.text()?,
            cursor: fields.number()?,
            head: fields.number()?,
            start: fields.number()?,
            recovered: fields.flag()?,
            more: fields.flag()?,
            entries: fields.entries()?,
        })
    }

    /// The entries of a user's inbox after an offset.
    pub async fn first_entries(&self, user: &User, after: u64, limit: u32) -> Result<Page, BusError> {
        let mut command = redis::cmd("NARU.ENTRIES");
        command.arg(user.as_str()).arg(after).arg(limit);
        let mut fields = Fields::of(self.call(&command).await?)?;
        Ok(Page { head: fields.number()?, more: fields.flag()?, entries: fields.entries()? })
    }

    /// Acknowledges a device's inbox up to an offset; answers where the cursor stands.
    pub async fn first_ack(&self, user: &User, device: &Device, offset: u64) -> Result<u64, BusError> {
        let mut command = redis::cmd("NARU.ACK");
        command.arg(user.as_str()).arg(device.as_str()).arg(offset);
        reply::number(self.call(&command).await?)
    }

    /// A page of a conversation the user takes part in: the newest, or what is older than `before`.
    pub async fn first_history(
        &self,
        user: &User,
        conversation: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<History, BusError> {
        let mut command = redis::cmd("NARU.HISTORY");
        command.arg(user.as_str()).arg(conversation).arg(before.unwrap_or(0)).arg(limit);
        let mut fields = Fields::of(self.call(&command).await?)?;
        Ok(History { more: fields.flag()?, entries: fields.entries()? })
    }
}
