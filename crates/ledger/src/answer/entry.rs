//! What a log says.

use std::collections::BTreeSet;

use crate::{Body, ClientId, Conversation, Kind, Millis, Role, Seq, User};

/// An entry of a log, as it reads now.
///
/// A bulk string with JSON, its members in this order; those with ? are there only where they say something:
///
/// `{"conversation":"room:general", "seq":7, "prev":6, "count":5, "kind":"message", "from":"alice", "id"?:"c1",
/// "at":1700000000000, "target"?:3, "role"?:"member", "mentions"?:["bob"], "changed"?:9, "body"?:{…}}`
///
/// without spaces, the body as it came, the mentioned in byte order. `id` is missing in the ledger's own (join, leave, role,
/// broadcast). `target` is that of a reaction, an edit or a deletion; `role` that of a join or role. `changed` is the edit or
/// deletion by which what was said reads as it does; with it and without `body` it is deleted. An edit's body is its target's as
/// that reads now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which log.
    pub conversation: Conversation,
    /// Its number.
    pub seq: Seq,
    /// The number of the entry before it, 0 for the first, also if that is trimmed.
    pub prev: Seq,
    /// How many messages the conversation has had with it.
    pub count: u64,
    /// When it was stored.
    pub at: Millis,
    /// Who said it; for a member's changes the member.
    pub sender: User,
    /// What the sender's client called it; none in the ledger's own.
    pub client_id: Option<ClientId>,
    /// What it says.
    pub content: Content,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Something said.
    Message {
        /// What.
        text: Text,
        /// Who is mentioned.
        mentions: BTreeSet<User>,
    },
    /// An answer to a message.
    Reaction {
        /// Which.
        target: Seq,
        /// What.
        text: Text,
    },
    /// A line of the application's.
    System {
        /// What.
        text: Text,
    },
    /// A message reads differently.
    Edit {
        /// Which.
        target: Seq,
        /// How the target reads now, which may be by a later edit; none if it has been deleted since or is trimmed.
        body: Option<Body>,
    },
    /// What an entry said is gone.
    Delete {
        /// Which.
        target: Seq,
    },
    /// The sender has joined.
    Join {
        /// As what.
        role: Role,
    },
    /// The sender has left.
    Leave,
    /// The sender has another role.
    Role {
        /// Which.
        role: Role,
    },
    /// From the next entry on the room is in broadcast mode.
    Broadcast,
}

/// What was said, as it reads now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// As it was appended.
    AsSaid(Body),
    /// Otherwise.
    Edited {
        /// How it reads.
        body: Body,
        /// By which entry.
        by: Seq,
    },
    /// Gone.
    Deleted {
        /// By which entry.
        by: Seq,
    },
}

impl Entry {
    /// What kind of entry it is.
    pub fn kind(&self) -> Kind {
        match self.content {
            Content::Message { .. } => Kind::Message,
            Content::Reaction { .. } => Kind::Reaction,
            Content::System { .. } => Kind::System,
            Content::Edit { .. } => Kind::Edit,
            Content::Delete { .. } => Kind::Delete,
            Content::Join { .. } => Kind::Join,
            Content::Leave => Kind::Leave,
            Content::Role { .. } => Kind::Role,
            Content::Broadcast => Kind::Broadcast,
        }
    }

    /// What was said here, if anything can be.
    pub fn text(&self) -> Option<&Text> {
        match &self.content {
            Content::Message { text, .. } | Content::Reaction { text, .. } | Content::System { text } => {
                Some(text)
            }
            _ => None,
        }
    }

    /// Whom it mentions.
    pub fn mentions(&self) -> impl Iterator<Item = &User> {
        match &self.content {
            Content::Message { mentions, .. } => Some(mentions.iter()),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    /// Its body as it reads now.
    pub fn body(&self) -> Option<&Body> {
        match &self.content {
            Content::Edit { body, .. } => body.as_ref(),
            _ => self.text().and_then(Text::body),
        }
    }

    /// The bytes of its body as it reads now and of the names of who said it, who is mentioned, and its own. What a page is
    /// measured by; an encoding adds its own.
    pub fn bytes(&self) -> usize {
        self.body().map_or(0, |body| body.as_bytes().len())
            + self.sender.as_str().len()
            + self.client_id.as_ref().map_or(0, |id| id.as_str().len())
            + self.mentions().map(|user| user.as_str().len()).sum::<usize>()
    }
}

impl Text {
    /// The body, unless it is gone.
    pub fn body(&self) -> Option<&Body> {
        match self {
            Text::AsSaid(body) | Text::Edited { body, .. } => Some(body),
            Text::Deleted { .. } => None,
        }
    }

    /// By which entry it reads as it does, if it is not as it was said.
    pub fn changed(&self) -> Option<Seq> {
        match self {
            Text::AsSaid(_) => None,
            Text::Edited { by, .. } | Text::Deleted { by } => Some(*by),
        }
    }
}

/// A page of a log.
///
/// `[trimmed, head, more, [entry, …]]`
///
/// If a reader asks for what comes after a number below `trimmed`, retention has passed it, and it has a hole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The last entry that retention has removed, 0 if none.
    pub trimmed: Seq,
    /// The last entry there is, 0 if none.
    pub head: Seq,
    /// Whether there are more in the direction of reading.
    pub more: bool,
    /// Oldest first, whatever the direction.
    pub entries: Vec<Entry>,
}
