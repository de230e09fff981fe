use std::sync::Arc;

use naru_ledger::{Epoch, channel::Channel};
use naru_store::{Address, Load, Lsn};

use super::{
    apply::apply,
    change::Change,
    checkpoint::Piece,
    journal::{CHECK_BYTES, RECORD_BYTES_MAX, changes_of},
};
use crate::{
    channels::{self, ChannelChange, Channels, Kept},
    config::Config,
    keyspace::{Body, KeyChange, Keyspace, Value, WrongType},
    ledger::{Head, IdKey, Ledger, LedgerChange, Misfit, Subject},
    lists::{Element, ListChange},
    streams::{GroupChange, Stream, StreamChange, StreamId, is_countable},
    strings::StringChange,
};
use known::Known;

/// A record, or a piece of a checkpoint, that is whole, and yet makes no sense here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] postcard::Error),
    #[error(transparent)]
    Misfit(#[from] Misfit),
    #[error("it changes a key that holds something of another kind")]
    WrongType(#[from] WrongType),
    #[error("it does not fit: {0}")]
    Channel(#[from] channels::Misfit),
    #[error("it says what cannot be: {0}")]
    Impossible(&'static str),
}

/// Takes back in what is stored: a checkpoint, and the records behind it.
pub(super) struct Loading {
    pub(super) keyspace: Keyspace,
    pub(super) ledger: Ledger,
    pub(super) channels: Channels,
    config: Arc<Config>,
    /// Some of it may be lost: numbers without anything, and the same once more from another checkpoint.
    pub(super) bears_holes: bool,
    /// What keys of the checkpoint know. A number that is used again is another key's, which is younger than that.
    known: Known,
    known_conversations: Known,
    known_people: Known,
    known_channels: Known,
    /// The record that the rest of the checkpoint's ledger was true at.
    known_head: Lsn,
    /// What the ledger began with is there: without it nobody knows its secret.
    pub(super) has_head: bool,
    /// Parts of a piece that is not complete.
    pub(super) parts: Vec<u8>,
    /// Why nothing more is taken in: the record, or zero for a piece, and what is wrong with it.
    pub(super) failed: Option<(Lsn, LoadError)>,
    /// Bytes of the checkpoint.
    pub(super) checkpoint_bytes: u64,
    /// Where the records behind it begin.
    pub(super) replayed_from: Option<Address>,
}

impl Loading {
    pub(super) fn new(ledger: Ledger, config: Arc<Config>) -> Loading {
        Loading {
            keyspace: Keyspace::default(),
            ledger,
            channels: Channels::default(),
            config,
            bears_holes: false,
            known: Known::default(),
            known_conversations: Known::default(),
            known_people: Known::default(),
            known_channels: Known::default(),
            known_head: Lsn::ZERO,
            has_head: false,
            parts: Vec::new(),
            failed: None,
            checkpoint_bytes: 0,
            replayed_from: None,
        }
    }

    /// For who only looks at what is stored: what it begins with is in nobody's hands.
    pub(super) fn to_look() -> Loading {
        let epoch = Epoch::parse("none").expect("a word is an epoch");
        let head = Head::new(epoch, IdKey::new([0; 16]));
        Loading::new(Ledger::new(head), Arc::new(Config::by_default()))
    }

    pub(super) fn take_piece(&mut self, piece: &[u8]) -> Result<(), LoadError> {
        let piece = match postcard::from_bytes(piece)? {
            Piece::Part { is_first, is_last, bytes } => {
                if is_first {
                    self.parts.clear();
                }
                self.parts.extend_from_slice(&bytes);
                if !is_last {
                    return Ok(());
                }
                postcard::from_bytes(&std::mem::take(&mut self.parts))?
            }
            whole => whole,
        };
        match piece {
            Piece::Ledger(lsn, head) => {
                self.ledger.put_head(*head);
                self.known_head = Lsn::new(lsn);
                self.has_head = true;
            }
            Piece::Conversations(lsn, conversations) => {
                // One that does not fit is no reason to lose those behind it.
                let mut taken = Ok(());
                for (number, conversation) in conversations {
                    if self.bears_holes {
                        self.ledger.vacate_conversation(number);
                    }
                    match self.ledger.put_conversation(number, conversation) {
                        Ok(()) => self.known_conversations.note(number.index(), Lsn::new(lsn)),
                        Err(misfit) => taken = taken.and(Err(misfit)),
                    }
                }
                taken?;
            }
            Piece::People(lsn, people) => {
                let mut taken = Ok(());
                for (number, person) in people {
                    if self.bears_holes {
                        self.ledger.vacate_person(number);
                    }
                    match self.ledger.put_person(number, person) {
                        Ok(()) => self.known_people.note(number.index(), Lsn::new(lsn)),
                        Err(misfit) => taken = taken.and(Err(misfit)),
                    }
                }
                taken?;
            }
            Piece::Keys(lsn, keys) => {
                for key in keys {
                    if !key.value.is_sound() {
                        return Err(LoadError::Impossible("a key whose parts do not fit together"));
                    }
                    let number = self.keyspace.restore(key);
                    self.known.note(number, Lsn::new(lsn));
                }
            }
            Piece::Unversioned(lsn, channels) => {
                self.take_channels(Lsn::new(lsn), channels.into_iter().map(Kept::from))?;
            }
            Piece::Channels(lsn, channels) => self.take_channels(Lsn::new(lsn), channels.into_iter())?,
            Piece::Part { .. } => return Err(LoadError::Impossible("a part of a part")),
        }
        Ok(())
    }

    fn take_channels(&mut self, lsn: Lsn, channels: impl Iterator<Item = Kept>) -> Result<(), LoadError> {
        for kept in channels {
            if !kept.is_sound() {
                return Err(LoadError::Impossible("a channel whose parts do not fit together"));
            }
            let number = self.channels.restore(kept);
            self.known_channels.note(number, lsn);
        }
        Ok(())
    }

    fn take_record(&mut self, lsn: Lsn, address: Address, record: &[u8]) -> Result<(), LoadError> {
        changes_of(record)?.into_iter().try_for_each(|mut change| {
            check(&mut change, record.len())?;
            self.take_change(lsn, address, change)
        })
    }

    /// Makes a change of a record again, unless what it changes knows it.
    pub(super) fn take_change(
        &mut self,
        lsn: Lsn,
        address: Address,
        change: Change,
    ) -> Result<(), LoadError> {
        match change {
            Change::Ledger(change) => {
                if let Some(change) = self.unknown(lsn, change) {
                    self.ledger.apply(change, address.position(), &mut |_| {})?;
                }
            }
            Change::Channel(name, change) => self.take_of_channel(lsn, address, &name, change)?,
            Change::Flushed => self.flush(lsn),
            Change::Key(from, KeyChange::Renamed { to }) if self.has_lost(&from, &to, lsn) => {
                let older = [from, to].into_iter().filter(|name| !self.knows_key(name, lsn));
                for name in older.collect::<Vec<_>>() {
                    self.keyspace.remove(&name);
                }
            }
            change if self.knows(&change, lsn) => {}
            // What is live is counted when all is there.
            change => {
                self.check_order(&change)?;
                let node_entries_max = self.config.stream_node_entries_max();
                apply(&mut self.keyspace, change, address.position(), node_entries_max, &mut |_| {})?;
            }
        }
        Ok(())
    }

    /// The same of a channel.
    fn take_of_channel(
        &mut self,
        lsn: Lsn,
        address: Address,
        name: &Channel,
        change: ChannelChange,
    ) -> Result<(), LoadError> {
        let number = self.channels.number(name.as_str().as_bytes());
        if number.is_some_and(|number| self.known_channels.knows(number, lsn)) {
            return Ok(());
        }
        if !self.bears_holes {
            self.channels.check(name, &change)?;
        }
        self.channels.apply(name, change, address.position(), &mut |_| {});
        Ok(())
    }

    /// Entries rise, and the last id is not below them. What is made in vain does not go beyond what was true.
    fn check_order(&self, change: &Change) -> Result<(), LoadError> {
        let Change::Stream(name, change) = change else { return Ok(()) };
        let stream = match self.keyspace.get(name).map(|key| &key.value) {
            Some(Value::Stream(stream)) => Some(&**stream),
            _ => None,
        };
        let is_possible = match change {
            StreamChange::Added { id, .. } => *id > stream.map_or(StreamId::MIN, Stream::last),
            StreamChange::Set { last, .. } => stream.and_then(Stream::newest) <= Some(*last),
            _ => true,
        };
        if is_possible { Ok(()) } else { Err(LoadError::Impossible("ids that do not rise")) }
    }

    /// Whether the key of a change knows it from the checkpoint.
    fn knows(&self, change: &Change, lsn: Lsn) -> bool {
        change.key().is_some_and(|(key, _)| self.knows_key(key, lsn))
    }

    /// Whether a key knows from the checkpoint what was changed by a record.
    pub(super) fn knows_key(&self, key: &[u8], lsn: Lsn) -> bool {
        let number = self.keyspace.number(key);
        number.is_some_and(|number| self.known.knows(number, lsn))
    }

    /// Whether what a RENAME moved is not under the old name any more, as the checkpoint has it: what is there is younger, or
    /// has been renamed before the walk came to it. Then it is under the new name already, or will be gone later.
    fn has_lost(&self, from: &[u8], to: &[u8], lsn: Lsn) -> bool {
        let is_there = self.keyspace.number(from).is_some();
        from != to && (self.knows_key(to, lsn) || self.knows_key(from, lsn) || !is_there)
    }

    /// What of a change of the ledger is not known from the checkpoint to whom it is about.
    pub(super) fn unknown(&self, lsn: Lsn, mut change: LedgerChange) -> Option<LedgerChange> {
        let is_known = match change.subject() {
            Subject::Head => lsn <= self.known_head,
            Subject::Conversation(number) => self.known_conversations.knows(number.index(), lsn),
            Subject::Person(number) => self.known_people.knows(number.index(), lsn),
            Subject::People => {
                change.retain_reached(|number| !self.known_people.knows(number.index(), lsn));
                false
            }
        };
        (!is_known).then_some(change)
    }

    /// Deletes all keys but those that are younger.
    fn flush(&mut self, lsn: Lsn) {
        let older = (0..self.keyspace.numbers())
            .filter(|number| self.known.get(*number).is_none_or(|known| known < lsn));
        let names = older.filter_map(|number| self.keyspace.at(number)).map(|key| key.name.clone());
        for name in names.collect::<Vec<_>>() {
            self.keyspace.remove(&name);
        }
    }
}

/// Whether a change can have been recorded in a record of so many bytes; what it says is relied on from here.
pub(super) fn check(change: &mut Change, record_bytes: usize) -> Result<(), LoadError> {
    if let Change::Text(_, StringChange::Written { offset, bytes }) = change
        && offset.checked_add(bytes.len() as u64).is_none_or(|end| end > RECORD_BYTES_MAX as u64)
    {
        return Err(LoadError::Impossible("a string that is too long"));
    }
    if let Change::List(_, ListChange::Pushed { elements, .. }) = change
        && elements.is_empty()
    {
        return Err(LoadError::Impossible("a list of nothing"));
    }
    // Those of lists alone may be kept where they are referred to.
    let are_apart = matches!(change, Change::Stream(..) | Change::Ledger(_) | Change::Channel(..));
    if !are_countable(change) {
        return Err(LoadError::Impossible("more entries than can be counted"));
    }
    let mut is_possible = true;
    change.each_body(&mut |body| {
        is_possible &= match body {
            Body::Recorded(spot) => {
                // Behind its checksum, before the changes.
                u64::from(spot.offset) + u64::from(spot.bytes) + CHECK_BYTES as u64 <= record_bytes as u64
            }
            Body::Short(_) | Body::New(_) if are_apart => false,
            Body::Short(text) | Body::New(text) => Element::inline(text).is_some(),
        }
    });
    if is_possible { Ok(()) } else { Err(LoadError::Impossible("a body that is not in its record")) }
}

/// Whether the numbers of entries that a change sets can be gone on from.
fn are_countable(change: &Change) -> bool {
    let count = match change {
        Change::Stream(_, StreamChange::Set { added, .. }) => *added,
        Change::Stream(
            _,
            StreamChange::Group {
                change:
                    GroupChange::Created(progress)
                    | GroupChange::Moved(progress)
                    | GroupChange::Delivered { progress, .. },
                ..
            },
        ) => progress.read,
        _ => None,
    };
    is_countable(count)
}

impl Load for Loading {
    fn piece(&mut self, piece: &[u8]) {
        self.checkpoint_bytes += piece.len() as u64;
        if self.failed.is_none()
            && let Err(error) = self.take_piece(piece)
        {
            self.failed = Some((Lsn::ZERO, error));
        }
    }

    fn record(&mut self, lsn: Lsn, address: Address, record: &[u8]) {
        self.replayed_from.get_or_insert(address);
        if self.failed.is_none()
            && let Err(error) = self.take_record(lsn, address, record)
        {
            self.failed = Some((lsn, error));
        }
    }
}

mod known;
#[cfg(any(test, feature = "laws"))]
pub(super) mod law;
#[cfg(test)]
mod tests;
