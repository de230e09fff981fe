//! An entry of a log as JSON.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Object, Word, string};
use crate::answer::{Content, Entry, Text};
use crate::conversation::ConversationError;
use crate::{Body, ClientId, Conversation, Kind, Millis, NameError, Role, Seq, UnknownWord, User};

/// Why bytes are not what they are taken for.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or not its members.
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
    /// A word of a later version's, or none.
    #[error(transparent)]
    Unknown(#[from] UnknownWord),
    /// A conversation's id is none.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It lacks what those of its kind have.
    #[error("an entry of kind {0} without what such have")]
    Incomplete(Kind),
}

/// Its members, as the documentation of [`Entry`] has them.
#[derive(Deserialize)]
pub(super) struct Written<'a> {
    #[serde(borrow)]
    conversation: Word<'a>,
    seq: Seq,
    prev: Seq,
    count: u64,
    #[serde(borrow)]
    kind: Word<'a>,
    #[serde(borrow)]
    from: Word<'a>,
    #[serde(borrow)]
    id: Option<Word<'a>>,
    at: Millis,
    target: Option<Seq>,
    #[serde(borrow)]
    role: Option<Word<'a>>,
    #[serde(default)]
    mentions: BTreeSet<User>,
    changed: Option<Seq>,
    #[serde(borrow, default, deserialize_with = "there")]
    body: Option<&'a RawValue>,
}

/// What is there is there, be it `null`.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Written<'_> {
    /// As an entry; of this conversation, if it is the one.
    pub(super) fn read(self, within: Option<&Conversation>) -> Result<Entry, JsonError> {
        let kind = Kind::parse(&self.kind.0)?;
        let content = content(kind, &self)?.ok_or(JsonError::Incomplete(kind))?;
        let conversation = match within.filter(|within| within.as_str() == self.conversation.0) {
            Some(within) => within.clone(),
            None => Conversation::parse(&self.conversation.0)?,
        };
        Ok(Entry {
            seq: self.seq,
            prev: self.prev,
            count: self.count,
            at: self.at,
            sender: conversation.user(&self.from.0)?,
            client_id: self.id.map(|id| ClientId::parse(&id.0)).transpose()?,
            content,
            conversation,
        })
    }
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
        serde_json::from_slice::<Written<'_>>(json)?.read(None)
    }
}

fn content(kind: Kind, written: &Written<'_>) -> Result<Option<Content>, UnknownWord> {
    let body = written.body.map(|body| Body::from(body.get().as_bytes()));
    let text = match (body.clone(), written.changed) {
        (Some(body), None) => Some(Text::AsSaid(body)),
        (Some(body), Some(by)) => Some(Text::Edited { body, by }),
        (None, Some(by)) => Some(Text::Deleted { by }),
        (None, None) => None,
    };
    let role = written.role.as_ref().map(|role| Role::parse(&role.0)).transpose()?;
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
