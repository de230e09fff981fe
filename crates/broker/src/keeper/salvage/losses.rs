//! What comes to light while records are taken in of which some are missing.

use std::collections::BTreeSet;

use naru_store::{Listed, Lsn};

use crate::keeper::load::LoadError;

/// What came to light while records were taken in.
#[derive(Default)]
pub(super) struct Losses {
    /// Pieces of checkpoints that are lost, at least.
    pub(super) pieces: u64,
    /// Changes of conversations and inboxes that could not be made: what they are about is lost.
    pub(super) of_ledger_in_vain: u64,
    /// Records, or pieces, that are whole and make no sense.
    pub(super) misfits: Listed<String>,
    /// Keys that were deleted and made anew, as later records show.
    pub(super) made_anew: Noted<Vec<u8>>,
    /// Keys that hold something else than later records speak of.
    pub(super) in_vain: Noted<Vec<u8>>,
    /// Records that are lost, and what can be guessed of them.
    pub(super) hints: Noted<(u64, Vec<u8>)>,
}

/// What may come up again and again, each once, as far as there is room for it.
pub(super) struct Noted<T> {
    pub(super) noted: BTreeSet<T>,
    /// More came up, some of it perhaps again.
    pub(super) more: u64,
}

impl Losses {
    pub(super) fn note_misfit(&mut self, lsn: Lsn, error: &LoadError) {
        self.misfits.push(match lsn {
            Lsn::ZERO => format!("a piece of a checkpoint cannot be taken in: {error}"),
            lsn => format!("record {lsn} cannot be taken in: {error}"),
        });
    }
}

impl<T: Ord> Noted<T> {
    pub(super) fn note(&mut self, one: T) {
        if self.noted.len() < Listed::<T>::MAX {
            self.noted.insert(one);
        } else if !self.noted.contains(&one) {
            self.more += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }
}

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Noted { noted: BTreeSet::new(), more: 0 }
    }
}
