//! One user, packed: about a kilobyte for one who is busy.

mod device;
mod index;
mod record;
mod ring;
mod varint;

pub(crate) use device::Standing;
pub(crate) use record::{Arrival, Record, Span};

use std::collections::HashSet;

use naru_ledger::{Device, Follow, Generation, Limits, Millis, Seq, Useq, User};
use serde::{Deserialize, Serialize};

use super::{Bounds, NUMBER_MAX, Part};
use crate::numbered::{Named, Number};
use index::{At, Index, Row};
use ring::{Ends, New, Pointer, Ring};

/// One user: the index and the ring of their inbox, and their devices. The order of its fields is the format of checkpoints.
///
/// The ring has what came after its floor: a pointer leaves it when every device has acknowledged it, or when there are too
/// many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    /// A user's.
    name: Box<str>,
    /// The last number given.
    head: Useq,
    /// In which it was given.
    generation: Generation,
    ends: Ends,
    index: Index,
    ring: Ring,
    /// In the order of their names.
    devices: Box<[Standing]>,
}

/// Where a conversation was before it changed: in the index, in the ring, and how far it had come.
#[derive(Clone, Copy)]
struct Before {
    at: At,
    useq: Useq,
    head: Seq,
}

/// What changes are made with, besides what they say.
pub(crate) struct With<'a> {
    pub(crate) generation: Generation,
    pub(crate) bounds: Bounds,
    /// Room for what is written anew.
    pub(crate) scratch: &'a mut Vec<u8>,
}

impl Named for Person {
    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

impl Person {
    pub(crate) fn new(user: &User) -> Person {
        Person {
            name: user.as_str().into(),
            head: Useq::ZERO,
            generation: Generation::FIRST,
            ends: Ends::default(),
            index: Index::default(),
            ring: Ring::default(),
            devices: Box::default(),
        }
    }

    /// The last number given.
    pub(crate) fn head(&self) -> Useq {
        self.head
    }

    /// The ring has what came after this.
    pub(crate) fn floor(&self) -> Useq {
        self.ends.floor
    }

    /// Bytes that it takes when it is written.
    pub(crate) fn bytes(&self) -> usize {
        postcard::experimental::serialized_size(self).unwrap_or(usize::MAX)
    }

    /// In which the last position was given.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// The number that the next change has.
    pub(crate) fn next(&self, generation: Generation) -> Useq {
        Useq(generation.after(self.head.0, self.generation))
    }

    /// How far a conversation has come.
    pub(crate) fn record(&self, conversation: Number) -> Option<Record> {
        self.row(conversation).map(|row| row.record())
    }

    fn row(&self, conversation: Number) -> Option<Row<'_>> {
        self.index.find(self.head, conversation)
    }

    /// The conversations, the one that changed last first.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Number, Record)> {
        self.index.rows(self.head).map(|row| (row.conversation, row.record()))
    }

    /// Those that changed before that.
    pub(crate) fn changed_before(&self, before: Option<Useq>) -> impl Iterator<Item = (Number, Record)> {
        let rows = self.index.rows(self.head);
        let rows = rows.skip_while(move |row| before.is_some_and(|before| row.useq >= before));
        rows.map(|row| (row.conversation, row.record()))
    }

    /// Those that are followed by their channel, and how far each is read.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (Number, u64)> {
        let rows = self.index.rows(self.head).filter(|row| row.follow() == Follow::Channel);
        rows.map(|row| (row.conversation, row.record().read))
    }

    /// The ring, the oldest change first: the number, the conversation, and what about it.
    pub(crate) fn pointers(&self) -> impl Iterator<Item = (Useq, Number, Span)> {
        let pointers = self.ring.pointers(self.ends.floor).into_iter();
        pointers.map(|Pointer { useq, conversation, span }| (useq, conversation, span))
    }

    /// What it comes to that an entry arrives: after which number the news begin; none if there are none.
    pub(crate) fn arrival(
        &self,
        conversation: Number,
        arrival: &Arrival,
        bounds: &Bounds,
    ) -> Option<(Seq, Part)> {
        let mut record = self.record(conversation).unwrap_or_default();
        let has_joined = record.head >= arrival.part.after();
        let part = if has_joined { arrival.part.plain() } else { arrival.part };
        record.arrive(arrival, bounds.mentions_kept_max).map(|span| (span.after, part))
    }

    /// An entry arrives.
    pub(crate) fn arrive(
        &mut self,
        conversation: Number,
        arrival: &Arrival,
        useq: Useq,
        with: &mut With<'_>,
    ) {
        let before = self.row(conversation).map(|row| (row.at, row.record()));
        let at = before.as_ref().map(|(at, record)| Before { at: *at, useq: record.useq, head: record.head });
        let mut record = before.map(|(_, record)| record).unwrap_or_default();
        if let Some(span) = record.arrive(arrival, with.bounds.mentions_kept_max) {
            self.change(conversation, (at, record), span, useq, with);
        }
    }

    /// Whether it changes anything that the user has read.
    pub(crate) fn would_read(&self, conversation: Number, seq: Seq, count: u64) -> bool {
        self.record(conversation).is_some_and(|mut record| record.read(seq, count))
    }

    /// The user has read.
    pub(crate) fn read(
        &mut self,
        conversation: Number,
        seq: Seq,
        count: u64,
        useq: Useq,
        with: &mut With<'_>,
    ) {
        let Some((at, mut record)) = self.row(conversation).map(|row| (row.at, row.record())) else { return };
        let at = Some(Before { at, useq: record.useq, head: record.head });
        if record.read(seq, count) {
            let span = Span { after: seq, seq, kind: naru_ledger::answer::PointerKind::Read };
            self.change(conversation, (at, record), span, useq, with);
        }
    }

    /// Keeps a changed record, by this number, with a pointer in the ring.
    fn change(
        &mut self,
        conversation: Number,
        (before, mut record): (Option<Before>, Record),
        span: Span,
        useq: Useq,
        With { generation, bounds, scratch }: &mut With<'_>,
    ) {
        let last = self.head;
        self.head = useq;
        self.generation = self.generation.max(*generation);
        record.useq = useq;
        self.index.set(last, before.map(|before| before.at), conversation, &record, scratch);
        let before = before.map(|before| (before.useq, before.head));
        let new = New { useq, conversation, span, head: record.head, before };
        let Person { ring, ends, devices, .. } = self;
        let mut missed = Vec::new();
        ring.push(ends, last, &new, bounds.ring_max, scratch, |pointer| missed.push(pointer));
        missed.iter().for_each(|pointer| miss(devices, pointer, scratch));
        while self.index.is_above(bounds.conversations_max) {
            let Some(forgotten) = self.index.forget(self.head, scratch) else { break };
            for standing in &mut self.devices {
                if standing.behind.get(forgotten).is_some() {
                    standing.behind.retain(|conversation| conversation != forgotten, scratch);
                }
            }
        }
    }

    /// Those that are known, by their names; not what nobody is.
    pub(crate) fn devices(&self) -> impl Iterator<Item = (&Device, &Standing)> {
        self.devices.iter().filter_map(|standing| Some((standing.device.as_ref()?, standing)))
    }

    fn find(&self, device: &Device) -> Option<&Standing> {
        self.devices.iter().find(|standing| standing.device.as_ref() == Some(device))
    }

    /// Where a device stands, or would if it were there.
    pub(crate) fn device(&self, device: &Device) -> Standing {
        let known = self.find(device).cloned();
        known.unwrap_or_else(|| match &self.devices[..] {
            [] => Standing { device: Some(device.clone()), ..Standing::default() },
            [nobody @ Standing { device: None, .. }] => {
                Standing { device: Some(device.clone()), ..nobody.clone() }
            }
            _ => Standing { device: Some(device.clone()), cursor: self.ends.floor, ..Standing::default() },
        })
    }

    /// Whether it is to be noted that a device is here: if it is new, or the last note is old enough.
    pub(crate) fn is_news_of(&self, device: &Device, now: Millis, limits: &Limits) -> bool {
        self.find(device).is_none_or(|standing| now.since(standing.seen) >= limits.seen_every)
    }

    /// Those that are forgotten when this one is here: which were away too long, and of too many the longest unseen.
    pub(crate) fn forgotten(&self, here: &Device, now: Millis, limits: &Limits) -> Vec<Device> {
        let others = self.devices().filter(|(device, _)| *device != here);
        let (mut others, mut forgotten): (Vec<_>, Vec<_>) =
            others.partition(|(_, standing)| now.since(standing.seen) <= limits.device_ttl);
        others.sort_by_key(|(device, standing)| (standing.seen, *device));
        let surplus = (others.len() + 1).saturating_sub(limits.devices_max.max(1));
        forgotten.extend(others.drain(..surplus));
        forgotten.into_iter().map(|(device, _)| device.clone()).collect()
    }

    /// A device is here, and others are forgotten.
    pub(crate) fn see(&mut self, device: &Device, at: Millis, forgotten: &[Device], scratch: &mut Vec<u8>) {
        self.note(self.device(device), at, forgotten, scratch);
    }

    /// A device has everything up to here.
    pub(crate) fn ack(
        &mut self,
        device: &Device,
        useq: Useq,
        at: Millis,
        forgotten: &[Device],
        scratch: &mut Vec<u8>,
    ) {
        let mut standing = self.device(device);
        let useq = useq.min(self.head);
        standing.cursor = useq;
        if useq >= self.ends.floor {
            standing.behind = device::Behind::default();
        } else {
            let changed_since = |conversation| self.row(conversation).is_some_and(|row| row.useq > useq);
            standing.behind.retain(changed_since, scratch);
        }
        self.note(standing, at, forgotten, scratch);
    }

    /// Keeps where a device stands, that it was there, and what follows for the others.
    fn note(&mut self, mut standing: Standing, at: Millis, forgotten: &[Device], scratch: &mut Vec<u8>) {
        standing.seen = standing.seen.max(at);
        match self.devices.binary_search_by(|other| other.device.cmp(&standing.device)) {
            Ok(at) if forgotten.is_empty() => self.devices[at] = standing,
            _ => {
                let is_kept = |other: &Standing| {
                    let others = other.device.as_ref().filter(|_| other.device != standing.device);
                    others.is_some_and(|device| !forgotten.contains(device))
                };
                let mut devices = std::mem::take(&mut self.devices).into_vec();
                devices.retain(is_kept);
                devices.push(standing);
                devices.sort_by(|one, other| one.device.cmp(&other.device));
                self.devices = devices.into();
            }
        }
        let slowest = self.devices.iter().map(|standing| standing.cursor).min().unwrap_or_default();
        self.ring.cut_through(&mut self.ends, slowest, scratch);
    }

    /// Where a device stands in a conversation that has come so far: what comes after this is new to it.
    pub(crate) fn from(&self, standing: &Standing, conversation: Number, record: &Record) -> Seq {
        self.stands(standing).from(conversation, record)
    }

    /// Where a device stands in each conversation.
    pub(crate) fn stands<'a>(&self, standing: &'a Standing) -> Stands<'a> {
        let missing = self.ring.pointers(self.ends.floor).into_iter();
        let missing =
            missing.filter(|Pointer { useq, span, .. }| *useq > standing.cursor && span.after < span.seq);
        Stands { standing, missing: missing.collect() }
    }

    /// How far a device that is far behind gets in a conversation when it says that it has got so far; none if that is nothing.
    pub(crate) fn gets_within(&self, device: &Device, conversation: Number, seq: Seq) -> Option<Seq> {
        let standing = self.find(device)?;
        let record = self.record(conversation)?;
        let seq = seq.min(record.head);
        let is_further =
            standing.cursor < self.ends.floor && seq > self.from(standing, conversation, &record);
        is_further.then_some(seq)
    }

    /// A device that is far behind has got so far in a conversation.
    pub(crate) fn within(&mut self, device: &Device, conversation: Number, seq: Seq, scratch: &mut Vec<u8>) {
        if let Some(standing) = self.devices.iter_mut().find(|one| one.device.as_ref() == Some(device)) {
            standing.behind.set(conversation, seq, scratch);
        }
    }

    /// The conversations that it knows of, some more than once.
    pub(super) fn each_conversation(&self) -> impl Iterator<Item = Number> {
        let rows = self.index.rows(self.head).map(|row| row.conversation);
        let pointers = self.ring.pointers(self.ends.floor).into_iter().map(|pointer| pointer.conversation);
        let behind =
            self.devices.iter().flat_map(|standing| standing.behind.iter()).map(|(number, _)| number);
        rows.chain(pointers).chain(behind)
    }

    /// Forgets conversations, and how many those were. If there are any, the rest of the ring goes over to how far devices are
    /// behind, since it knows of each change by those before.
    pub(super) fn retain_conversations(
        &mut self,
        keep: impl Fn(&Number) -> bool,
        scratch: &mut Vec<u8>,
    ) -> u64 {
        let forgotten: HashSet<Number> = self.each_conversation().filter(|number| !keep(number)).collect();
        if forgotten.is_empty() {
            return 0;
        }
        for standing in &mut self.devices {
            standing.behind.retain(|number| keep(&number), scratch);
        }
        let pointers = std::mem::take(&mut self.ring).pointers(self.ends.floor);
        for pointer in pointers.iter().filter(|pointer| keep(&pointer.conversation)) {
            miss(&mut self.devices, pointer, scratch);
        }
        self.ends = Ends { floor: self.head, len: 0 };
        self.index.retain(self.head, keep, scratch);
        forgotten.len() as u64
    }

    /// Whether one that was read back can have come to be as people do.
    pub(crate) fn is_sound(&self) -> bool {
        let is_nobody = matches!(&self.devices[..], [Standing { device: None, .. }]);
        User::parse(&self.name).is_ok()
            && self.head.0 <= NUMBER_MAX
            && self.index.is_sound(self.head)
            && self.ring.is_sound(self.ends, self.head)
            && self.ends.floor <= self.head
            && (is_nobody || self.devices.iter().all(|standing| standing.device.is_some()))
            && self.devices.is_sorted_by(|one, other| one.device < other.device)
            && self.devices.iter().all(|standing| standing.behind.is_sound() && standing.cursor <= self.head)
    }
}

/// A pointer has left the ring because there were too many.
fn miss(devices: &mut Box<[Standing]>, pointer: &Pointer, scratch: &mut Vec<u8>) {
    let Pointer { useq, conversation, span } = pointer;
    if span.after >= span.seq {
        return;
    }
    if devices.is_empty() {
        *devices = Box::new([Standing::default()]);
    }
    for standing in devices {
        if standing.cursor < *useq && standing.behind.get(*conversation).is_none() {
            standing.behind.set(*conversation, span.after, scratch);
        }
    }
}

/// Where a device stands in each conversation.
pub(crate) struct Stands<'a> {
    standing: &'a Standing,
    /// What the ring has for it.
    missing: Vec<Pointer>,
}

impl Stands<'_> {
    /// In this one, which has come so far: what comes after this is new.
    pub(crate) fn from(&self, conversation: Number, record: &Record) -> Seq {
        let in_ring = || self.missing.iter().find(|pointer| pointer.conversation == conversation);
        let behind = self.standing.behind.get(conversation);
        behind.or_else(|| in_ring().map(|pointer| pointer.span.after)).unwrap_or(record.head)
    }
}
