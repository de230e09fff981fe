//! One conversation, packed: what is in memory of a message takes twelve bytes.

mod chunk;
mod log;
mod open;
mod parties;
mod windows;

pub(crate) use log::Log;
pub(crate) use parties::{Joined, Parties};

use std::{hint::black_box, num::NonZeroU64};

use naru_ledger::{Conversation as Name, Millis, Role, Seq, User, Version};
use serde::{Deserialize, Serialize};

use super::{Id, NUMBER_MAX};
use crate::{keyspace::Place, numbered::Named};
use open::Open;
use windows::Windows;

/// One conversation: its log, and who takes part. The order of its fields is the format of checkpoints. A copy shares what is
/// much with it until one of the two changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conversation {
    /// An id.
    name: Box<str>,
    log: Log,
    parties: Parties,
    windows: Option<Box<Windows>>,
    open: Option<Box<Open>>,
}

impl Named for Conversation {
    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

impl Conversation {
    /// One without entries.
    pub(super) fn new(name: &Name) -> Conversation {
        Conversation {
            name: name.as_str().into(),
            log: Log::default(),
            parties: Parties::of(name),
            windows: None,
            open: None,
        }
    }

    /// Its id.
    pub(crate) fn id(&self) -> Name {
        Name::parse(&self.name).expect("it was made with the text of an id, or checked when it was put back")
    }

    /// The same of one that was read back and is not checked.
    pub(super) fn checked_id(&self) -> Option<Name> {
        Name::parse(&self.name).ok()
    }

    /// Becomes what the other is, but for where its entries are; false if there cannot be these entries then. A row that does
    /// not say what recognises repeats leaves what the entries have brought.
    pub(super) fn restate(&mut self, row: Conversation) -> bool {
        let before = std::mem::replace(self, row);
        if self.windows.is_none() {
            self.windows.clone_from(&before.windows);
        }
        let is_sound = self.name == before.name && self.log.keep_entries_of(&before.log) && {
            let Conversation { log, open, .. } = self;
            retain(open, |seq| log.get(seq).is_some());
            self.is_sound()
        };
        if !is_sound {
            *self = before;
        }
        is_sound
    }

    /// What is true of it besides its entries.
    pub(crate) fn without_entries(&self) -> Conversation {
        Conversation { log: self.log.without_entries(), ..self.clone() }
    }

    /// Without what recognises repeats.
    pub(crate) fn without_ids(self) -> Conversation {
        Conversation { windows: None, ..self }
    }

    /// Bytes that it takes when it is written.
    pub(crate) fn bytes(&self) -> usize {
        postcard::experimental::serialized_size(self).unwrap_or(usize::MAX)
    }

    pub(super) fn is_called(&self, name: &Name) -> bool {
        *self.name == *name.as_str()
    }

    /// Reads what another entry begins with, so that it is in the processor's cache then.
    pub(crate) fn touch(&self) {
        black_box((self.log.newest(), self.open_since(), self.windows.as_ref().map(|it| it.len())));
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    pub(crate) fn parties(&self) -> &Parties {
        &self.parties
    }

    /// How many entries it has.
    pub(crate) fn len(&self) -> usize {
        self.log.len()
    }

    /// How many of them are not done.
    pub(crate) fn open_entries(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.len())
    }

    /// How many things it holds: entries, ids by which repeats are recognised, members.
    pub(crate) fn held(&self) -> usize {
        let ids = self.windows.as_ref().map_or(0, |windows| windows.len());
        self.len() + ids + self.parties.room().map_or(0, |room| room.members.len())
    }

    /// Its entries after this one: where what they say is.
    pub(crate) fn references(&self, after: Seq) -> impl Iterator<Item = (Seq, Place)> {
        self.log.up(after)
    }

    /// The entry that what is called so now would repeat.
    pub(crate) fn repeated(&self, id: Id, now: Millis, window_ms: NonZeroU64) -> Option<Seq> {
        self.windows.as_ref()?.find(id, self.log.next_at(now), window_ms)
    }

    pub(super) fn name_entry(&mut self, id: Id, seq: Seq, at: Millis, window_ms: NonZeroU64) {
        match &mut self.windows {
            Some(windows) => windows.insert(id, seq, at, window_ms),
            None => self.windows = Some(Box::new(Windows::new(id, seq, at, window_ms))),
        }
    }

    /// Drops what recognises repeats if there is nothing any more to be recognised.
    pub(super) fn forget_ids(&mut self, now: Millis, window_ms: NonZeroU64) {
        let at = self.log.next_at(now);
        if self.windows.as_ref().is_some_and(|windows| windows.are_over(at, window_ms)) {
            self.windows = None;
        }
    }

    /// Since when its first open entry has been.
    pub(crate) fn open_since(&self) -> Option<Millis> {
        self.open.as_ref().and_then(|open| open.since())
    }

    pub(crate) fn is_open(&self, seq: Seq) -> bool {
        self.open.as_ref().is_some_and(|open| open.has(seq))
    }

    /// The open entries before this one by which somebody who is asked for has come, gone or been given a role, and perhaps others.
    pub(crate) fn open_turns_before(
        &self,
        before: Seq,
        is_asked_for: impl Fn(&User) -> bool,
    ) -> impl Iterator<Item = Seq> {
        self.open.as_ref().map(|open| open.turns_before(before, is_asked_for)).into_iter().flatten()
    }

    /// One below the first open entry, or the head.
    pub(crate) fn fanned_out(&self) -> Seq {
        let first = self.open.as_ref().and_then(|open| open.entries().next());
        first.map_or(self.log.head(), |seq| Seq(seq.0 - 1))
    }

    /// What would be fanned out if this entry were done.
    pub(crate) fn fanned_out_without(&self, seq: Seq) -> Seq {
        let mut open = self.open.iter().flat_map(|open| open.entries());
        open.find(|open| *open != seq).map_or(self.log.head(), |first| Seq(first.0 - 1))
    }

    /// The newest entry is to be delivered.
    pub(super) fn open(&mut self, seq: Seq, at: Millis) {
        match &mut self.open {
            Some(open) => open.push(seq, at),
            None => self.open = Some(Box::new(Open::new(seq, at))),
        }
    }

    /// An entry is delivered to all it is for.
    pub(super) fn close(&mut self, seq: Seq) {
        retain(&mut self.open, |open| open != seq);
    }

    /// Removes the oldest entries, as [`Log::cut_through`] does.
    pub(super) fn cut_through(
        &mut self,
        through: Seq,
        first_at: Option<Millis>,
        gone: &mut dyn FnMut(Place),
    ) {
        self.log.cut_through(through, first_at, gone);
        retain(&mut self.open, |open| open > through);
    }

    /// A member joins, leaves or has another role; whether this is a room.
    pub(super) fn set_member(&mut self, version: Version, user: User, role: Option<Role>, seq: Seq) -> bool {
        let Some(room) = self.parties.room_mut().filter(|_| version.0 <= NUMBER_MAX) else { return false };
        room.version = version;
        if let Some(open) = &mut self.open {
            open.is_turn_of(seq, &user);
        }
        match role {
            None => drop(room.members.remove(&user)),
            Some(role) => {
                let joined = room.members.entry(user);
                joined.or_insert(Joined { role, since: seq, read: Seq::ZERO }).role = role;
            }
        }
        true
    }

    /// It is in broadcast mode after this entry; whether this is a room.
    pub(super) fn switch(&mut self, seq: Seq) -> bool {
        let Some(room) = self.parties.room_mut() else { return false };
        room.switched = Some(seq);
        room.members.values_mut().for_each(|joined| joined.read = Seq::ZERO);
        true
    }

    /// A user who takes part has read up to here.
    pub(super) fn set_mark(&mut self, user: &User, seq: Seq) {
        let name = self.id();
        self.parties.set_mark(&name, user, seq);
    }

    /// Whether one that was read back can have come to be as conversations do.
    pub(super) fn is_sound(&self) -> bool {
        let name = Name::parse(&self.name);
        name.is_ok_and(|name| matches!(name, Name::Room(_)) == self.parties.room().is_some())
            && self.parties.version().0 <= NUMBER_MAX
            && self.log.is_sound()
            && self.windows.as_ref().is_none_or(|windows| windows.are_sound(self.log.head()))
            && self.open.as_ref().is_none_or(|open| open.is_sound(|seq| self.log.get(seq).is_some()))
    }
}

/// Leaves of what is open what is to be kept.
fn retain(open: &mut Option<Box<Open>>, keep: impl Fn(Seq) -> bool) {
    if open.as_mut().is_some_and(|rest| !rest.retain(keep)) {
        *open = None;
    }
}
