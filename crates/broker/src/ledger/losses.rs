//! What is left of a ledger of which some is lost.

use naru_ledger::{Epoch, Generation};

use super::{Ledger, Misfit, Person, Totals};
use crate::numbered::{Named, Number};

impl Ledger {
    /// Has the number of a conversation free, whatever was there.
    pub(crate) fn vacate_conversation(&mut self, number: Number) {
        if let Some(conversation) = self.conversations.get(number) {
            if let Some(since) = conversation.open_since() {
                self.waiting.remove(&(since, number));
            }
            self.totals.remove(Totals::of_conversation(conversation));
        }
        self.conversations.vacate(number);
    }

    /// Has the number of a person free, whatever was there.
    pub(crate) fn vacate_person(&mut self, number: Number) {
        if let Some(person) = self.people.get(number) {
            self.totals.remove(Totals::of_person(person));
        }
        self.people.vacate(number);
    }

    /// Has inboxes forget conversations that are not there; how many there were to be forgotten.
    pub(crate) fn forget_lost(&mut self) -> u64 {
        let conversations = &self.conversations;
        let is_there = |number: &Number| conversations.get(*number).is_some();
        let mut forgotten = 0;
        for number in (0..self.people.numbers()).filter_map(Number::of) {
            if let Some(person) = self.people.get_mut(number) {
                forgotten += person.retain_conversations(is_there, &mut self.scratch);
            }
        }
        forgotten
    }

    /// Those in which numbers were given.
    pub(crate) fn generations(&self) -> impl Iterator<Item = Generation> {
        let of_conversations =
            self.conversations.iter().map(|(_, conversation)| conversation.log().generation());
        let of_people = self.people.iter().map(|(_, person)| person.generation());
        of_conversations.chain(of_people).chain([self.head.generation])
    }

    /// From here on it has another life: what positions in inboxes were is of no meaning any more.
    pub(crate) fn begin_again(&mut self, epoch: Epoch) {
        self.head.epoch = epoch;
    }

    /// Puts a person as they were in the place of who has the number.
    pub(super) fn restore_person(&mut self, number: Number, person: Person) -> Result<(), Misfit> {
        if self.people.get(number).is_some_and(|before| before.name() == person.name()) {
            self.vacate_person(number);
        }
        self.put_person(number, person)
    }
}
