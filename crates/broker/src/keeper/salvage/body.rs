use bytes::Bytes;
use naru_store::{Address, Salvage};

use crate::{
    keeper::journal::{CHECK_BYTES, RECORD_BYTES_MAX},
    keyspace::Place,
    ledger::Bodies,
};

/// The bytes of a body, if they are what was written.
pub(super) fn read(from: &Salvage, place: Place) -> Option<Bytes> {
    if place.bytes as usize > RECORD_BYTES_MAX {
        return None;
    }
    let mut checked = vec![0; CHECK_BYTES + place.bytes as usize];
    from.read(Address::new(place.address), &mut checked).ok()?;
    let body = Bytes::from(checked);
    let check = u32::from_le_bytes(body[..CHECK_BYTES].try_into().ok()?);
    let body = body.slice(CHECK_BYTES..);
    (crc32c::crc32c(&body) == check).then_some(body)
}

/// What is left of what entries say.
pub(super) struct Left<'a>(pub(super) &'a Salvage);

impl Bodies for Left<'_> {
    type Error = ();

    fn read(&mut self, place: Place) -> Result<Bytes, ()> {
        read(self.0, place).ok_or(())
    }
}
