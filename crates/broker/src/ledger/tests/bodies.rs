use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::{Bodies, LedgerChange};
use crate::keyspace::{Body, Place, Spot};

/// A log that is in memory.
#[derive(Clone, Default)]
pub(super) struct Kept {
    bodies: BTreeMap<u64, Bytes>,
    lost: BTreeSet<u64>,
    next: u64,
}

impl Bodies for Kept {
    type Error = Place;

    fn read(&mut self, place: Place) -> Result<Bytes, Place> {
        let body = self.bodies.get(&place.address);
        body.filter(|body| body.len() == place.bytes as usize).cloned().ok_or(place)
    }
}

impl Kept {
    /// Records changes; the address of their record.
    pub(super) fn record(&mut self, changes: &mut [LedgerChange]) -> u64 {
        let record = self.next;
        for change in changes {
            change.each_body(&mut |body| {
                let Body::New(bytes) = body else { panic!("it is recorded once") };
                let spot = Spot { offset: (self.next - record) as u32, bytes: bytes.len() as u32 };
                self.bodies.insert(self.next, std::mem::take(bytes));
                self.next += u64::from(spot.bytes) + 1;
                *body = Body::Recorded(spot);
            });
        }
        self.next += 1;
        record
    }

    /// Nothing refers to a body any more.
    pub(super) fn free(&mut self, place: Place) {
        let body = self.bodies.remove(&place.address);
        assert!(body.is_some() || self.lost.remove(&place.address), "it is freed once");
        assert!(body.is_none_or(|body| body.len() == place.bytes as usize));
    }

    /// A body cannot be read any more.
    pub(super) fn lose(&mut self, place: Place) {
        assert!(self.bodies.remove(&place.address).is_some());
        self.lost.insert(place.address);
    }

    /// Where all are that are referred to.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |(address, body): (&u64, &Bytes)| Place { address: *address, bytes: body.len() as u32 };
        self.bodies.iter().map(place).collect()
    }
}
