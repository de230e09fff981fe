use bytes::Bytes;
use naru_ledger::Effect;
use serde::{Deserialize, Serialize};

use crate::streams::{Fields, StreamId};

/// One change of what is stored: an outcome, nothing left to decide. A record of the log holds the changes of one
/// operation. The order of the variants and of their fields is the format: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    /// An entry was added; the stream is made if it is not there.
    EntryAdded { key: Bytes, id: StreamId, fields: Fields },
    /// These entries were deleted.
    EntriesDeleted { key: Bytes, ids: Vec<StreamId> },
    /// All entries below this id were deleted.
    Trimmed { key: Bytes, below: StreamId },
    /// The key and all it held were deleted.
    KeyDeleted { key: Bytes },
    /// A change of the ledger.
    Ledger(Effect),
}

impl Change {
    /// The key whose value it changes.
    pub(super) fn key(&self) -> Option<&Bytes> {
        match self {
            Change::EntryAdded { key, .. }
            | Change::EntriesDeleted { key, .. }
            | Change::Trimmed { key, .. }
            | Change::KeyDeleted { key } => Some(key),
            Change::Ledger(_) => None,
        }
    }
}
