//! Records that wait to become one frame.

use crate::frame::{FRAME_BYTES_MAX, HEADER_BYTES, Header, Kind, TRAILER_BYTES, push_record};
use crate::lsn::Lsn;

/// A buffer above this is not kept for the next batch.
const KEEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Records that wait to become one frame: the frame's bytes, with the header left blank until [`Batch::seal`].
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    first: Lsn,
    count: u32,
}

impl Batch {
    pub(crate) fn new(first: Lsn) -> Self {
        Self { bytes: vec![0; HEADER_BYTES], first, count: 0 }
    }

    /// Empty again, to begin with record `first`.
    pub(crate) fn restart(&mut self, first: Lsn) {
        self.bytes.truncate(HEADER_BYTES);
        if self.bytes.capacity() > KEEP_BYTES_MAX {
            self.bytes.shrink_to(HEADER_BYTES);
        }
        self.first = first;
        self.count = 0;
    }

    pub(crate) fn push(&mut self, kind: Kind, body: &[u8]) -> Lsn {
        let lsn = self.next();
        push_record(&mut self.bytes, kind, body);
        self.count += 1;
        lsn
    }

    /// The record that the next push will be.
    pub(crate) fn next(&self) -> Lsn {
        self.first.plus(u64::from(self.count))
    }

    pub(crate) fn first(&self) -> Lsn {
        self.first
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the frame that it will be.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.bytes.len() + TRAILER_BYTES
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
        crc
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
