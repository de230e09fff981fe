//! One user: what has come for them, and how far each of their devices has got.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::limits::RING_MIN;
use crate::names::Device;
use crate::position::{Millis, Seq, Useq};

/// Pointers to messages, numbered without holes, and the devices that hold them back.
///
/// `trimmed <= cursor <= head` for every device, and `head - trimmed` is the number of pointers.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inbox {
    pointers: VecDeque<Pointer>,
    /// The number of the last pointer that is gone; what is left begins after it.
    trimmed: Useq,
    /// For each log, by its index, how far it is in this inbox.
    reached: HashMap<usize, Seq>,
    /// Ordered, so that which of two equally old devices goes is decided the same way everywhere.
    devices: BTreeMap<Device, Standing>,
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pointer {
    /// The index of the log.
    pub(crate) log: usize,
    pub(crate) seq: Seq,
}

/// How a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Everything up to here is acknowledged.
    pub(crate) cursor: Useq,
    pub(crate) seen: Millis,
}

impl Inbox {
    /// The last pointer's number.
    pub(crate) fn head(&self) -> Useq {
        Useq(self.trimmed.0 + self.pointers.len() as u64)
    }

    /// The oldest position that can be read from without a hole.
    pub(crate) fn trimmed(&self) -> Useq {
        self.trimmed
    }

    /// How far a log is in this inbox.
    pub(crate) fn reached(&self, log: usize) -> Seq {
        self.reached.get(&log).copied().unwrap_or_default()
    }

    /// How far each log is in this inbox, by its index.
    pub(crate) fn all_reached(&self) -> impl Iterator<Item = (usize, Seq)> {
        self.reached.iter().map(|(log, seq)| (*log, *seq))
    }

    pub(crate) fn pointers(&self) -> impl Iterator<Item = &Pointer> {
        self.pointers.iter()
    }

    /// Whether it can have come to be as inboxes do: each log came in its order, all of it, and its last is what was
    /// reached.
    pub(crate) fn is_sound(&self) -> bool {
        let mut left: HashMap<usize, u64> = HashMap::new();
        self.pointers.iter().for_each(|pointer| *left.entry(pointer.log).or_default() += 1);
        let is_next = |Pointer { log, seq }: &Pointer| {
            let behind = left.entry(*log).and_modify(|left| *left -= 1).or_default();
            seq.0.checked_add(*behind) == Some(self.reached(*log).0)
        };
        let come = self.reached.values().try_fold(0, |come: u64, reached| come.checked_add(reached.0));
        let head = self.trimmed.0.checked_add(self.pointers.len() as u64);
        let cursors = |head| self.devices.values().all(|standing| standing.cursor.0 <= head);
        self.pointers.iter().all(is_next) && head == come && head.is_some_and(cursors)
    }

    pub(crate) fn device(&self, device: &Device) -> Option<Standing> {
        self.devices.get(device).copied()
    }

    pub(crate) fn devices(&self) -> &BTreeMap<Device, Standing> {
        &self.devices
    }

    /// Where a device stands: one that is not known yet starts at the oldest pointer there is.
    pub(crate) fn cursor(&self, device: &Device) -> Useq {
        self.device(device).map_or(self.trimmed, |standing| standing.cursor)
    }

    /// The pointers after `after`, or all there are if some of those are gone.
    pub(crate) fn after(&self, after: Useq) -> impl Iterator<Item = (Useq, Pointer)> {
        let after = after.clamp(self.trimmed, self.head());
        // In range: it is at most the number of pointers.
        let skipped = (after.0 - self.trimmed.0) as usize;
        (after.0 + 1..).map(Useq).zip(self.pointers.range(skipped..).copied())
    }

    /// Adds the next message of a log.
    pub(crate) fn push(&mut self, pointer: Pointer) {
        self.reached.insert(pointer.log, pointer.seq);
        self.pointers.push_back(pointer);
    }

    /// Notes that a device was there, and begins to hold pointers back for it if it is new.
    pub(crate) fn see(&mut self, device: &Device, at: Millis) {
        let cursor = self.trimmed;
        let standing = self.devices.entry(device.clone()).or_insert(Standing { cursor, seen: at });
        standing.seen = standing.seen.max(at);
    }

    /// Moves a device's cursor to `useq`, which is ahead of it and not beyond the head.
    pub(crate) fn ack(&mut self, device: &Device, useq: Useq, at: Millis) {
        self.see(device, at);
        if let Some(standing) = self.devices.get_mut(device) {
            standing.cursor = useq;
        }
        self.trim();
    }

    /// Stops holding anything back for a device.
    pub(crate) fn forget(&mut self, device: &Device) {
        self.devices.remove(device);
        self.trim();
    }

    /// Drops what every device has acknowledged, but for the last `RING_MIN`. Without a device nothing has been
    /// acknowledged.
    fn trim(&mut self) {
        let Some(slowest) = self.devices.values().map(|standing| standing.cursor).min() else { return };
        let upto = slowest.0.min(self.head().0.saturating_sub(RING_MIN));
        let Some(gone) = upto.checked_sub(self.trimmed.0) else { return };
        // In range: `upto` is not beyond the head.
        self.pointers.drain(..gone as usize);
        self.trimmed = Useq(upto);
        // A backlog read after a long absence does not leave its memory behind.
        if self.pointers.capacity() / 4 > self.pointers.len().max(RING_MIN as usize) {
            self.pointers.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> Device {
        Device::parse(name).unwrap()
    }

    fn inbox(pointers: u64) -> Inbox {
        let mut inbox = Inbox::default();
        for seq in 1..=pointers {
            inbox.push(Pointer { log: 0, seq: Seq(seq) });
        }
        inbox
    }

    fn retained(inbox: &Inbox) -> Vec<u64> {
        inbox
            .after(Useq::ZERO)
            .map(|(useq, pointer)| {
                assert_eq!(useq.0, pointer.seq.0);
                useq.0
            })
            .collect()
    }

    #[test]
    fn the_slowest_device_holds_pointers_back() {
        let mut inbox = inbox(1000);
        inbox.see(&device("slow"), Millis(0));
        inbox.ack(&device("fast"), Useq(1000), Millis(0));
        assert_eq!(retained(&inbox), (1..=1000).collect::<Vec<_>>());
        inbox.ack(&device("slow"), Useq(300), Millis(0));
        assert_eq!(retained(&inbox), (301..=1000).collect::<Vec<_>>());
        inbox.forget(&device("slow"));
        assert_eq!(retained(&inbox), (873..=1000).collect::<Vec<_>>());
        assert_eq!(inbox.head(), Useq(1000));
    }

    #[test]
    fn the_last_128_stay_although_all_have_acknowledged_them() {
        let mut inbox = inbox(129);
        inbox.ack(&device("only"), Useq(129), Millis(0));
        assert_eq!(retained(&inbox), (2..=129).collect::<Vec<_>>());
        inbox.forget(&device("only"));
        assert_eq!(retained(&inbox), (2..=129).collect::<Vec<_>>());
        assert_eq!(inbox.cursor(&device("new")), Useq(1));
    }

    #[test]
    fn an_inbox_nobody_has_read_keeps_everything() {
        let inbox = inbox(1000);
        assert_eq!(retained(&inbox).len(), 1000);
        assert_eq!(inbox.after(Useq(998)).map(|(useq, _)| useq.0).collect::<Vec<_>>(), [999, 1000]);
        assert_eq!(inbox.after(Useq(u64::MAX)).count(), 0);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_make_a_device_look_longer_unseen() {
        let mut inbox = inbox(2);
        inbox.see(&device("only"), Millis(50));
        inbox.ack(&device("only"), Useq(2), Millis(10));
        assert_eq!(inbox.device(&device("only")), Some(Standing { cursor: Useq(2), seen: Millis(50) }));
    }

    #[test]
    fn a_read_backlog_does_not_keep_its_memory() {
        let mut inbox = inbox(100_000);
        inbox.ack(&device("only"), Useq(100_000), Millis(0));
        assert!(inbox.pointers.capacity() < 1000);
    }
}
