//! The ledger's epoch, of which all sessions know the same.

use naru_ledger::Epoch;
use parking_lot::Mutex;

/// The epoch that was heard last, so that those who know it share it.
#[derive(Default)]
pub(crate) struct SharedEpoch(Mutex<Option<Epoch>>);

impl SharedEpoch {
    /// The same, shared with those who had it before.
    pub(crate) fn shared(&self, epoch: &Epoch) -> Epoch {
        let mut known = self.0.lock();
        match &*known {
            Some(known) if known == epoch => known.clone(),
            _ => known.insert(epoch.clone()).clone(),
        }
    }
}
