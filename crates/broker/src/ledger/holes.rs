//! Holes in the numbers: where some of what is stored is lost, the rest is taken in as it is numbered.

use super::{Ledger, LedgerChange};
use crate::numbered::Number;

impl Ledger {
    /// Has the number of a conversation free, whatever was there and before it.
    pub(crate) fn vacate_conversation(&mut self, number: Number) {
        self.conversations.vacate(number);
    }

    /// Has the number of a person free, whatever was there and before it.
    pub(crate) fn vacate_person(&mut self, number: Number) {
        self.people.vacate(number);
    }

    /// Has the numbers before that of a change given, though to nobody knows whom.
    pub(crate) fn make_room(&mut self, change: &LedgerChange) {
        match change {
            LedgerChange::Appended { conversation, .. } => self.conversations.make_room(*conversation),
            LedgerChange::Known { person, .. } => self.people.make_room(*person),
            _ => {}
        }
    }
}
