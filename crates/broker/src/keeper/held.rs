use std::collections::VecDeque;

use bytes::Bytes;
use naru_fanout::CoreId;
use naru_store::{Backup, Lsn};
use tokio::sync::oneshot;

use super::Asker;
use crate::{channels::Publication, transaction::Execution, wire::Answer};

/// A message of the keeper's own, on a channel.
pub(super) struct Announcement {
    pub(super) channel: Bytes,
    pub(super) payload: Vec<u8>,
}

/// What leaves the keeper.
pub(super) enum Release {
    /// A reply, to the client's core.
    Answer(CoreId, Answer),
    /// A transaction, which publishes; its reply then waits for this.
    Execution(Asker, Until, Box<Execution>),
    /// A message on a channel.
    Publish(Announcement),
    /// One that a client publishes, who is answered how many heard it.
    Publication(Asker, Box<Publication>),
    /// A copy of all that is stored, to who makes it.
    Backup(oneshot::Sender<Backup>),
}

/// What something that was decided waits for before it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Until {
    /// That its record counts, at the level of the log.
    #[default]
    Counts,
    /// That it is on disk, whatever counts.
    Synced,
}

/// What has been decided and may not be seen yet, since a crash could still undo it. A reply that only read waits for
/// the last change before it, so nobody sees what could still vanish.
///
/// What waits for a sync is passed by what does not; replies of one client leave in order all the same, by their tickets.
#[derive(Default)]
pub(super) struct Held {
    counted: VecDeque<(Lsn, Release)>,
    synced: VecDeque<(Lsn, Release)>,
}

impl Held {
    /// Keeps `release` until `needs` counts, or is on disk. `needs` never falls from one call to the next.
    pub(super) fn keep(&mut self, needs: Lsn, until: Until, release: Release) {
        let queue = match until {
            Until::Counts => &mut self.counted,
            Until::Synced => &mut self.synced,
        };
        debug_assert!(queue.back().is_none_or(|(before, _)| *before <= needs));
        queue.push_back((needs, release));
    }

    /// The next that may leave once `counts` counts, and `synced` is on disk.
    pub(super) fn next(&mut self, counts: Lsn, synced: Lsn) -> Option<Release> {
        let may_leave = |queue: &VecDeque<(Lsn, Release)>, now| queue.front().is_some_and(|it| it.0 <= now);
        if may_leave(&self.counted, counts) {
            return self.counted.pop_front().map(|(_, release)| release);
        }
        let synced = may_leave(&self.synced, synced).then(|| self.synced.pop_front()).flatten();
        synced.map(|(_, release)| release)
    }

    /// Whether something waits for a sync of what counts, whoever else may leave before.
    pub(super) fn wants_sync(&self, counts: Lsn, synced: Lsn) -> bool {
        let waits = self.synced.partition_point(|(needs, _)| *needs <= synced);
        self.synced.get(waits).is_some_and(|(needs, _)| *needs <= counts)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.counted.len() + self.synced.len()
    }

    /// Everything, durable or not.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Release> {
        self.counted.drain(..).chain(self.synced.drain(..)).map(|(_, release)| release)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &'static str) -> Release {
        Release::Publish(Announcement { channel: Bytes::from_static(name.as_bytes()), payload: Vec::new() })
    }

    fn left(held: &mut Held, counts: u64, synced: u64) -> Vec<Bytes> {
        let next = || held.next(Lsn::new(counts), Lsn::new(synced));
        let channel = |release| match release {
            Release::Publish(Announcement { channel, .. }) => channel,
            _ => panic!("nothing else was kept"),
        };
        std::iter::from_fn(next).map(channel).collect()
    }

    #[test]
    fn what_waits_for_a_sync_is_passed_and_leaves_with_it() {
        let mut held = Held::default();
        for (needs, until, name) in [
            (1, Until::Counts, "a"),
            (2, Until::Synced, "b"),
            (2, Until::Counts, "c"),
            (3, Until::Counts, "d"),
            (3, Until::Synced, "e"),
        ] {
            held.keep(Lsn::new(needs), until, said(name));
        }
        assert!(!held.wants_sync(Lsn::new(1), Lsn::ZERO), "what it waits for is not written yet");
        assert_eq!(left(&mut held, 1, 0), ["a"]);
        assert!(held.wants_sync(Lsn::new(2), Lsn::ZERO));
        assert!(held.wants_sync(Lsn::new(3), Lsn::new(2)), "who may leave already is not in the way");
        assert_eq!(left(&mut held, 3, 0), ["c", "d"]);
        assert_eq!(left(&mut held, 3, 2), ["b"]);
        assert!(held.wants_sync(Lsn::new(3), Lsn::new(2)) && !held.wants_sync(Lsn::new(3), Lsn::new(3)));
        assert_eq!(held.drain().count(), 1);
    }
}
