//! What servers are told of what has come into the inboxes of those they hold.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Object, number, string};
use crate::answer::PointerKind;
use crate::{Body, Conversation, Seq, Server, Useq, User};

/// The most bytes an entry's JSON may have to be told along; a larger one is read from the log.
pub const ENTRY_BYTES_MAX: usize = 4 * 1024;

/// One publication to one server, about all whom it holds.
///
/// `{"conversation":"room:general", "seq":7, "kind":"message", "to":[["bob",41,6], …], "entry"?:{…}}`
///
/// without spaces, on the [channel of the server](server_channel). A room in broadcast mode has it with an empty `to` on the
/// [channel of its own](room_channel). It is not repeated when it is lost: who hears of a useq that does not follow the one
/// before resumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where something happened.
    pub conversation: Conversation,
    /// Up to which entry it has come.
    pub seq: Seq,
    /// The entry's kind, or that it was read.
    pub kind: PointerKind,
    /// Into whose inboxes.
    pub to: Vec<To>,
    /// The [entry](crate::answer::Entry)'s JSON, if it has at most [`ENTRY_BYTES_MAX`] and was not just read.
    pub entry: Option<Body>,
}

/// One whose inbox has changed.
///
/// `[user, useq, after]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct To {
    /// Who.
    pub user: User,
    /// As in [`Delivered`](crate::answer::Delivered).
    pub useq: Useq,
    /// As in [`Delivered`](crate::answer::Delivered).
    pub after: Seq,
}

/// The channel of a server.
pub fn server_channel(server: &Server) -> String {
    format!("naru:server:{server}")
}

/// The channel of a room in broadcast mode.
pub fn room_channel(conversation: &Conversation) -> String {
    format!("naru:room:{conversation}")
}

#[derive(Deserialize)]
struct Written {
    conversation: Conversation,
    seq: Seq,
    kind: String,
    to: Vec<To>,
    entry: Option<Box<RawValue>>,
}

impl Told {
    /// Writes it as it is published.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("conversation", self.conversation.as_str());
        object.number("seq", self.seq.0);
        object.text("kind", self.kind.as_str());
        object.list("to", self.to.iter(), |out, to| {
            out.push(b'[');
            string(out, to.user.as_str());
            out.push(b',');
            number(out, to.useq.0);
            out.push(b',');
            number(out, to.after.0);
            out.push(b']');
        });
        if let Some(entry) = &self.entry {
            object.raw("entry", entry.as_bytes());
        }
        object.end();
    }

    /// Reads what was published. The entry is not looked into.
    pub fn from_json(json: &[u8]) -> Result<Told, super::JsonError> {
        let Written { conversation, seq, kind, to, entry } = serde_json::from_slice(json)?;
        let entry = entry.map(|entry| Body::from(entry.get().as_bytes()));
        Ok(Told { conversation, seq, kind: PointerKind::parse(&kind)?, to, entry })
    }
}
