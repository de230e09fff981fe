use naru_ledger::{Conversation as Name, Seq, Useq};

use super::{
    Conversation, Ledger, LedgerChange, Misfit, NUMBER_MAX, Person, Totals,
    person::{Arrival, With},
};
use crate::{
    keyspace::{Body, Place},
    numbered::Number,
};

const NO_CONVERSATION: Misfit = Misfit("a conversation that is not there");
const NO_PERSON: Misfit = Misfit("a user who is not there");
const NO_ENTRY: Misfit = Misfit("an entry that cannot be the next");
const NO_ROOM: Misfit = Misfit("a member of what is no room, or a version that no history gives");
const NO_PLACE: Misfit = Misfit("a body that is not in the record");
const NO_RISE: Misfit = Misfit("numbers that do not rise");

impl Ledger {
    /// Makes a change whose record begins at this address, and tells which bodies nothing refers to any more. What was
    /// decided on this ledger always fits. If what does not fit is taken back in, the ledger is not to be gone on with.
    pub(crate) fn apply(
        &mut self,
        change: LedgerChange,
        record: u64,
        gone: &mut dyn FnMut(Place),
    ) -> Result<(), Misfit> {
        match change {
            LedgerChange::Begun { epoch, key } => {
                self.head.epoch = epoch;
                self.head.key = key;
            }
            LedgerChange::Raised(generation) => {
                self.head.generation = self.head.generation.max(generation);
            }
            LedgerChange::Weakened => self.head.is_weakened = true,
            LedgerChange::Rested => self.head.is_weakened = false,
            LedgerChange::Bounded(bounds) => self.head.bounds = bounds,
            LedgerChange::Appended { conversation, name, seq, at, count, id, is_open, content } => {
                self.begin_conversation(conversation, || Ok(name.clone()))?;
                let (generation, window_ms) = (self.head.generation, self.head.bounds.dedupe_window_ms);
                let place = recorded(content, record)?;
                self.change_conversation(conversation, |conversation| {
                    let is_next = conversation.is_called(&name)
                        && conversation.log_mut().push(seq, at, count, place, generation);
                    if !is_next {
                        return Err(NO_ENTRY);
                    }
                    if let Some(id) = id {
                        conversation.name_entry(id, seq, at, window_ms);
                    }
                    if is_open {
                        conversation.open(seq, at);
                    }
                    Ok(())
                })?;
            }
            LedgerChange::Trimmed { conversation, through, first_at } => {
                self.change_conversation(conversation, |conversation| {
                    conversation.cut_through(through, first_at, gone);
                    Ok(())
                })?;
            }
            LedgerChange::Rewritten { conversation, seq, content } => {
                let place = recorded(content, record)?;
                self.change_conversation(conversation, |conversation| {
                    let before = conversation.log_mut().replace(seq, place);
                    gone(before.ok_or(Misfit("another text for what is not there"))?);
                    Ok(())
                })?;
            }
            LedgerChange::Done { conversation, seq } => {
                self.change_conversation(conversation, |conversation| {
                    conversation.close(seq);
                    Ok(())
                })?;
            }
            LedgerChange::Member { conversation, version, user, role, seq } => {
                let conversation = self.conversations.get_mut(conversation).ok_or(NO_CONVERSATION)?;
                conversation.set_member(version, user, role, seq).then_some(()).ok_or(NO_ROOM)?;
            }
            LedgerChange::Switched { conversation, seq } => {
                let conversation = self.conversations.get_mut(conversation).ok_or(NO_CONVERSATION)?;
                conversation.switch(seq).then_some(()).ok_or(NO_ROOM)?;
            }
            LedgerChange::Marked { conversation, user, seq } => {
                let conversation = self.conversations.get_mut(conversation).ok_or(NO_CONVERSATION)?;
                conversation.set_mark(&user, seq);
            }
            LedgerChange::Known { person, user } => {
                let new = Person::new(&user);
                let size = Totals::of_person(&new);
                let put = self.people.put(person, new);
                put.map_err(|_| Misfit("a user of two numbers"))?;
                self.totals.add(size);
            }
            LedgerChange::Delivered { conversation, seq, count, kind, mode, to } => {
                check_count(seq, count)?;
                for reached in to {
                    let arrival = Arrival { seq, count, kind, mode, part: reached.part };
                    self.change_person(reached.person, Some(reached.useq), |person, with| {
                        person.arrive(conversation, &arrival, reached.useq, with);
                    })?;
                }
            }
            LedgerChange::Read { person, useq, conversation, seq, count } => {
                check_count(seq, count)?;
                self.change_person(person, Some(useq), |person, with| {
                    person.read(conversation, seq, count, useq, with);
                })?;
            }
            LedgerChange::Seen { person, device, at, forgotten } => {
                self.change_person(person, None, |person, with| {
                    person.see(&device, at, &forgotten, with.scratch);
                })?;
            }
            LedgerChange::Acked { person, device, useq, at, forgotten } => {
                self.change_person(person, None, |person, with| {
                    person.ack(&device, useq, at, &forgotten, with.scratch);
                })?;
            }
            LedgerChange::Within { person, device, conversation, seq } => {
                self.change_person(person, None, |person, with| {
                    person.within(&device, conversation, seq, with.scratch);
                })?;
            }
            LedgerChange::Restated { conversation, row } => {
                self.begin_conversation(conversation, || row.checked_id().ok_or(NO_CONVERSATION))?;
                self.change_conversation(conversation, |conversation| {
                    conversation.restate(*row).then_some(()).ok_or(Misfit("more entries than there were"))
                })?;
            }
            LedgerChange::Restored { person, row } => self.restore_person(person, *row)?,
        }
        Ok(())
    }

    /// Has a conversation of that number, if there is none yet.
    fn begin_conversation(
        &mut self,
        number: Number,
        name: impl FnOnce() -> Result<Name, Misfit>,
    ) -> Result<(), Misfit> {
        if self.conversations.get(number).is_some() {
            return Ok(());
        }
        let new = Conversation::new(&name()?);
        let size = Totals::of_conversation(&new);
        self.conversations.put(number, new).map_err(|_| Misfit("a conversation of two numbers"))?;
        self.totals.add(size);
        Ok(())
    }

    /// Changes a conversation, of which other entries may be open then.
    fn change_conversation(
        &mut self,
        number: Number,
        change: impl FnOnce(&mut Conversation) -> Result<(), Misfit>,
    ) -> Result<(), Misfit> {
        let conversation = self.conversations.get_mut(number).ok_or(NO_CONVERSATION)?;
        let (before, size_before) = (conversation.open_since(), Totals::of_conversation(conversation));
        change(conversation)?;
        let after = conversation.open_since();
        self.totals.change(size_before, Totals::of_conversation(conversation));
        if before != after {
            if let Some(before) = before {
                self.waiting.remove(&(before, number));
            }
            self.waiting.extend(after.map(|after| (after, number)));
        }
        if after.is_none() {
            self.leases.remove(&number);
        }
        Ok(())
    }

    /// Changes a user, perhaps by a number that is above their last.
    fn change_person(
        &mut self,
        number: Number,
        useq: Option<Useq>,
        change: impl FnOnce(&mut Person, &mut With<'_>),
    ) -> Result<(), Misfit> {
        let person = self.people.get_mut(number).ok_or(NO_PERSON)?;
        if useq.is_some_and(|useq| useq <= person.head() || useq.0 > NUMBER_MAX) {
            return Err(NO_RISE);
        }
        let (generation, bounds) = (self.head.generation, self.head.bounds);
        let size_before = Totals::of_person(person);
        change(person, &mut With { generation, bounds, scratch: &mut self.scratch });
        self.totals.change(size_before, Totals::of_person(person));
        Ok(())
    }
}

/// No more messages than entries.
fn check_count(seq: Seq, count: u64) -> Result<(), Misfit> {
    if count <= seq.0 && seq.0 <= NUMBER_MAX { Ok(()) } else { Err(Misfit("more messages than entries")) }
}

/// Where a body is that its record brings along.
fn recorded(body: Body, record: u64) -> Result<Place, Misfit> {
    match body {
        Body::Recorded(spot) => Ok(spot.in_record(record)),
        Body::Short(_) | Body::New(_) => Err(NO_PLACE),
    }
}
