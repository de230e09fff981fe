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
mod id;
mod losses;
mod person;
mod routes;
mod totals;

pub(crate) use bounds::Bounds;
pub(crate) use change::{LedgerChange, Part, Reached, Subject};
pub(crate) use content::{About, Content, Reads};
pub(crate) use conversation::Conversation;
pub(crate) use decide::{Bodies, Decided, News, Undecided};
pub(crate) use id::{Id, IdKey};
pub(crate) use person::Person;
pub(crate) use totals::Totals;

use std::collections::{BTreeSet, HashMap};

use naru_ledger::{Conversation as Name, Epoch, Generation, Millis, Server, op::Run};
use serde::{Deserialize, Serialize};

use crate::numbered::{Number, Table};
use routes::Routes;

/// Numbers of entries and changes above this are not given by any history.
const NUMBER_MAX: u64 = 1 << 60;

/// All conversations and people of a store.
pub(crate) struct Ledger {
    head: Head,
    conversations: Table<Conversation>,
    people: Table<Person>,
    /// Conversations with open entries, by when the first of those was stored.
    waiting: BTreeSet<(Millis, Number)>,
    /// Who finishes which conversation's fan-out, and until when it is left to them. Volatile.
    leases: HashMap<Number, (Server, Millis)>,
    routes: Routes,
    totals: Totals,
    /// Room for what is written anew.
    scratch: Vec<u8>,
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
        Ledger {
            head,
            conversations: Table::default(),
            people: Table::default(),
            waiting: BTreeSet::new(),
            leases: HashMap::new(),
            routes: Routes::default(),
            totals: Totals::default(),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// How much there is of what is bounded.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn conversation(&self, name: &Name) -> Option<&Conversation> {
        self.conversations.get(self.conversations.find(name.as_str().as_bytes())?)
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

    /// Puts back what a checkpoint has: the next number.
    pub(crate) fn put_conversation(
        &mut self,
        number: Number,
        conversation: Conversation,
    ) -> Result<(), Misfit> {
        if !conversation.is_sound() {
            return Err(Misfit("a conversation whose parts do not fit together"));
        }
        let (since, size) = (conversation.open_since(), Totals::of_conversation(&conversation));
        let put = self.conversations.put(number, conversation);
        put.map_err(|_| Misfit("a conversation that is there, or whose number is not the next"))?;
        self.waiting.extend(since.map(|since| (since, number)));
        self.totals.add(size);
        Ok(())
    }

    /// Puts back what a checkpoint has: the next number.
    pub(crate) fn put_person(&mut self, number: Number, person: Person) -> Result<(), Misfit> {
        if !person.is_sound() {
            return Err(Misfit("a user whose parts do not fit together"));
        }
        let size = Totals::of_person(&person);
        let put = self.people.put(number, person);
        put.map_err(|_| Misfit("a user who is there, or whose number is not the next"))?;
        self.totals.add(size);
        Ok(())
    }

    /// Whether all that people know of is there. Once, when everything is taken back in.
    pub(crate) fn check(&self) -> Result<(), Misfit> {
        let is_there = |number| self.conversations.get(number).is_some();
        let is_whole = |person: &Person| person.each_conversation().all(is_there);
        let is_whole = self.people.iter().all(|(_, person)| is_whole(person));
        if is_whole { Ok(()) } else { Err(Misfit("an inbox of a conversation that is not there")) }
    }

    /// A run of a server is over, since its connection has ended: its routes are gone.
    pub(crate) fn run_over(&mut self, run: &Run) {
        self.routes.over(run);
    }

    /// Whether a run is the last its server has told of, and may be believed.
    pub(crate) fn believes(&self, run: &Run, now: Millis) -> bool {
        self.routes.counts(run, now)
    }

    /// Drops some of the routes that nobody has told anything about for long.
    pub(crate) fn tidy_routes(&mut self, now: Millis) {
        self.routes.tidy(now);
    }

    /// Drops what recognises repeats where both windows have passed, in one conversation. Recorded nowhere: nothing depends on
    /// it, since this moment has passed for good.
    pub(crate) fn forget_ids(&mut self, conversation: Number, passed: Millis) {
        if let Some(conversation) = self.conversations.get_mut(conversation) {
            conversation.forget_ids(passed, self.head.bounds.dedupe_window_ms);
        }
    }
}

#[cfg(test)]
mod tests;
