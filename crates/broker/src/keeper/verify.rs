//! Whether all is there that a start needs, and all that what it takes in refers to.

use std::{collections::BTreeSet, fmt, path::Path, sync::Arc};

use bytes::Bytes;
use naru_ledger::Seq;
use naru_store::{Address, Damage, Load, Lsn, OpenError, Rescue, Salvage, Verified, Vfs};

use super::{
    journal::in_log,
    load::Loading,
    salvage::{Lost, LostBodies},
};

/// What was found in a data folder.
pub struct Verification {
    /// What is stored, and what of it is not as it was written or not there.
    pub stored: Verified,
    /// Bodies that are not there.
    lost: Lost,
    /// Why a start would take nothing more in, though it is as it was written: the record, or zero for a checkpoint.
    misfit: Option<(Lsn, String)>,
}

impl Verification {
    /// How much is wrong.
    pub fn damaged(&self) -> u64 {
        self.stored.damages.count() + u64::from(self.misfit.is_some())
    }
}

/// What is lost or makes no sense, a line each.
impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.misfit {
            None => {}
            Some((Lsn::ZERO, error)) => writeln!(f, "the newest checkpoint cannot be taken in: {error}")?,
            Some((lsn, error)) => writeln!(f, "record {lsn} cannot be taken in: {error}")?,
        }
        write!(f, "{}", self.lost)
    }
}

/// Reads every byte of a data folder that no broker has open, and looks whether it is as it was written, and whether all is
/// there that what is stored refers to. That takes as much memory as a start. Nothing is changed.
pub fn verify(fs: Arc<dyn Vfs>, data: &Path) -> Result<Verification, OpenError> {
    let stored = match naru_store::verify(&*fs, data) {
        Err(OpenError::Damaged(damage)) => Verified { damages: damage.into(), ..Verified::default() },
        stored => stored?,
    };
    let mut found = Verification { stored, lost: Lost::default(), misfit: None };
    let mut source = match Salvage::open(fs, data) {
        // It has been said.
        Err(OpenError::Damaged(_)) => return Ok(found),
        source => source?,
    };
    let mut taken = Taken { loading: Loading::to_look(), has_lost: false };
    let has_all = source.load(&mut taken).has_all_records() && !taken.has_lost;
    found.misfit = taken.loading.failed.take().map(|(lsn, error)| (lsn, error.to_string()));
    if let (true, None, Err(misfit)) = (has_all, &found.misfit, taken.loading.ledger.check()) {
        found.misfit = Some((Lsn::ZERO, misfit.to_string()));
    }
    // Else it is not known what is referred to.
    if has_all && found.misfit.is_none() {
        found.look_for_bodies(&taken.loading, &source);
    }
    Ok(found)
}

impl Verification {
    fn look_for_bodies(&mut self, loading: &Loading, source: &Salvage) {
        let mut missing = BTreeSet::new();
        let keys = (0..loading.keyspace.numbers()).filter_map(|number| loading.keyspace.at(number));
        for key in keys {
            let mut lost = LostBodies::of_key(&Bytes::copy_from_slice(&key.name));
            for (slot, place) in key.value.references(0) {
                let Some(place) = place else { continue };
                let address = Address::new(place.address);
                if source.holds(address, in_log(place)) {
                    lost.go_on();
                } else {
                    lost.note(slot, place, source);
                    missing.insert(source.locate(address).0);
                }
            }
            self.lost.note(lost);
        }
        for (_, conversation) in loading.ledger.conversations().iter() {
            let mut lost = LostBodies::of_conversation(&conversation.id());
            for (seq, place) in conversation.references(Seq::ZERO) {
                let address = Address::new(place.address);
                if source.holds(address, in_log(place)) {
                    lost.go_on();
                } else {
                    lost.note(seq, place, source);
                    missing.insert(source.locate(address).0);
                }
            }
            self.lost.note(lost);
        }
        for kept in loading.channels.iter() {
            let mut lost = LostBodies::of_channel(kept.channel());
            for (offset, place) in kept.publications(0) {
                let address = Address::new(place.address);
                if source.holds(address, in_log(place)) {
                    lost.go_on();
                } else {
                    lost.note(offset, place, source);
                    missing.insert(source.locate(address).0);
                }
            }
            self.lost.note(lost);
        }
        for path in missing {
            let what = "the segment is missing, though what is stored refers to it";
            self.stored.damages.push(Damage { path, offset: 0, records: None, what });
        }
    }
}

/// What a start takes in.
struct Taken {
    loading: Loading,
    has_lost: bool,
}

impl Load for Taken {
    fn piece(&mut self, piece: &[u8]) {
        self.loading.piece(piece);
    }

    fn record(&mut self, lsn: Lsn, address: Address, record: &[u8]) {
        self.loading.record(lsn, address, record);
    }
}

impl Rescue for Taken {
    fn next_checkpoint(&mut self) {
        self.has_lost = true;
    }

    fn lost_piece(&mut self) {
        self.has_lost = true;
    }

    fn lost_record(&mut self, _: Lsn, _: &[u8]) {
        self.has_lost = true;
    }
}
