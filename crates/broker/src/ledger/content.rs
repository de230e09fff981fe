//! What an entry says, as it is stored: apart from its log, which knows its place.

use bytes::Bytes;
use naru_ledger::{Body, ClientId, Kind, Millis, Role, Seq, User};
use serde::{Deserialize, Serialize};

/// What an entry says, but for what its log knows of it. Stored with the body last, as it came. The order of the fields is a
/// format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) at: Millis,
    pub(crate) sender: User,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) about: About,
    /// None where it is gone, and with kinds that have none.
    #[serde(skip)]
    pub(crate) body: Option<Body>,
}

/// What kind of entry it is, and what goes with that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum About {
    Message { reads: Reads, mentions: Vec<User> },
    Reaction { target: Seq, reads: Reads },
    System { reads: Reads },
    Edit { target: Seq },
    Delete { target: Seq },
    Join { role: Role },
    Leave,
    Role { role: Role },
    Broadcast,
}

/// Whether what was said still reads so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reads {
    AsSaid,
    /// As the entry of this number has it.
    Edited(Seq),
    /// It is gone, by the entry of this number.
    Deleted(Seq),
}

impl About {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            About::Message { .. } => Kind::Message,
            About::Reaction { .. } => Kind::Reaction,
            About::System { .. } => Kind::System,
            About::Edit { .. } => Kind::Edit,
            About::Delete { .. } => Kind::Delete,
            About::Join { .. } => Kind::Join,
            About::Leave => Kind::Leave,
            About::Role { .. } => Kind::Role,
            About::Broadcast => Kind::Broadcast,
        }
    }

    /// How what was said reads; none where nothing was.
    pub(crate) fn reads(&self) -> Option<Reads> {
        match self {
            About::Message { reads, .. } | About::Reaction { reads, .. } | About::System { reads } => {
                Some(*reads)
            }
            _ => None,
        }
    }

    pub(crate) fn reads_mut(&mut self) -> Option<&mut Reads> {
        match self {
            About::Message { reads, .. } | About::Reaction { reads, .. } | About::System { reads } => {
                Some(reads)
            }
            _ => None,
        }
    }

    /// Who is mentioned.
    pub(crate) fn mentions(&self) -> &[User] {
        match self {
            About::Message { mentions, .. } => mentions,
            _ => &[],
        }
    }

    fn has_body(&self) -> bool {
        self.reads().is_some_and(|reads| !matches!(reads, Reads::Deleted(_)))
    }
}

/// Why writing it cannot fail.
const WRITABLE: &str = "postcard can write all of it, and a vector takes all that is written";

impl Content {
    /// As it is stored.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let body = self.body.as_ref().map_or(&[][..], Body::as_bytes);
        let mut bytes = Vec::with_capacity(64 + body.len());
        bytes = postcard::to_extend(self, bytes).expect(WRITABLE);
        bytes.extend_from_slice(body);
        bytes.into()
    }

    /// Reads what was stored; none if that is nothing of the kind.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Content> {
        let (mut content, body) = postcard::take_from_bytes::<Content>(bytes).ok()?;
        if content.about.has_body() {
            content.body = Some(body.into());
        } else if !body.is_empty() {
            return None;
        }
        Some(content)
    }
}
