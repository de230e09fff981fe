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

/// Reads an entry of a reply.
pub(super) fn read(value: Value) -> Result<Entry, BusError> {
    let Value::BulkString(json) = value else {
        return Err(wrong("an entry that is no text"));
    };
    parse(&json)
}

/// Reads an entry.
pub(super) fn parse(json: &[u8]) -> Result<Entry, BusError> {
    let written: Written = serde_json::from_slice(json)
        .map_err(|error| wrong(&format!("an entry that cannot be read: {error}")))?;
    let kind = Kind::parse(&written.kind).map_err(|error| wrong(&error.to_string()))?;
    let content = content(kind, &written).ok_or_else(|| wrong("an entry without what its kind has"))?;
    let Written { conversation, seq, prev, count, at, from, id, .. } = written;
    Ok(Entry { conversation, seq, prev, count, at, sender: from, client_id: id, content })
}

/// Writes an entry as the ledger does. Its body goes in as it is.
pub fn json(entry: &Entry) -> String {
    let Entry { conversation, seq, prev, count, at, sender, client_id, content } = entry;
    let mut json = format!(
        "{{\"conversation\":{},\"seq\":{seq},\"prev\":{prev},\"count\":{count},\"kind\":\"{}\",\"from\":{}",
        quoted(conversation.as_str()),
        entry.kind(),
        quoted(sender.as_str()),
    );
    let mut member = |name: &str, value: &str| {
        json.extend([",\"", name, "\":", value]);
    };
    if let Some(id) = client_id {
        member("id", &quoted(id.as_str()));
    }
    member("at", &at.0.to_string());
    match content {
        Content::Reaction { target, .. } | Content::Edit { target, .. } | Content::Delete { target } => {
            member("target", &target.to_string());
        }
        Content::Join { role } | Content::Role { role } => member("role", &quoted(role.as_str())),
        Content::Message { .. } | Content::System { .. } | Content::Leave | Content::Broadcast => {}
    }
    let mentions: Vec<String> = entry.mentions().map(|user| quoted(user.as_str())).collect();
    if !mentions.is_empty() {
        member("mentions", &format!("[{}]", mentions.join(",")));
    }
    if let Some(by) = entry.text().and_then(Text::changed) {
        member("changed", &by.to_string());
    }
    if let Some(body) = entry.body() {
        member("body", &String::from_utf8_lossy(body.as_bytes()));
    }
    json.push('}');
    json
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
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
