//! The salt of a segment whose head is lost.
//!
//! Checksums take no more of a salt than its own checksum, and a CRC can be run backwards: so a header and its checksum
//! tell a salt that does for the one it was written with. Any bytes tell some; the rest of the frame proves it.

use crate::frame::{HEADER_BYTES, unmasked};

/// CRC-32C's polynomial, its bits in the order of a checksum's.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A salt under which the checksum of the header at the start of these bytes is right.
pub(super) fn of_header(bytes: &[u8]) -> Option<u64> {
    let (covered, check) = bytes.get(..HEADER_BYTES)?.split_at(HEADER_BYTES - 4);
    let behind = !unmasked(u32::from_le_bytes(check.try_into().ok()?));
    // What the checksum had come to behind the salt, and four bytes before, were they zeros.
    let salted = covered.iter().rev().fold(behind, |state, byte| before(state, *byte));
    let wanted = (0..4).fold(salted, |state, _| before(state, 0));
    // Four bytes of zeros, then four that make up the difference.
    let given = !crc32c::crc32c(&[0; 4]);
    Some(u64::from(wanted ^ given) << 32)
}

/// What a checksum had come to before this byte.
fn before(state: u32, byte: u8) -> u32 {
    let step = |state: u32| match state >> 31 {
        0 => state << 1,
        _ => ((state ^ POLYNOMIAL) << 1) | 1,
    };
    (0..8).fold(state, |state, _| step(state)) ^ u32::from(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Header, salted_crc};
    use crate::lsn::Lsn;

    #[test]
    fn a_header_tells_a_salt_that_does_for_its_own() {
        for salt in [0, 1, 77, u64::MAX, 0x0123_4567_89ab_cdef] {
            let header =
                Header { length: 123, count: 4, first: Lsn::new(salt >> 9), durable: Lsn::new(7), chain: 99 };
            let found = of_header(&header.encode(salt)).unwrap();
            assert_eq!(salted_crc(found, b"anything"), salted_crc(salt, b"anything"));
        }
        assert_eq!(of_header(&[0; HEADER_BYTES - 1]), None);
    }
}
