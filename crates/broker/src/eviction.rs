use std::{
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use naru_fanout::{Core, CoreId, Peer};

use crate::{client::Client, while_limited::while_limited, wire::Resp};

/// How often a core adds up what its clients take. What comes in between is not seen, so the limit is exceeded by as
/// much as the network brings in that time.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the clients of each core take: by what they are subscribed to, and as far as it waits for something, for the peer
/// to read, for the rest of a command, for EXEC.
pub(crate) struct ClientMemory(Box<[OfCore]>);

#[derive(Default)]
struct OfCore {
    bytes: AtomicUsize,
    /// Bytes of the client that takes most and may be evicted.
    largest: AtomicUsize,
}

impl ClientMemory {
    pub(crate) fn new(cores: usize) -> Self {
        ClientMemory((0..cores).map(|_| OfCore::default()).collect())
    }

    fn note(&self, core: CoreId, bytes: usize, largest: usize) {
        self.0[core.0].bytes.store(bytes, Ordering::Relaxed);
        self.0[core.0].largest.store(largest, Ordering::Relaxed);
    }

    fn total(&self) -> usize {
        self.0.iter().map(|core| core.bytes.load(Ordering::Relaxed)).sum()
    }

    /// Whether no client on another core takes more than this.
    fn is_largest(&self, core: CoreId, bytes: usize) -> bool {
        let others = self.0.iter().enumerate().filter(|(other, _)| *other != core.0);
        others.map(|(_, core)| core.largest.load(Ordering::Relaxed)).all(|largest| largest <= bytes)
    }
}

/// Sees to it that clients do not take more than `maxmemory-clients` together: whoever takes most is closed, until it
/// fits. While there is no such limit nothing runs.
pub(crate) fn watch(core: &Rc<Core<Resp>>) {
    if core.shared().config.clients_bytes_max().is_none() || core.local().watches_memory.replace(true) {
        return;
    }
    let core = core.clone();
    tokio::task::spawn_local(async move {
        while_limited(LOOK_EVERY, || core.shared().config.clients_bytes_max(), |most| look(&core, most))
            .await;
        core.shared().client_memory.note(core.id(), 0, 0);
        core.local().watches_memory.set(false);
    });
}

fn look(core: &Rc<Core<Resp>>, most: usize) {
    let (mut bytes, mut evictable) = (0, Vec::new());
    core.each_peer(|client| {
        let taken = client.weight().bytes();
        bytes += taken;
        if taken > 0 && !client.profile().no_evict.load(Ordering::Relaxed) {
            evictable.push((taken, client.clone()));
        }
    });
    evictable.sort_unstable_by_key(|(taken, _)| *taken);
    let memory = &core.shared().client_memory;
    loop {
        memory.note(core.id(), bytes, evictable.last().map_or(0, |(taken, _)| *taken));
        if memory.total() <= most {
            return;
        }
        match evictable.pop() {
            Some((taken, client)) if memory.is_largest(core.id(), taken) => {
                evict(core, &client, taken);
                bytes -= taken;
            }
            // It is for another core to go on.
            _ => return,
        }
    }
}

fn evict(core: &Core<Resp>, client: &Client, bytes: usize) {
    let profile = client.profile();
    tracing::warn!(
        client = %profile.id, address = %profile.address, bytes,
        "closed: clients take more than maxmemory-clients together, and this one most"
    );
    core.shared().counters.of(core.id()).evicted_clients.add(1);
    client.link().close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_core_that_has_the_largest_evicts() {
        let memory = ClientMemory::new(2);
        memory.note(CoreId(0), 100, 60);
        memory.note(CoreId(1), 70, 70);
        assert_eq!(memory.total(), 170);
        assert!(!memory.is_largest(CoreId(0), 60));
        assert!(memory.is_largest(CoreId(1), 70));
    }
}
