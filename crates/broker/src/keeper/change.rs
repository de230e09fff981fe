use bytes::Bytes;
use naru_ledger::channel::Channel;
use naru_store::Hold;
use serde::{Deserialize, Serialize};

use crate::{
    channels::ChannelChange,
    keyspace::{Body, KeyChange, Slot},
    ledger::LedgerChange,
    lists::{Element, ListChange},
    streams::{GroupChange, StreamChange},
    strings::StringChange,
};

/// One change of what is stored: an outcome, nothing left to decide. A record of the log holds the changes of one
/// operation. There is one variant for keys, one for each kind of value, the ledger's, and that of channels. The order of the variants and
/// of their fields is the format: new ones go to the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    Key(Bytes, KeyChange),
    Stream(Bytes, StreamChange),
    Ledger(LedgerChange),
    List(Bytes, ListChange),
    Text(Bytes, StringChange),
    /// All keys were deleted.
    Flushed,
    Channel(Channel, ChannelChange),
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
    /// A body that stands elsewhere from now on.
    pub(super) fn moved(key: &[u8], slot: Slot, body: Bytes) -> Change {
        let key = Bytes::copy_from_slice(key);
        match slot {
            Slot::Entry(id) => Change::Stream(key, StreamChange::Moved { id, body: body.into() }),
            Slot::Element(index) => {
                Change::List(key, ListChange::Set { index, element: Element::body(body) })
            }
        }
    }

    /// How the bodies that it brings along are held: those of keys until all keys are deleted.
    pub(super) fn hold(&self) -> Hold {
        match self {
            Change::Ledger(_) | Change::Channel(..) => Hold::Firm,
            Change::Key(..) | Change::Stream(..) | Change::List(..) | Change::Text(..) | Change::Flushed => {
                Hold::Loose
            }
        }
    }

    /// Visits the bodies that it brings along.
    pub(super) fn each_body(&mut self, visit: &mut dyn FnMut(&mut Body)) {
        match self {
            Change::Stream(_, StreamChange::Added { body, .. } | StreamChange::Moved { body, .. }) => {
                visit(body)
            }
            Change::List(_, ListChange::Pushed { elements, .. }) => elements.iter_mut().for_each(visit),
            Change::List(_, ListChange::Set { element, .. } | ListChange::Inserted { element, .. }) => {
                visit(element);
            }
            Change::Ledger(change) => change.each_body(visit),
            Change::Channel(_, change) => change.each_body(visit),
            _ => {}
        }
    }

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
            Change::Stream(key, change) => Some((key, of_stream(change))),
            Change::List(key, change) => {
                let waiters = matches!(change, ListChange::Pushed { .. });
                Some((key, Notice { watchers: true, waiters }))
            }
            Change::Text(key, _) => Some((key, Notice { watchers: true, waiters: false })),
            Change::Ledger(_) | Change::Channel(..) | Change::Flushed => None,
        }
    }
}

/// As in Redis a key counts as changed for those who watch it when its entries change, or when it is made; not when a
/// group does.
fn of_stream(change: &StreamChange) -> Notice {
    match change {
        StreamChange::Added { .. } => Notice { watchers: true, waiters: true },
        // Nobody can tell.
        StreamChange::Moved { .. } => Notice { watchers: false, waiters: false },
        StreamChange::Deleted { .. } | StreamChange::Trimmed { .. } => {
            Notice { watchers: true, waiters: false }
        }
        StreamChange::Group { change: GroupChange::Destroyed, .. } => {
            Notice { watchers: false, waiters: true }
        }
        StreamChange::Set { .. } | StreamChange::Group { .. } => Notice { watchers: false, waiters: false },
    }
}
