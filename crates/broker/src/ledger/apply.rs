use super::{Ledger, LedgerChange, Misfit};
use crate::keyspace::Place;

impl Ledger {
    /// Makes a change whose record begins at this address, and tells which bodies nothing refers to any more. What was
    /// decided on this ledger always fits; if what does not fit is taken back in, the ledger is not to be gone on with.
    pub(crate) fn apply(
        &mut self,
        change: LedgerChange,
        record: u64,
        gone: &mut dyn FnMut(Place),
    ) -> Result<(), Misfit> {
        todo!()
    }
}
