//! What comes to light while records are taken in of which some are missing.

use std::collections::BTreeSet;

use naru_store::Lsn;

use super::report::LINES_MAX;
use crate::keeper::load::LoadError;

/// What came to light while records were taken in.
#[derive(Default)]
pub(super) struct Losses {
    /// Pieces of checkpoints that are lost, at least.
    pub(super) pieces: u64,
    /// Not all of the ledger's changes could be made as they were recorded.
    pub(super) is_ledger_mended: bool,
    /// Records, or pieces, that are whole and make no sense.
    pub(super) misfits: Vec<String>,
    /// Keys that were deleted and made anew, as later records show.
    pub(super) made_anew: BTreeSet<Vec<u8>>,
    /// Keys that hold something else than later records speak of.
    pub(super) in_vain: BTreeSet<Vec<u8>>,
    /// Records that are lost, and what can be guessed of them.
    pub(super) hints: BTreeSet<(u64, Vec<u8>)>,
}

impl Losses {
    pub(super) fn note_misfit(&mut self, lsn: Lsn, error: &LoadError) {
        if self.misfits.len() < LINES_MAX {
            self.misfits.push(match lsn {
                Lsn::ZERO => format!("a piece of a checkpoint cannot be taken in: {error}"),
                lsn => format!("record {lsn} cannot be taken in: {error}"),
            });
        }
    }

    pub(super) fn note_made_anew(&mut self, key: &[u8]) {
        note(&mut self.made_anew, key.to_vec());
    }

    pub(super) fn note_in_vain(&mut self, key: &[u8]) {
        note(&mut self.in_vain, key.to_vec());
    }

    pub(super) fn note_hint(&mut self, lsn: Lsn, key: &[u8]) {
        note(&mut self.hints, (lsn.number(), key.to_vec()));
    }
}

fn note<T: Ord>(noted: &mut BTreeSet<T>, line: T) {
    if noted.len() < LINES_MAX {
        noted.insert(line);
    }
}
