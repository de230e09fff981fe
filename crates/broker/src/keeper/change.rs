use bytes::Bytes;
use naru_ledger::Effect;
use serde::{Deserialize, Serialize};

use crate::{keyspace::KeyChange, lists::ListChange, streams::StreamChange, strings::StringChange};

/// One change of what is stored: an outcome, nothing left to decide. A record of the log holds the changes of one
/// operation. There is one variant for keys, one for each kind of value, and the ledger's. The order of the variants and
/// of their fields is the format: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    Key(Bytes, KeyChange),
    Stream(Bytes, StreamChange),
    Ledger(Effect),
    List(Bytes, ListChange),
    Text(Bytes, StringChange),
    /// All keys were deleted.
    Flushed,
}

/// Who is to know of a change of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Whoever watches the key.
    pub(super) watchers: bool,
    /// Whoever waits for it: there may be something for them, or the key is gone.
    pub(super) waiters: bool,
}

impl Change {
    /// The second key that it changes, where everybody is to know.
    pub(super) fn target(&self) -> Option<&Bytes> {
        match self {
            Change::Key(_, KeyChange::Renamed { to }) => Some(to),
            _ => None,
        }
    }

    /// The key that it changes, and who is to know.
    pub(super) fn key(&self) -> Option<(&Bytes, Notice)> {
        match self {
            Change::Key(key, change) => {
                Some((key, Notice { watchers: true, waiters: !matches!(change, KeyChange::Expires(_)) }))
            }
            Change::Stream(key, change) => {
                let waiters = matches!(change, StreamChange::Added { .. });
                Some((key, Notice { watchers: true, waiters }))
            }
            Change::List(key, change) => {
                let waiters = matches!(change, ListChange::Pushed { .. });
                Some((key, Notice { watchers: true, waiters }))
            }
            Change::Text(key, _) => Some((key, Notice { watchers: true, waiters: false })),
            Change::Ledger(_) | Change::Flushed => None,
        }
    }
}
