use std::rc::Rc;

use ahash::RandomState;
use hashbrown::HashTable;

use crate::{Peer, PeerId, Wire};

/// The peers of a core. Each is found by the id that it has itself, so that a peer takes a pointer here and no more.
pub(crate) struct Peers<W: Wire> {
    table: HashTable<Rc<W::Peer>>,
    hashing: RandomState,
}

impl<W: Wire> Default for Peers<W> {
    fn default() -> Self {
        Peers { table: HashTable::new(), hashing: RandomState::new() }
    }
}

impl<W: Wire> Peers<W> {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Rc<W::Peer>> {
        self.table.find(self.hashing.hash_one(id), |peer| peer.id() == id)
    }

    /// In no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rc<W::Peer>> {
        self.table.iter()
    }

    /// Takes up a peer whose id is not there.
    pub(crate) fn insert(&mut self, peer: Rc<W::Peer>) {
        let Peers { table, hashing } = self;
        table.insert_unique(hashing.hash_one(peer.id()), peer, |peer| hashing.hash_one(peer.id()));
    }

    pub(crate) fn remove(&mut self, id: PeerId) {
        if let Ok(found) = self.table.find_entry(self.hashing.hash_one(id), |peer| peer.id() == id) {
            found.remove();
        }
    }
}
