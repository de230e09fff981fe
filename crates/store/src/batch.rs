//! Records that wait to become one frame.

use crate::address::Address;
use crate::frame::{
    FRAME_BYTES_MAX, HEADER_BYTES, Header, Kind, RECORD_HEAD_BYTES, TRAILER_BYTES, push_record,
};
use crate::lsn::Lsn;

/// A buffer above this is not kept for the next batch.
const KEEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Records that wait to become one frame: the frame's bytes, with the header left blank until [`Batch::seal`].
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    base: Address,
    first: Lsn,
    count: u32,
    is_sealed: bool,
}

impl Batch {
    /// The batch whose frame will begin at `base`, with record `first`.
    pub(crate) fn new(base: Address, first: Lsn) -> Self {
        Self { bytes: vec![0; HEADER_BYTES], base, first, count: 0, is_sealed: false }
    }

    /// Empty again.
    pub(crate) fn restart(&mut self, base: Address, first: Lsn) {
        self.bytes.truncate(HEADER_BYTES);
        if self.bytes.capacity() > KEEP_BYTES_MAX {
            self.bytes.shrink_to(HEADER_BYTES);
        }
        self.base = base;
        self.first = first;
        self.count = 0;
        self.is_sealed = false;
    }

    /// Adds a record and answers its number, and where its body will stand.
    pub(crate) fn push(&mut self, kind: Kind, body: &[u8]) -> (Lsn, Address) {
        let lsn = self.next();
        let at = push_record(&mut self.bytes, kind, body);
        self.count += 1;
        (lsn, self.base.plus(at as u64))
    }

    /// Where the body of the next record will stand.
    pub(crate) fn next_address(&self) -> Address {
        self.base.plus((self.bytes.len() + RECORD_HEAD_BYTES) as u64)
    }

    /// The record that the next push will be.
    pub(crate) fn next(&self) -> Lsn {
        self.first.plus(u64::from(self.count))
    }

    pub(crate) fn first(&self) -> Lsn {
        self.first
    }

    /// Where its frame begins.
    pub(crate) fn base(&self) -> Address {
        self.base
    }

    /// Where the frame behind it begins.
    pub(crate) fn end(&self) -> Address {
        self.base.plus(self.frame_bytes() as u64)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the frame that it will be, or is.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.bytes.len() + if self.is_sealed { 0 } else { TRAILER_BYTES }
    }

    /// Makes it a frame and answers the frame's CRC.
    pub(crate) fn seal(&mut self, salt: u64, durable: Lsn, chain: u32) -> u32 {
        assert!(self.count > 0 && self.frame_bytes() <= FRAME_BYTES_MAX, "a frame has records and a bound");
        let header = Header {
            length: self.frame_bytes() as u32,
            count: self.count,
            first: self.first,
            durable,
            chain,
        };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.encode(salt));
        let crc = crate::frame::salted_crc(salt, &self.bytes);
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        self.is_sealed = true;
        crc
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of records that stand there.
    pub(crate) fn get(&self, address: Address, bytes: usize) -> Option<&[u8]> {
        let at = usize::try_from(address.since(self.base)?).ok()?;
        self.bytes.get(at..at.checked_add(bytes)?)
    }
}
