//! Taking in what is left of a log. Later records may be about what lost ones have made, or show what those have undone.

use bytes::Bytes;
use naru_store::{Address, Load, Lsn, Rescue};

use super::losses::Losses;
use crate::{
    keeper::{
        change::Change,
        checkpoint::ends_of_part,
        journal::changes_of,
        load::{Loading, check},
    },
    keyspace::Kind,
    ledger::LedgerChange,
    lists::ListChange,
    streams::{Stream, StreamChange, StreamId},
    strings::StringChange,
};

/// What a start takes in, and what it refuses to do without.
pub(in crate::keeper) struct Salvaging {
    pub(in crate::keeper) loading: Loading,
    pub(super) losses: Losses,
    /// Parts of a piece are lost, and so the others are of no use.
    is_part_lost: bool,
}

impl Salvaging {
    pub(in crate::keeper) fn new(mut loading: Loading) -> Salvaging {
        loading.bears_holes = true;
        Salvaging { loading, losses: Losses::default(), is_part_lost: false }
    }

    fn take(&mut self, lsn: Lsn, address: Address, mut change: Change, record_bytes: usize) {
        if let Err(error) = check(&mut change, record_bytes) {
            return self.losses.note_misfit(lsn, &error);
        }
        if let Change::Ledger(change) = change {
            return self.take_of_ledger(lsn, address, change);
        }
        if self.makes_way(lsn, address, &change)
            && let Err(error) = self.loading.take_change(lsn, address, change)
        {
            self.losses.note_misfit(lsn, &error);
        }
    }

    /// The same for what people said and have. What came before it may be lost, with whom it is about.
    fn take_of_ledger(&mut self, lsn: Lsn, address: Address, change: LedgerChange) {
        let Some(change) = self.loading.unknown(lsn, change) else { return };
        self.loading.has_head |= matches!(change, LedgerChange::Begun { .. });
        for change in singly(change) {
            if self.loading.ledger.apply(change, address.position(), &mut |_| {}).is_err() {
                self.losses.of_ledger_in_vain += 1;
            }
        }
    }

    /// Takes away what cannot be there any more, since then the change could not have been made. Whether it can be now.
    fn makes_way(&mut self, lsn: Lsn, address: Address, change: &Change) -> bool {
        let Some((name, kind)) = kind_of(change) else { return true };
        let known = self.loading.keyspace.get(name).filter(|_| !self.loading.knows_key(name, lsn));
        let Some(key) = known else { return true };
        if key.value.kind() != kind {
            if !creates(change) {
                self.losses.in_vain.note(name.to_vec());
                return false;
            }
            return self.start_over(name);
        }
        match change {
            Change::Stream(name, StreamChange::Added { id, .. }) => {
                self.makes_way_for(lsn, address, name, *id)
            }
            _ => true,
        }
    }

    /// The same for an entry, whose id is above all there are.
    fn makes_way_for(&mut self, lsn: Lsn, address: Address, name: &Bytes, id: StreamId) -> bool {
        let Ok(Some(stream)) = self.loading.keyspace.value_mut::<Stream>(name) else {
            return true;
        };
        if id > stream.last() {
            return true;
        }
        match (stream.newest().is_none_or(|newest| newest < id), id.previous()) {
            // The last id was set back.
            (true, Some(last)) => {
                let set = StreamChange::Set { last, added: None, deleted_max: None };
                self.loading.take_change(lsn, address, Change::Stream(name.clone(), set)).is_ok()
            }
            (true, None) => false,
            (false, _) => self.start_over(name),
        }
    }

    /// The key was deleted by a record that is lost, and made anew.
    fn start_over(&mut self, name: &[u8]) -> bool {
        self.losses.made_anew.note(name.to_vec());
        self.loading.keyspace.remove(name);
        true
    }
}

impl Load for Salvaging {
    fn piece(&mut self, piece: &[u8]) {
        if let Some((false, is_last)) = ends_of_part(piece)
            && self.is_part_lost
        {
            self.is_part_lost = !is_last;
            return;
        }
        self.is_part_lost = false;
        if let Err(error) = self.loading.take_piece(piece) {
            self.losses.note_misfit(Lsn::ZERO, &error);
        }
    }

    fn record(&mut self, lsn: Lsn, address: Address, record: &[u8]) {
        match changes_of(record) {
            Ok(changes) => {
                changes.into_iter().for_each(|change| self.take(lsn, address, change, record.len()));
            }
            Err(error) => self.losses.note_misfit(lsn, &error.into()),
        }
    }
}

impl Rescue for Salvaging {
    fn next_checkpoint(&mut self) {
        self.loading.parts.clear();
        self.is_part_lost = false;
    }

    fn lost_piece(&mut self) {
        self.losses.pieces += 1;
        self.loading.parts.clear();
        self.is_part_lost = true;
    }

    fn lost_record(&mut self, lsn: Lsn, bytes: &[u8]) {
        let Ok(changes) = changes_of(bytes) else { return };
        for (key, _) in changes.iter().filter_map(Change::key) {
            self.losses.hints.note((lsn.number(), key.to_vec()));
        }
    }
}

/// A change in parts of which each is about one only, so that it is made where it can be.
fn singly(mut change: LedgerChange) -> Vec<LedgerChange> {
    match &mut change {
        LedgerChange::Delivered { to, .. } if to.len() > 1 => {
            let each = std::mem::take(to);
            each.into_iter()
                .map(|reached| {
                    let mut single = change.clone();
                    if let LedgerChange::Delivered { to, .. } = &mut single {
                        to.push(reached);
                    }
                    single
                })
                .collect()
        }
        _ => vec![change],
    }
}

/// The key that a change of a value is about, and what it must hold.
fn kind_of(change: &Change) -> Option<(&Bytes, Kind)> {
    match change {
        Change::Stream(key, _) => Some((key, Kind::Stream)),
        Change::List(key, _) => Some((key, Kind::List)),
        // Whatever was there before.
        Change::Text(_, StringChange::Set { .. }) => None,
        Change::Text(key, _) => Some((key, Kind::String)),
        Change::Key(..) | Change::Ledger(_) | Change::Channel(..) | Change::Flushed => None,
    }
}

fn creates(change: &Change) -> bool {
    match change {
        Change::Stream(_, change) => change.creates(),
        Change::List(_, change) => matches!(change, ListChange::Pushed { .. }),
        Change::Text(..) => true,
        Change::Key(..) | Change::Ledger(_) | Change::Channel(..) | Change::Flushed => false,
    }
}
