use super::{Conversation, Person};

/// How much there is of what is bounded, in all conversations and inboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) conversations: u64,
    pub(crate) people: u64,
    pub(crate) entries: u64,
    /// Of what they say, as it is stored.
    pub(crate) bytes: u64,
    /// Entries that are not done.
    pub(crate) open: u64,
    pub(crate) devices: u64,
}

impl Totals {
    pub(super) fn of_conversation(conversation: &Conversation) -> Totals {
        Totals {
            conversations: 1,
            entries: conversation.len() as u64,
            bytes: conversation.log().bytes(),
            open: conversation.open_entries() as u64,
            ..Totals::default()
        }
    }

    pub(super) fn of_person(person: &Person) -> Totals {
        Totals { people: 1, devices: person.devices().count() as u64, ..Totals::default() }
    }

    /// Something is not as before.
    pub(super) fn change(&mut self, before: Totals, after: Totals) {
        let change =
            |total: &mut u64, before: u64, after: u64| *total = (*total + after).saturating_sub(before);
        change(&mut self.conversations, before.conversations, after.conversations);
        change(&mut self.people, before.people, after.people);
        change(&mut self.entries, before.entries, after.entries);
        change(&mut self.bytes, before.bytes, after.bytes);
        change(&mut self.open, before.open, after.open);
        change(&mut self.devices, before.devices, after.devices);
    }

    pub(super) fn add(&mut self, more: Totals) {
        self.change(Totals::default(), more);
    }

    pub(super) fn remove(&mut self, less: Totals) {
        self.change(less, Totals::default());
    }
}

#[cfg(test)]
impl super::Ledger {
    /// The same, counted one by one.
    pub(crate) fn counted(&self) -> Totals {
        let mut totals = Totals::default();
        self.conversations.iter().for_each(|(_, it)| totals.add(Totals::of_conversation(it)));
        self.people.iter().for_each(|(_, it)| totals.add(Totals::of_person(it)));
        totals
    }
}
