//! What servers are told of what has come into the inboxes of those they hold.

use serde::Deserialize;

use super::{Object, Word, entry, number, string};
use crate::answer::{Entry, PointerKind};
use crate::{Body, Conversation, NameError, Seq, Server, Useq, User};

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Told {
    /// Writes it as it is published.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let Told { conversation, seq, kind, to, entry } = self;
        let entry = entry.as_ref().map(Body::as_bytes);
        out.reserve(ROOM_BYTES + to.len() * ROOM_OF_EACH_BYTES + entry.map_or(0, <[u8]>::len));
        let mut object = Object::begin(out);
        object.text("conversation", conversation.as_str());
        object.number("seq", seq.0);
        object.text("kind", kind.as_str());
        object.list("to", to.iter(), |out, to| {
            out.push(b'[');
            string(out, to.user.as_str());
            out.push(b',');
            number(out, to.useq.0);
            out.push(b',');
            number(out, to.after.0);
            out.push(b']');
        });
        if let Some(entry) = entry {
            object.raw("entry", entry);
        }
        object.end();
    }
}

/// What is usually enough for a publication without those it is for, and for each of them.
const ROOM_BYTES: usize = 128;
const ROOM_OF_EACH_BYTES: usize = 32;

/// What was [`Told`], as a server hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Where something happened.
    pub conversation: Conversation,
    /// Up to which entry it has come.
    pub seq: Seq,
    /// What it is about.
    pub kind: PointerKind,
    /// Into whose inboxes.
    pub to: Vec<To>,
    /// The entry, read.
    pub entry: Option<Entry>,
}

#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    conversation: Word<'a>,
    seq: Seq,
    #[serde(borrow)]
    kind: Word<'a>,
    #[serde(borrow)]
    to: Vec<WrittenTo<'a>>,
    #[serde(borrow)]
    entry: Option<entry::Written<'a>>,
}

#[derive(Deserialize)]
struct WrittenTo<'a> {
    #[serde(borrow)]
    user: Word<'a>,
    useq: Useq,
    after: Seq,
}

impl Heard {
    /// Reads what was published, and the entry with it: it is all heard on one thread, one after the other.
    pub fn from_json(json: &[u8]) -> Result<Heard, super::JsonError> {
        let Written { conversation, seq, kind, to: written_to, entry } = serde_json::from_slice(json)?;
        let conversation = Conversation::parse(&conversation.0)?;
        let to = |WrittenTo { user, useq, after }| {
            Ok::<_, NameError>(To { user: conversation.user(&user.0)?, useq, after })
        };
        Ok(Heard {
            seq,
            kind: PointerKind::parse(&kind.0)?,
            to: written_to.into_iter().map(to).collect::<Result<_, _>>()?,
            entry: entry.map(|entry| entry.read(Some(&conversation))).transpose()?,
            conversation,
        })
    }
}
