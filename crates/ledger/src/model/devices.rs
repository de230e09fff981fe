//! A user's devices, and where each stands.

use std::collections::BTreeMap;

use super::person::{Person, Record};
use crate::Conversation;
use crate::answer::Pointer;
use crate::limits::Limits;
use crate::names::Device;
use crate::position::{Millis, Seq, Useq};

/// Before there is a first device, nobody is as one that has acknowledged nothing; the first goes on from there.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Devices {
    pub(super) known: BTreeMap<Device, Standing>,
    pub(super) nobody: Standing,
}

/// How a device stands.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Standing {
    /// Everything up to here is acknowledged.
    pub(super) cursor: Useq,
    pub(super) seen: Millis,
    /// Where it stood in the conversations whose pointers left the ring before it had them.
    pub(super) behind: BTreeMap<Conversation, Seq>,
}

impl Devices {
    /// How far the one is that holds the most back.
    pub(super) fn slowest(&self) -> Option<Useq> {
        self.known.values().map(|standing| standing.cursor).min()
    }

    /// A pointer has left the ring because there were too many.
    pub(super) fn miss(&mut self, useq: Useq, pointer: &Pointer) {
        let Pointer { conversation, after, seq, .. } = pointer;
        let standings =
            if self.known.is_empty() { vec![&mut self.nobody] } else { self.known.values_mut().collect() };
        for standing in standings {
            if standing.cursor < useq && after < seq {
                standing.behind.entry(conversation.clone()).or_insert(*after);
            }
        }
    }

    pub(super) fn forget_conversation(&mut self, conversation: &Conversation) {
        for standing in self.known.values_mut().chain([&mut self.nobody]) {
            standing.behind.remove(conversation);
        }
    }
}

impl Person {
    /// Where a device stands, or would if it were there.
    pub(super) fn device(&self, device: &Device) -> Standing {
        match self.devices.known.get(device) {
            Some(standing) => standing.clone(),
            None if self.devices.known.is_empty() => self.devices.nobody.clone(),
            None => Standing { cursor: self.floor, ..Standing::default() },
        }
    }

    /// A device is there. Notes it if it is new, or the last note is old enough.
    pub(super) fn see(&mut self, device: &Device, now: Millis, limits: &Limits) {
        let standing = self.devices.known.get(device);
        if standing.is_none_or(|standing| now.since(standing.seen) >= limits.seen_every) {
            self.note(device, self.device(device), now, limits);
        }
    }

    /// Keeps where a device stands, that it was there, and what follows for the others.
    fn note(&mut self, device: &Device, mut standing: Standing, now: Millis, limits: &Limits) {
        standing.seen = standing.seen.max(now);
        self.devices.known.insert(device.clone(), standing);
        self.forget_devices(device, now, limits);
        self.trim();
    }

    /// Forgets those that were away too long, and the longest unseen of too many; never `but`, which is here.
    fn forget_devices(&mut self, but: &Device, now: Millis, limits: &Limits) {
        let known = &mut self.devices.known;
        known.retain(|device, standing| device == but || now.since(standing.seen) <= limits.device_ttl);
        while known.len() > limits.devices_max.max(1) {
            let others = known.iter().filter(|(device, _)| *device != but);
            let Some((longest, _)) = others.min_by_key(|(device, standing)| (standing.seen, *device)) else {
                return;
            };
            let longest = longest.clone();
            known.remove(&longest);
        }
    }

    /// A device has everything up to `useq`. Returns its cursor.
    pub(super) fn ack(&mut self, device: &Device, useq: Useq, now: Millis, limits: &Limits) -> Useq {
        let mut standing = self.device(device);
        let useq = useq.min(self.head);
        if useq <= standing.cursor {
            return standing.cursor;
        }
        standing.cursor = useq;
        if useq >= self.floor {
            standing.behind.clear();
        } else {
            let changed_since = |conversation: &Conversation| {
                self.index.get(conversation).is_some_and(|record| record.useq > useq)
            };
            standing.behind.retain(|conversation, _| changed_since(conversation));
        }
        self.note(device, standing, now, limits);
        useq
    }

    /// Where a device stands in a conversation: what comes after this is new to it.
    pub(super) fn from(&self, standing: &Standing, conversation: &Conversation, record: &Record) -> Seq {
        if let Some(behind) = standing.behind.get(conversation) {
            return *behind;
        }
        let mut missing = self.ring.range(Useq(standing.cursor.0 + 1)..).map(|(_, pointer)| pointer);
        let first =
            missing.find(|pointer| pointer.conversation == *conversation && pointer.after < pointer.seq);
        first.map_or(record.head, |pointer| pointer.after)
    }

    /// A device that is far behind has got this far in one conversation.
    pub(super) fn within(&mut self, device: &Device, conversation: &Conversation, seq: Seq) {
        let (Some(standing), Some(record)) = (self.devices.known.get(device), self.index.get(conversation))
        else {
            return;
        };
        let seq = seq.min(record.head);
        if standing.cursor >= self.floor || seq <= self.from(standing, conversation, record) {
            return;
        }
        if let Some(standing) = self.devices.known.get_mut(device) {
            standing.behind.insert(conversation.clone(), seq);
        }
    }
}
