//! Conversations and inboxes as the broker keeps them: packed, in memory but for what entries say, which is known by its
//! place. Pure: no clock, no disk, no randomness.
//!
//! What it answers is what [`naru_ledger::Model`] answers, whose documentation is the contract, and with which a test
//! compares it step by step. An operation is decided on what there is ([`Ledger::decide`]), its [`LedgerChange`]s are recorded
//! by the keeper and then made ([`Ledger::apply`]): the same when they are made and when they are taken back in.
//!
//! Conversations and people are numbered, and their numbers are never given again. Each is written to checkpoints on its
//! own, at whatever record it is then true at: a change touches one of them, and follows from it alone (see [`Subject`]).

mod apply;
mod bounds;
mod change;
mod content;
mod conversation;
mod decide;
mod holes;
mod id;
mod person;

pub(crate) use bounds::Bounds;
pub(crate) use change::{LedgerChange, Part, Reached, Subject};
pub(crate) use content::{Content, Reads, Said};
pub(crate) use conversation::Conversation;
pub(crate) use decide::{Bodies, Decided, News, Undecided};
pub(crate) use id::{Id, IdKey};
pub(crate) use person::Person;

use naru_ledger::{Epoch, Generation, op::Run};
use serde::{Deserialize, Serialize};

use crate::numbered::{Number, Table};

/// All conversations and people of a store.
pub(crate) struct Ledger {
    head: Head,
    conversations: Table<Conversation>,
    people: Table<Person>,
}

/// What a ledger is besides its conversations and people. It is a part of checkpoints on its own: the order of its fields is
/// their format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) epoch: Epoch,
    pub(crate) key: IdKey,
    pub(crate) generation: Generation,
    /// Whether a power cut may take records that were answered: [`LedgerChange::Weakened`], and not rested since.
    pub(crate) is_weakened: bool,
    pub(crate) bounds: Bounds,
}

/// A change, or a part of a checkpoint, that does not follow from what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not fit the ledger: {0}")]
pub(crate) struct Misfit(pub(crate) &'static str);

impl Head {
    /// Of a ledger that begins.
    pub(crate) fn new(epoch: Epoch, key: IdKey) -> Head {
        let bounds = Bounds::of(&naru_ledger::Limits::default());
        Head { epoch, key, generation: Generation::FIRST, is_weakened: false, bounds }
    }
}

impl Ledger {
    /// One without conversations and people.
    pub(crate) fn new(head: Head) -> Ledger {
        Ledger { head, conversations: Table::default(), people: Table::default() }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// By their numbers, for those who walk through them.
    pub(crate) fn conversations(&self) -> &Table<Conversation> {
        &self.conversations
    }

    /// By their numbers, for those who walk through them.
    pub(crate) fn people(&self) -> &Table<Person> {
        &self.people
    }

    /// Puts back what a checkpoint has, in place of what there is.
    pub(crate) fn put_head(&mut self, head: Head) {
        self.head = head;
    }

    /// Puts back what a checkpoint has: a number that is not there yet, and the next.
    pub(crate) fn put_conversation(
        &mut self,
        number: Number,
        conversation: Conversation,
    ) -> Result<(), Misfit> {
        todo!()
    }

    /// Puts back what a checkpoint has: a number that is not there yet, and the next.
    pub(crate) fn put_person(&mut self, number: Number, person: Person) -> Result<(), Misfit> {
        todo!()
    }

    /// A server's connection has ended: its routes are gone.
    pub(crate) fn run_over(&mut self, run: &Run) {
        todo!()
    }

    /// Drops what recognises repeats where both windows have passed at `now`, in one conversation. Recorded nowhere: who takes the
    /// conversation back in forgets it again.
    pub(crate) fn forget_ids(&mut self, conversation: Number, now: naru_ledger::Millis) {
        todo!()
    }
}
