use std::collections::VecDeque;

use bytes::Bytes;
use naru_fanout::CoreId;
use naru_store::{Backup, Lsn};
use tokio::sync::oneshot;

use crate::wire::Answer;

/// A message of the keeper's own, on a channel.
pub(super) struct Said {
    pub(super) channel: Bytes,
    pub(super) payload: Vec<u8>,
}

/// What leaves the keeper.
pub(super) enum Release {
    /// A reply, to the client's core.
    Answer(CoreId, Answer),
    /// A message on a channel.
    Publish(Said),
    /// A copy of all that is stored, to who makes it.
    Backup(oneshot::Sender<Backup>),
}

/// What has been decided and may not be seen yet, since a crash could still undo it. A reply that only read waits for
/// the last change before it, so nobody sees what could still vanish.
#[derive(Default)]
pub(super) struct Held(VecDeque<(Lsn, Release)>);

impl Held {
    /// Keeps `release` until `needs` is durable. `needs` never falls from one call to the next.
    pub(super) fn keep(&mut self, needs: Lsn, release: Release) {
        debug_assert!(self.0.back().is_none_or(|(before, _)| *before <= needs));
        self.0.push_back((needs, release));
    }

    /// The next that may leave once `durable` is on disk.
    pub(super) fn next(&mut self, durable: Lsn) -> Option<Release> {
        if self.0.front()?.0 > durable {
            return None;
        }
        self.0.pop_front().map(|(_, release)| release)
    }

    /// Everything, durable or not.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Release> {
        self.0.drain(..).map(|(_, release)| release)
    }
}
