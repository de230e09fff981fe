//! One conversation: its log, and who takes part.

use std::collections::{BTreeMap, BTreeSet};

use crate::answer::{Content, Entry, Text, Written};
use crate::limits::Limits;
use crate::names::{ClientId, User};
use crate::position::{Millis, Seq, Version};
use crate::{Conversation, Generation, Kind, Mode, Role};

/// `trimmed < every entry <= head`; what is open is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Log {
    pub(super) conversation: Conversation,
    pub(super) entries: BTreeMap<Seq, Logged>,
    pub(super) head: Seq,
    /// When the head was stored, though it may be trimmed.
    pub(super) at: Millis,
    pub(super) count: u64,
    /// In which the head was given.
    pub(super) generation: Generation,
    pub(super) trimmed: Seq,
    /// What is appended and not done.
    pub(super) open: BTreeSet<Seq>,
    /// Every client id there ever was, with its last entry and when that was stored.
    pub(super) ids: BTreeMap<(User, ClientId), (Seq, Millis)>,
    /// Of a room.
    pub(super) members: BTreeMap<User, Joined>,
    pub(super) version: Version,
    /// The entry of kind `broadcast`, if the room is in that mode.
    pub(super) switched: Option<Seq>,
    /// How far who has read, as far as others are told.
    pub(super) marks: BTreeMap<User, Seq>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logged {
    /// As it reads now; an edit's body is looked up when it is read.
    pub(super) entry: Entry,
    /// Of its body as it was appended.
    pub(super) bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Joined {
    pub(super) role: Role,
    pub(super) since: Seq,
}

impl Log {
    /// Whether a user is the only owner.
    pub(super) fn is_last_owner(&self, user: &User) -> bool {
        let mut owners = self.members.iter().filter(|(_, joined)| joined.role == Role::Owner);
        owners.next().is_some_and(|(owner, _)| owner == user) && owners.next().is_none()
    }

    pub(super) fn new(conversation: Conversation) -> Log {
        Log {
            conversation,
            entries: BTreeMap::new(),
            head: Seq::ZERO,
            at: Millis(0),
            count: 0,
            generation: Generation::FIRST,
            trimmed: Seq::ZERO,
            open: BTreeSet::new(),
            ids: BTreeMap::new(),
            members: BTreeMap::new(),
            version: Version::ZERO,
            switched: None,
            marks: BTreeMap::new(),
        }
    }

    pub(super) fn mode(&self) -> Mode {
        if self.switched.is_some() { Mode::Broadcast } else { Mode::FanOut }
    }

    /// How the entry is fanned out.
    pub(super) fn mode_of(&self, seq: Seq) -> Mode {
        if self.switched.is_some_and(|switched| switched < seq) { Mode::Broadcast } else { Mode::FanOut }
    }

    /// When an entry that is stored now is said to be: a log's time does not go back.
    pub(super) fn next_at(&self, now: Millis) -> Millis {
        now.max(self.at)
    }

    /// One below the first open entry, or the head.
    pub(super) fn fanned_out(&self) -> Seq {
        self.open.first().map_or(self.head, |first| Seq(first.0 - 1))
    }

    /// The entry that what is called so now would repeat.
    pub(super) fn repeated(&self, sender: &User, id: &ClientId, now: Millis, limits: &Limits) -> Option<Seq> {
        let window = |at: Millis| u128::from(at.0) / limits.dedupe_window.as_millis().max(1);
        let (seq, given) = self.ids.get(&(sender.clone(), id.clone()))?;
        (window(self.next_at(now)) - window(*given) <= 1).then_some(*seq)
    }

    /// Whether there is an entry of this number, and this is its count.
    pub(super) fn has(&self, seq: Seq, count: u64) -> bool {
        self.entries.get(&seq).is_some_and(|logged| logged.entry.count == count)
    }

    /// Appends an entry, which is open, and trims what there is no room for.
    pub(super) fn push(
        &mut self,
        sender: &User,
        client_id: Option<&ClientId>,
        content: Content,
        bytes: usize,
        (now, generation, limits): (Millis, Generation, &Limits),
    ) -> Written {
        let (prev, at) = (self.head, self.next_at(now));
        let seq = Seq(generation.after(prev.0, self.generation));
        let mut entry = Entry {
            conversation: self.conversation.clone(),
            seq,
            prev,
            count: self.count,
            at,
            sender: sender.clone(),
            client_id: client_id.cloned(),
            content,
        };
        entry.count += u64::from(entry.kind().counts());
        if let Some(id) = client_id {
            self.ids.insert((sender.clone(), id.clone()), (seq, at));
        }
        self.head = seq;
        self.at = at;
        self.count = entry.count;
        self.generation = self.generation.max(generation);
        self.open.insert(seq);
        self.entries.insert(seq, Logged { entry, bytes: bytes as u64 });
        self.trim(limits);
        Written { seq, at, prev, count: self.count, switched: None }
    }

    /// Removes the oldest entries while there are too many, they are too large or too old; never the newest.
    fn trim(&mut self, limits: &Limits) {
        while let Some((seq, oldest)) = self.entries.first_key_value() {
            let too_many = self.entries.len() > limits.log_entries_max;
            let too_large =
                self.entries.values().map(|logged| logged.bytes).sum::<u64>() > limits.log_bytes_max;
            let too_old = self.at.since(oldest.entry.at) > limits.log_age_max;
            let seq = *seq;
            if seq == self.head || !(too_many || too_large || too_old) {
                return;
            }
            self.entries.remove(&seq);
            self.open.remove(&seq);
            self.trimmed = seq;
        }
    }

    /// What was said in an entry, if it is there, of one of these kinds, and not deleted.
    pub(super) fn said(&mut self, seq: Seq, kinds: &[Kind]) -> Option<(&User, &mut Text)> {
        let entry = &mut self.entries.get_mut(&seq)?.entry;
        if !kinds.contains(&entry.kind()) {
            return None;
        }
        match &mut entry.content {
            Content::Message { text, .. } | Content::Reaction { text, .. } | Content::System { text } => {
                (!matches!(text, Text::Deleted { .. })).then_some((&entry.sender, text))
            }
            _ => None,
        }
    }

    /// An entry as it reads now.
    pub(super) fn entry(&self, seq: Seq) -> Option<Entry> {
        let mut entry = self.entries.get(&seq)?.entry.clone();
        if let Content::Edit { target, body } = &mut entry.content {
            *body = self.entries.get(target).and_then(|logged| logged.entry.body().cloned());
        }
        Some(entry)
    }
}
