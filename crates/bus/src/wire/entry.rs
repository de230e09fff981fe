//! An entry of a log, which travels as JSON.

use std::collections::BTreeSet;

use naru_ledger::answer::{Content, Entry, Text};
use naru_ledger::{Body, ClientId, Conversation, Kind, Millis, Role, Seq, User};
use redis::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::BusError;
use crate::reply::wrong;

/// As [`Entry`]'s documentation has it.
#[derive(Deserialize)]
struct Written {
    conversation: Conversation,
    seq: Seq,
    prev: Seq,
    count: u64,
    kind: String,
    from: User,
    id: Option<ClientId>,
    at: Millis,
    target: Option<Seq>,
    role: Option<String>,
    #[serde(default)]
    mentions: BTreeSet<User>,
    changed: Option<Seq>,
    body: Option<Box<RawValue>>,
}

/// Reads an entry.
pub(super) fn read(value: Value) -> Result<Entry, BusError> {
    let Value::BulkString(json) = value else {
        return Err(wrong("an entry that is no text"));
    };
    let written: Written = serde_json::from_slice(&json)
        .map_err(|error| wrong(&format!("an entry that cannot be read: {error}")))?;
    let kind = Kind::parse(&written.kind).map_err(|error| wrong(&error.to_string()))?;
    let content = content(kind, &written).ok_or_else(|| wrong("an entry without what its kind has"))?;
    let Written { conversation, seq, prev, count, at, from, id, .. } = written;
    Ok(Entry { conversation, seq, prev, count, at, sender: from, client_id: id, content })
}

fn content(kind: Kind, written: &Written) -> Option<Content> {
    let body = written.body.as_ref().map(|body| Body::from(body.get().as_bytes()));
    let text = || match (body.clone(), written.changed) {
        (Some(body), None) => Some(Text::AsSaid(body)),
        (Some(body), Some(by)) => Some(Text::Edited { body, by }),
        (None, Some(by)) => Some(Text::Deleted { by }),
        (None, None) => None,
    };
    let role = || Role::parse(written.role.as_ref()?).ok();
    Some(match kind {
        Kind::Message => Content::Message { text: text()?, mentions: written.mentions.clone() },
        Kind::Reaction => Content::Reaction { target: written.target?, text: text()? },
        Kind::System => Content::System { text: text()? },
        Kind::Edit => Content::Edit { target: written.target?, body },
        Kind::Delete => Content::Delete { target: written.target? },
        Kind::Join => Content::Join { role: role()? },
        Kind::Leave => Content::Leave,
        Kind::Role => Content::Role { role: role()? },
        Kind::Broadcast => Content::Broadcast,
    })
}
