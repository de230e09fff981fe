//! What clients take of memory, asked of every core when somebody wants to know (`CLIENT LIST`), so that nothing is
//! counted while nobody does.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use naru_fanout::{Core, CoreId, Link, Peer, PeerId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    client::Client,
    profile::Profile,
    wire::{Mail, Resp},
};

/// What one client takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// What was read of it and is no complete command yet, or waits behind one.
    pub(crate) input: usize,
    /// Room that was made for more of that.
    pub(crate) input_free: usize,
    /// What it has queued in a transaction.
    pub(crate) transaction: usize,
    /// What waits behind a reply that is still to come.
    pub(crate) held_back: usize,
    /// What it has not taken yet.
    pub(crate) outbox: usize,
    pub(crate) subscriptions: usize,
}

/// What every client takes, whatever it does.
const CLIENT_BYTES: usize = size_of::<Client>() + size_of::<Profile>() + size_of::<Link>();

impl Weight {
    /// What it fills on top of what every client takes.
    pub(crate) fn bytes(&self) -> usize {
        self.input + self.transaction + self.output() + self.subscriptions
    }

    /// All that it takes.
    pub(crate) fn total(&self) -> usize {
        CLIENT_BYTES + self.bytes() + self.input_free
    }

    pub(crate) fn output(&self) -> usize {
        self.held_back + self.outbox
    }

    /// In how many pieces the output waits, as far as that is told here: behind a missing reply, and in the outbox.
    pub(crate) fn output_pieces(&self) -> usize {
        usize::from(self.held_back > 0) + usize::from(self.outbox > 0)
    }
}

/// Asks every core what its clients take.
pub(crate) struct Weighing {
    cores_left: AtomicUsize,
    weights: Mutex<HashMap<PeerId, Weight>>,
    is_done: Notify,
}

impl Weighing {
    pub(crate) async fn of_all(core: &Rc<Core<Resp>>) -> HashMap<PeerId, Weight> {
        let cores = core.directory().cores();
        let weighing = Arc::new(Weighing {
            cores_left: AtomicUsize::new(cores),
            weights: Mutex::default(),
            is_done: Notify::new(),
        });
        for at in (0..cores).map(CoreId) {
            core.directory().send(at, Mail::Weigh(weighing.clone()));
        }
        weighing.is_done.notified().await;
        std::mem::take(&mut *weighing.weights.lock())
    }

    /// Answers for a core.
    pub(crate) fn weigh(&self, core: &Core<Resp>) {
        let mut weights = self.weights.lock();
        core.each_peer(|client| {
            weights.insert(client.id(), client.weight());
        });
        drop(weights);
        if self.cores_left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.is_done.notify_one();
        }
    }
}
