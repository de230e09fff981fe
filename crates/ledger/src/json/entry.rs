//! An entry of a log as JSON.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Object, string};
use crate::answer::{Content, Entry, Text};
use crate::{Body, ClientId, Conversation, Kind, Millis, Role, Seq, UnknownWord, User};

/// Why bytes are not what they are taken for.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or not its members.
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
    /// A word of a later version's, or none.
    #[error(transparent)]
    Unknown(#[from] UnknownWord),
    /// It lacks what those of its kind have.
    #[error("an entry of kind {0} without what such have")]
    Incomplete(Kind),
}

/// Its members, as the documentation of [`Entry`] has them.
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
    #[serde(default, deserialize_with = "there")]
    body: Option<Box<RawValue>>,
}

/// What is there is there, be it `null`.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Entry {
    /// Writes it as its documentation has it. Its body is JSON, as it was checked to be when it came in.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.reserve(self.bytes() + self.conversation.as_str().len() + 160);
        let mut object = Object::begin(out);
        object.text("conversation", self.conversation.as_str());
        object.number("seq", self.seq.0);
        object.number("prev", self.prev.0);
        object.number("count", self.count);
        object.text("kind", self.kind().as_str());
        object.text("from", self.sender.as_str());
        if let Some(id) = &self.client_id {
            object.text("id", id.as_str());
        }
        object.number("at", self.at.0);
        match &self.content {
            Content::Reaction { target, .. } | Content::Edit { target, .. } | Content::Delete { target } => {
                object.number("target", target.0);
            }
            Content::Join { role } | Content::Role { role } => object.text("role", role.as_str()),
            Content::Message { mentions, .. } if !mentions.is_empty() => {
                object.list("mentions", mentions.iter(), |out, user| string(out, user.as_str()));
            }
            _ => {}
        }
        if let Some(changed) = self.text().and_then(Text::changed) {
            object.number("changed", changed.0);
        }
        if let Some(body) = self.body() {
            object.raw("body", body.as_bytes());
        }
        object.end();
    }

    /// Reads what was written so.
    pub fn from_json(json: &[u8]) -> Result<Entry, JsonError> {
        let written: Written = serde_json::from_slice(json)?;
        let kind = Kind::parse(&written.kind)?;
        let content = content(kind, &written)?.ok_or(JsonError::Incomplete(kind))?;
        let Written { conversation, seq, prev, count, at, from, id, .. } = written;
        Ok(Entry { conversation, seq, prev, count, at, sender: from, client_id: id, content })
    }
}

fn content(kind: Kind, written: &Written) -> Result<Option<Content>, UnknownWord> {
    let body = written.body.as_ref().map(|body| Body::from(body.get().as_bytes()));
    let text = match (body.clone(), written.changed) {
        (Some(body), None) => Some(Text::AsSaid(body)),
        (Some(body), Some(by)) => Some(Text::Edited { body, by }),
        (None, Some(by)) => Some(Text::Deleted { by }),
        (None, None) => None,
    };
    let role = written.role.as_deref().map(Role::parse).transpose()?;
    let target = written.target;
    Ok(match kind {
        Kind::Message => text.map(|text| Content::Message { text, mentions: written.mentions.clone() }),
        Kind::Reaction => text.zip(target).map(|(text, target)| Content::Reaction { target, text }),
        Kind::System => text.map(|text| Content::System { text }),
        Kind::Edit => target.map(|target| Content::Edit { target, body }),
        Kind::Delete => target.map(|target| Content::Delete { target }),
        Kind::Join => role.map(|role| Content::Join { role }),
        Kind::Leave => Some(Content::Leave),
        Kind::Role => role.map(|role| Content::Role { role }),
        Kind::Broadcast => Some(Content::Broadcast),
    })
}
