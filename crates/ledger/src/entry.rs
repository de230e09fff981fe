//! What a device sees, and how much of it at once.

use crate::body::Body;
use crate::conversation::Direct;
use crate::names::{ClientId, User};
use crate::position::{Millis, Seq, Useq};

/// One message, as one user's device sees it. Cheap to clone: names and body are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the user's inbox; none when it was read from the conversation.
    pub useq: Option<Useq>,
    /// Where it was said.
    pub conversation: Direct,
    /// Its place in the conversation.
    pub seq: Seq,
    /// Who said it.
    pub from: User,
    /// To whom: the sender themselves in notes to oneself.
    pub to: User,
    /// What the sender's client called it.
    pub id: ClientId,
    /// When it was stored.
    pub at: Millis,
    /// What was said.
    pub body: Body,
}

impl Entry {
    /// The bytes of its texts and its body, which is what [`Portion::bytes_max`] counts. An encoding adds its own.
    pub fn bytes(&self) -> usize {
        self.conversation.as_str().len()
            + self.from.as_str().len()
            + self.to.as_str().len()
            + self.id.as_str().len()
            + self.body.as_bytes().len()
    }
}

/// How much to read at once. One entry is read even if it alone is over the bytes, so reading gets on.
#[derive(Debug, Clone, Copy)]
pub struct Portion {
    /// At most this many entries; taken as 1 if it is 0, and never above [`BATCH_ENTRIES_MAX`].
    ///
    /// [`BATCH_ENTRIES_MAX`]: crate::limits::BATCH_ENTRIES_MAX
    pub entries_max: usize,
    /// At most this many [`Entry::bytes`] together.
    pub bytes_max: usize,
}

/// Entries of one reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// What was read, oldest first.
    pub entries: Vec<Entry>,
    /// Whether there is more in the direction of reading.
    pub more: bool,
}

impl Batch {
    /// Takes entries until one limit is met. What would not fit is left, and said to be `more`.
    pub(crate) fn fill(entries: impl Iterator<Item = Entry>, portion: Portion) -> Batch {
        let mut batch = Batch::default();
        let mut bytes_left = portion.bytes_max;
        for entry in entries {
            let bytes = entry.bytes();
            let full = batch.entries.len() >= portion.entries_max || bytes > bytes_left;
            if full && !batch.entries.is_empty() {
                batch.more = true;
                break;
            }
            bytes_left = bytes_left.saturating_sub(bytes);
            batch.entries.push(entry);
        }
        batch
    }
}
