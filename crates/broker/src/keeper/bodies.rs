//! Bodies: the bytes of what is stored, apart from what refers to them. All of them are written and read here, and
//! nowhere else; the rest of the keeper knows a [`Place`].

use std::collections::HashMap;

use ahash::RandomState;
use bytes::Bytes;

use super::store::StoreError;
use crate::keyspace::Place;

/// For the time being they are kept in memory, under addresses that rise and are never given twice.
#[derive(Default)]
pub(super) struct Bodies {
    next: u64,
    kept: HashMap<u64, Bytes, RandomState>,
}

impl Bodies {
    pub(super) fn write(&mut self, body: Bytes) -> Place {
        // What is recorded is shorter than that.
        let place = Place { address: self.next, bytes: u32::try_from(body.len()).unwrap_or(u32::MAX) };
        // A body without bytes has an address of its own too.
        self.next += body.len().max(1) as u64;
        self.kept.insert(place.address, body);
        place
    }

    pub(super) fn read(&self, place: Place) -> Result<Bytes, StoreError> {
        let body = self.kept.get(&place.address).filter(|body| body.len() == place.bytes as usize);
        body.cloned().ok_or(StoreError::NoBody { address: place.address })
    }

    /// Nothing refers to any of them any more.
    pub(super) fn free_all(&mut self) {
        self.kept = HashMap::default();
    }

    /// Nothing refers to it any more.
    pub(super) fn free(&mut self, place: Place) {
        self.kept.remove(&place.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_until_it_is_freed() {
        let mut bodies = Bodies::default();
        let places = ["a", "", "", "ccc"].map(|text| bodies.write(text.into()));
        assert_eq!(places.map(|place| bodies.read(place).unwrap()), ["a", "", "", "ccc"]);
        bodies.free(places[1]);
        assert!(bodies.read(places[1]).is_err() && bodies.read(places[2]).is_ok());
        assert!(bodies.read(Place { bytes: 2, ..places[3] }).is_err());
    }
}
