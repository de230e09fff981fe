//! Writing what was taken in into a new log, from the beginning.

use std::thread;

use bytes::Bytes;
use naru_ledger::{Seq, channel::Version};
use naru_store::Salvage;

use super::{SalvageError, bodies::LostBodies, body::read, report::Report};
use crate::{
    channels::{ChannelChange, Kept},
    keeper::{change::Change, journal::Journal},
    keyspace::{Key, KeyChange, Slot, Value},
    ledger::{Content, Conversation, Head, IdKey, Ledger, LedgerChange},
    lists::{Element, End, List, ListChange},
    numbered::Number,
    streams::{GroupChange, Stream, StreamChange, StreamId},
    strings::{StringChange, Text},
};

/// Bytes of a record after which the next begins: enough for few frames, and little of it in memory.
const CHUNK_BYTES: usize = 256 << 10;

/// What a change takes beside its bodies, roughly.
const CHANGE_BYTES: usize = 64;

/// Pending entries of one change.
const ASSIGNED_MAX: usize = 1000;

/// A new log that is being filled, and what of the old one is in it.
pub(super) struct Rewrite<'a> {
    from: &'a Salvage,
    journal: Journal,
    report: &'a mut Report,
    chunk_bytes: usize,
    /// Changes that are not recorded yet, and their bytes.
    changes: Vec<Change>,
    bytes: usize,
}

impl<'a> Rewrite<'a> {
    pub(super) fn new(from: &'a Salvage, mut journal: Journal, report: &'a mut Report) -> Rewrite<'a> {
        let chunk_bytes = CHUNK_BYTES.min(journal.log().record_bytes_max() / 4);
        Rewrite { from, journal, report, chunk_bytes, changes: Vec::new(), bytes: 0 }
    }

    /// Writes what people have said and have, but for what is lost of it.
    pub(super) fn ledger(&mut self, ledger: &Ledger, has_head: bool) -> Result<(), SalvageError> {
        let Head { epoch, key, generation, is_weakened, bounds } = ledger.head().clone();
        let weakened = is_weakened.then_some(LedgerChange::Weakened);
        let head = [
            LedgerChange::Begun { epoch, key },
            LedgerChange::Bounded(bounds),
            LedgerChange::Raised(generation),
        ];
        for change in head.into_iter().chain(weakened) {
            self.write(Change::Ledger(change), 0)?;
        }
        for (number, conversation) in ledger.conversations().iter() {
            self.conversation(&key, number, conversation, has_head)?;
        }
        for (person, row) in ledger.people().iter() {
            let change = LedgerChange::Restored { person, row: Box::new(row.clone()) };
            self.write(Change::Ledger(change), row.bytes())?;
        }
        Ok(())
    }

    fn conversation(
        &mut self,
        key: &IdKey,
        number: Number,
        conversation: &Conversation,
        knows_key: bool,
    ) -> Result<(), SalvageError> {
        let name = conversation.id();
        let mut lost = LostBodies::of_conversation(&name);
        for (seq, place) in conversation.references(Seq::ZERO) {
            let read = read(self.from, place).and_then(|bytes| Some((Content::from_bytes(&bytes)?, bytes)));
            let (Some((content, bytes)), Some(count)) = (read, conversation.log().count_with(seq)) else {
                lost.note(seq, place, self.from);
                continue;
            };
            lost.go_on();
            self.report.kept.messages += 1;
            let length = bytes.len();
            let appended = LedgerChange::Appended {
                conversation: number,
                name: name.clone(),
                seq,
                at: content.at,
                count,
                id: content.client_id.as_ref().map(|client_id| key.id(&content.sender, client_id)),
                is_open: conversation.is_open(seq),
                content: bytes.into(),
            };
            self.write(Change::Ledger(appended), length)?;
        }
        self.report.lost.note(lost);
        let restated = |row| LedgerChange::Restated { conversation: number, row: Box::new(row) };
        let mut row = conversation.without_entries();
        let bytes_max = self.journal.log().record_bytes_max() / 4;
        if !knows_key || row.bytes() > bytes_max {
            // As far as what was said is there, so are the ids; those of another key recognise nothing.
            row = row.without_ids();
        }
        let bytes = row.bytes();
        self.write(Change::Ledger(restated(row)), bytes)
    }

    /// Writes a channel, but for what is lost of it, and what comes before that: what it keeps has no gap. Where changes may be
    /// lost the generation is another one, and it begins a new epoch when it is used.
    pub(super) fn channel(&mut self, kept: &Kept) -> Result<(), SalvageError> {
        let name = kept.channel();
        let mut lost = LostBodies::of_channel(name);
        let mut whole = Vec::new();
        for (offset, place) in kept.publications(0) {
            match read(self.from, place) {
                Some(body) => {
                    lost.go_on();
                    whole.push((offset, body));
                }
                None => {
                    lost.note(offset, place, self.from);
                    whole.clear();
                }
            }
        }
        self.report.lost.note(lost);
        self.report.kept.publications += whole.len() as u64;
        let mut write = |change, bytes| self.write(Change::Channel(name.clone(), change), bytes);
        if let Some((standing, epoch, generation)) = kept.standing() {
            let (remembered_until, kept_until) = kept.times();
            let first = whole.first().map_or(standing + 1, |(first, _)| *first);
            write(ChannelChange::Begun { epoch, generation, top: first - 1 }, 0)?;
            write(ChannelChange::Used { remembered_until }, 0)?;
            for (offset, body) in whole {
                let (bytes, body) = (body.len(), body.into());
                let published =
                    ChannelChange::Published { offset, body, first, kept_until, remembered_until };
                write(published, bytes)?;
            }
            if let Some(Version { number, epoch }) = kept.version() {
                let versioned = ChannelChange::Versioned { number: *number, epoch: epoch.as_str().into() };
                write(versioned, epoch.len())?;
            }
        }
        for (key, first) in kept.once() {
            write(ChannelChange::Noted { key: key.into(), first }, key.len())?;
        }
        Ok(())
    }

    /// Writes a key, but for what is lost of it.
    pub(super) fn key(&mut self, key: &Key) -> Result<(), SalvageError> {
        let name = Bytes::copy_from_slice(&key.name);
        let is_kept = match &key.value {
            Value::Text(text) => self.text(&name, text)?,
            Value::List(list) => self.list(&name, list)?,
            Value::Stream(stream) => self.stream(&name, stream)?,
        };
        match key.expiry().filter(|_| is_kept) {
            Some(at) => self.write(Change::Key(name, KeyChange::Expires(Some(at))), 0),
            None => Ok(()),
        }
    }

    fn text(&mut self, name: &Bytes, text: &Text) -> Result<bool, SalvageError> {
        self.report.kept.strings += 1;
        let mut parts = text.as_bytes().chunks(self.chunk_bytes).map(Bytes::copy_from_slice);
        let value = parts.next().unwrap_or_default();
        let bytes = value.len();
        self.write(Change::Text(name.clone(), StringChange::Set { value, expiry: None }), bytes)?;
        for bytes in parts {
            let length = bytes.len();
            self.write(Change::Text(name.clone(), StringChange::Appended { bytes }), length)?;
        }
        Ok(true)
    }

    fn list(&mut self, name: &Bytes, list: &List) -> Result<bool, SalvageError> {
        let mut lost = LostBodies::of_key(name);
        let mut kept = 0;
        for (index, element) in list.from(0).enumerate() {
            let text = match element.place() {
                Some(place) => match read(self.from, place) {
                    Some(text) => text,
                    None => {
                        lost.note(Slot::Element(index as u64), place, self.from);
                        continue;
                    }
                },
                None => Bytes::copy_from_slice(element.as_inline().unwrap_or_default()),
            };
            lost.go_on();
            kept += 1;
            let bytes = text.len();
            let elements = vec![Element::body(text)];
            self.write(Change::List(name.clone(), ListChange::Pushed { end: End::Right, elements }), bytes)?;
        }
        self.report.kept.lists += u64::from(kept > 0);
        self.report.kept.elements += kept;
        self.report.lost.note(lost);
        Ok(kept > 0)
    }

    fn stream(&mut self, name: &Bytes, stream: &Stream) -> Result<bool, SalvageError> {
        let mut lost = LostBodies::of_key(name);
        let mut lost_max = StreamId::MIN;
        for (id, place) in stream.range(StreamId::MIN, StreamId::MAX) {
            let Some(body) = read(self.from, place) else {
                lost.note(Slot::Entry(id), place, self.from);
                lost_max = id;
                continue;
            };
            lost.go_on();
            self.report.kept.entries += 1;
            let bytes = body.len();
            let added = StreamChange::Added { id, body: body.into() };
            self.write(Change::Stream(name.clone(), added), bytes)?;
        }
        self.report.kept.streams += 1;
        self.report.lost.note(lost);
        for change in stream.past() {
            self.past(name, stream, change, lost_max)?;
        }
        Ok(true)
    }

    /// What a stream knows of its past, with what is lost as if it had been deleted.
    fn past(
        &mut self,
        name: &Bytes,
        stream: &Stream,
        change: StreamChange,
        lost_max: StreamId,
    ) -> Result<(), SalvageError> {
        let change = match change {
            StreamChange::Set { last, added, deleted_max } => {
                // An entry that was read was there, whatever has become of the record.
                let read = stream.groups().map(|(_, group)| group.progress().last).max();
                let last = last.max(read.filter(|_| self.report.has_lost_changes()).unwrap_or(last));
                let deleted_max = deleted_max.map(|deleted| deleted.max(lost_max));
                StreamChange::Set { last, added, deleted_max }
            }
            StreamChange::Group {
                group,
                change: GroupChange::Assigned { consumer, at, entries, is_claim },
            } if entries.len() > ASSIGNED_MAX => {
                for entries in entries.chunks(ASSIGNED_MAX) {
                    let (consumer, entries) = (consumer.clone(), entries.to_vec());
                    let change = GroupChange::Assigned { consumer, at, entries, is_claim };
                    let change = StreamChange::Group { group: group.clone(), change };
                    self.write(Change::Stream(name.clone(), change), ASSIGNED_MAX * 16)?;
                }
                return Ok(());
            }
            change => change,
        };
        self.write(Change::Stream(name.clone(), change), ASSIGNED_MAX)
    }

    fn write(&mut self, change: Change, bytes: usize) -> Result<(), SalvageError> {
        let (bytes, bytes_max) = (bytes.saturating_add(CHANGE_BYTES), self.journal.log().record_bytes_max());
        if bytes > bytes_max {
            return Err(SalvageError::TooLarge { bytes, bytes_max });
        }
        // What is long is alone in its record.
        if !self.changes.is_empty() && self.bytes + bytes > bytes_max / 2 {
            self.record()?;
        }
        self.bytes += bytes;
        self.changes.push(change);
        if self.bytes >= self.chunk_bytes { self.record() } else { Ok(()) }
    }

    /// Makes what has gathered a record of the new log, once there is room for it.
    fn record(&mut self) -> Result<(), SalvageError> {
        self.bytes = 0;
        let mut changes = std::mem::take(&mut self.changes);
        self.journal.add(&mut changes, usize::MAX).expect("changes are refused for their bytes only");
        self.journal.settle()?;
        loop {
            self.journal.log().submit()?;
            if !self.journal.log().is_batch_full() {
                return Ok(());
            }
            thread::park();
        }
    }

    /// Everything is on disk.
    pub(super) fn finish(mut self) -> Result<(), SalvageError> {
        if !self.changes.is_empty() {
            self.record()?;
        }
        Ok(self.journal.close()?)
    }
}
