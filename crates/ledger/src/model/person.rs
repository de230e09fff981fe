//! One user: the index and the ring of their inbox.

use std::collections::{BTreeMap, BTreeSet};

use super::devices::Devices;
use crate::answer::{Pointer, PointerKind};
use crate::limits::Limits;
use crate::op::{Deliver, Read};
use crate::position::{Seq, Useq};
use crate::{Conversation, Follow, Generation, Kind, Mode};

/// The ring has what came after `floor`: a pointer leaves it when every device has acknowledged it, or when there are too
/// many.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Person {
    pub(super) head: Useq,
    /// In which the head was given.
    pub(super) generation: Generation,
    pub(super) index: BTreeMap<Conversation, Record>,
    pub(super) ring: BTreeMap<Useq, Pointer>,
    pub(super) floor: Useq,
    pub(super) devices: Devices,
}

/// How far a conversation has come in an inbox, and how far it is read.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) head: Seq,
    pub(super) count: u64,
    pub(super) read: u64,
    /// Those that are unread.
    pub(super) mentions: BTreeSet<Seq>,
    /// Of the last change.
    pub(super) useq: Useq,
    pub(super) follow: Follow,
}

impl Record {
    fn read(&mut self, seq: Seq, count: u64) {
        self.read = self.read.max(count);
        self.mentions.retain(|mention| *mention > seq);
    }
}

/// What someone has to do with an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) is_own: bool,
    pub(super) is_mentioned: bool,
    /// The entry by which they joined, if it is none behind this; 0 if they take part without.
    pub(super) since: Seq,
}

impl Person {
    /// An entry comes into the inbox. Returns the change's number and after what the news begin; none if there are none.
    pub(super) fn reach(
        &mut self,
        deliver: &Deliver,
        Part { is_own, is_mentioned, since }: Part,
        generation: Generation,
        limits: &Limits,
    ) -> Option<(Useq, Seq)> {
        let Deliver { conversation, seq, count, kind, mode, .. } = deliver;
        let before = self.index.get(conversation).cloned().unwrap_or_default();
        let mut record = before.clone();
        let is_news = *seq > before.head;
        if is_news {
            record.head = *seq;
            record.count = *count;
            record.follow = match (kind, mode) {
                (Kind::Leave, _) if is_own => Follow::Left,
                (Kind::Broadcast, _) | (_, Mode::Broadcast) => Follow::Channel,
                (_, Mode::FanOut) => Follow::Inbox,
            };
        }
        if is_own {
            record.read(*seq, *count);
        } else if is_mentioned && *count > record.read {
            record.mentions.insert(*seq);
            while record.mentions.len() > limits.mentions_kept_max {
                record.mentions.pop_first();
            }
        }
        if record == before {
            return None;
        }
        let is_alone = *mode == Mode::Broadcast || (*kind == Kind::Join && is_own);
        let (after, kind) = match (is_news, is_own) {
            (true, _) if is_alone => (Seq(seq.0 - 1), PointerKind::Entry(*kind)),
            (true, _) => (before.head.max(Seq(since.0.saturating_sub(1))), PointerKind::Entry(*kind)),
            (false, true) => (*seq, PointerKind::Read),
            (false, false) => (*seq, PointerKind::Mention),
        };
        let useq = self.change(conversation, record, (after, *seq, kind), generation, limits);
        Some((useq, after))
    }

    /// The user has read. Returns whether that changed anything.
    pub(super) fn read(&mut self, read: &Read, generation: Generation, limits: &Limits) -> bool {
        let Read { conversation, seq, count, .. } = read;
        let Some(before) = self.index.get(conversation) else { return false };
        let mut record = before.clone();
        record.read(*seq, *count);
        if record == *before {
            return false;
        }
        self.change(conversation, record, (*seq, *seq, PointerKind::Read), generation, limits);
        true
    }

    /// Keeps a changed record, with the next number and a pointer in the ring.
    fn change(
        &mut self,
        conversation: &Conversation,
        mut record: Record,
        (after, seq, kind): (Seq, Seq, PointerKind),
        generation: Generation,
        limits: &Limits,
    ) -> Useq {
        let useq = Useq(generation.after(self.head.0, self.generation));
        self.head = useq;
        self.generation = self.generation.max(generation);
        record.useq = useq;
        self.index.insert(conversation.clone(), record);
        self.ring.insert(useq, Pointer { useq, conversation: conversation.clone(), after, seq, kind });
        while self.ring.len() > limits.ring_max {
            let Some((useq, pointer)) = self.ring.pop_first() else { break };
            self.floor = useq;
            self.devices.miss(useq, &pointer);
        }
        while self.index.len() > limits.conversations_max {
            self.forget_conversation();
        }
        useq
    }

    /// Forgets the conversation that changed longest ago, of those left if there are any.
    fn forget_conversation(&mut self) {
        let oldest = self.index.iter().min_by_key(|(_, record)| (record.follow != Follow::Left, record.useq));
        if let Some(oldest) = oldest.map(|(conversation, _)| conversation.clone()) {
            self.index.remove(&oldest);
            self.devices.forget_conversation(&oldest);
        }
    }

    /// Lets what every device has acknowledged leave the ring.
    pub(super) fn trim(&mut self) {
        if let Some(slowest) = self.devices.slowest() {
            self.ring.retain(|useq, _| *useq > slowest);
            self.floor = self.floor.max(slowest);
        }
    }
}
