//! The bytes of a frame: one group commit.
//!
//! ```text
//!  0  magic and version "NRF1"        4
//!  4  length of the whole frame       4
//!  8  number of records, at least 1   4
//! 12  LSN of the first record         8
//! 20  durable LSN when written        8
//! 28  CRC of the frame before         4    a chain: a frame belongs behind exactly one other
//! 32  check of salt and the above     4    a block of another segment, or of this one's earlier life, never passes
//! 36  records: length 4, kind 1, body, check of the three 4
//!  …  CRC32C of salt and everything   4
//! ```
//!
//! Integers are little-endian. A check is a CRC32C, masked: bytes with their plain CRC behind them leave any CRC that goes
//! on over them the same, whatever they say, and a frame's would tell no more than lengths.

use crate::lsn::Lsn;

/// Bytes of a frame before its records.
pub(crate) const HEADER_BYTES: usize = 36;
/// Bytes of a frame behind its records.
pub(crate) const TRAILER_BYTES: usize = 4;
/// Bytes that a record takes beside its body.
pub(crate) const RECORD_EXTRA_BYTES: usize = 9;
/// Bytes of a record before its body.
pub(crate) const RECORD_HEAD_BYTES: usize = 5;
/// A frame is never longer.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

const MAGIC: [u8; 4] = *b"NRF1";

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The caller's bytes.
    Data = 0,
    /// The log's own: everything before it is on disk.
    Mark = 1,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the whole frame.
    pub(crate) length: u32,
    pub(crate) count: u32,
    pub(crate) first: Lsn,
    /// Highest record known to be synced when this frame was written.
    pub(crate) durable: Lsn,
    /// CRC of the frame before.
    pub(crate) chain: u32,
}

impl Header {
    pub(crate) fn encode(&self, salt: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.count.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.first.number().to_le_bytes());
        bytes[20..28].copy_from_slice(&self.durable.number().to_le_bytes());
        bytes[28..32].copy_from_slice(&self.chain.to_le_bytes());
        let check = masked(salted_crc(salt, &bytes[..32]));
        bytes[32..36].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// The header at the start of these bytes, if there is one that was written with this salt.
    pub(crate) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        if bytes[..4] != MAGIC || u32_at(bytes, 32) != masked(salted_crc(salt, &bytes[..32])) {
            return None;
        }
        Some(Self {
            length: u32_at(bytes, 4),
            count: u32_at(bytes, 8),
            first: Lsn::new(u64_at(bytes, 12)),
            durable: Lsn::new(u64_at(bytes, 20)),
            chain: u32_at(bytes, 28),
        })
    }
}

/// A frame whose every check has passed.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) header: Header,
    /// Its CRC, to which the next frame is chained.
    pub(crate) crc: u32,
    records: &'a [u8],
}

/// Why bytes are not the frame that belongs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// No header: nothing was written, or its sector is lost or damaged.
    Header,
    /// A whole header, written for this segment, but not for this place. No crash does this.
    Misplaced,
    /// The right header, but what follows is not what it was written with.
    Body(Header),
    /// The frame is as it was written, but a record in it is not as it was appended. No crash does this.
    Record,
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of these bytes, which must begin with record `first` and follow the frame with
    /// this CRC.
    pub(crate) fn decode(bytes: &'a [u8], salt: u64, first: Lsn, chain: u32) -> Result<Self, BadFrame> {
        let header = Header::decode(bytes, salt).ok_or(BadFrame::Header)?;
        let length = header.length as usize;
        let end = header.first.checked_add(u64::from(header.count));
        if header.first != first || header.chain != chain || header.count == 0 || end.is_none() {
            return Err(BadFrame::Misplaced);
        }
        if length < HEADER_BYTES + TRAILER_BYTES || length > bytes.len() || length > FRAME_BYTES_MAX {
            return Err(BadFrame::Misplaced);
        }
        let (covered, trailer) = bytes[..length].split_at(length - TRAILER_BYTES);
        let crc = u32_at(trailer, 0);
        if crc != salted_crc(salt, covered) {
            return Err(BadFrame::Body(header));
        }
        let frame = Self { header, crc, records: &covered[HEADER_BYTES..] };
        let mut rest = frame.records;
        for _ in 0..header.count {
            rest = split_record(rest).ok_or(BadFrame::Record)?.2;
        }
        if rest.is_empty() { Ok(frame) } else { Err(BadFrame::Record) }
    }

    /// Its records in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let (whole, mut rest) = (self.records.len(), self.records);
        let first = self.header.first;
        (0..u64::from(self.header.count)).map_while(move |index| {
            let at = HEADER_BYTES + whole - rest.len() + RECORD_HEAD_BYTES;
            let (kind, body, after) = split_record(rest)?;
            rest = after;
            Some(Record { lsn: first.plus(index), kind, body, at })
        })
    }
}

/// A record of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) lsn: Lsn,
    pub(crate) kind: Kind,
    pub(crate) body: &'a [u8],
    /// Where the body begins in the frame.
    pub(crate) at: usize,
}

/// Adds a record to the bytes of a frame and answers where its body begins.
pub(crate) fn push_record(bytes: &mut Vec<u8>, kind: Kind, body: &[u8]) -> usize {
    let start = bytes.len();
    let length = u32::try_from(body.len()).expect("callers keep records below FRAME_BYTES_MAX, which fits");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.push(kind as u8);
    bytes.extend_from_slice(body);
    let check = masked(crc32c::crc32c(&bytes[start..]));
    bytes.extend_from_slice(&check.to_le_bytes());
    start + RECORD_HEAD_BYTES
}

/// CRC32C of the salt and then the bytes.
pub(crate) fn salted_crc(salt: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), bytes)
}

/// A CRC as it is kept among the bytes that another goes over.
fn masked(crc: u32) -> u32 {
    // As others do it (LevelDB): what is added carries, so that it is not linear as a CRC is.
    crc.rotate_right(15).wrapping_add(MASK)
}

/// The CRC that is kept so.
pub(crate) fn unmasked(check: u32) -> u32 {
    check.wrapping_sub(MASK).rotate_left(15)
}

const MASK: u32 = 0xa282_ead8;

/// The first later place with a frame header of this salt, and that header.
pub(crate) fn find_header(bytes: &[u8], salt: u64) -> Option<(usize, Header)> {
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|byte| *byte == MAGIC[0]) {
        let at = from + found;
        if let Some(header) = Header::decode(&bytes[at..], salt) {
            return Some((at, header));
        }
        from = at + 1;
    }
    None
}

/// The record at the start of these bytes, if it is as it was appended, and what is behind it.
pub(crate) fn split_record(bytes: &[u8]) -> Option<(Kind, &[u8], &[u8])> {
    let (kind, covered) = record_head(bytes)?;
    let (covered, behind) = bytes.split_at(covered);
    is_record_check(&behind[..4], crc32c::crc32c(covered))
        .then(|| (kind, &covered[RECORD_HEAD_BYTES..], &behind[4..]))
}

/// What the start of these bytes says, if it can be the head of a record that is all there: its kind, and how many bytes
/// come before its check, which is over them.
pub(crate) fn record_head(bytes: &[u8]) -> Option<(Kind, usize)> {
    let head = bytes.get(..RECORD_HEAD_BYTES)?;
    let kind = match head[4] {
        0 => Kind::Data,
        1 => Kind::Mark,
        _ => return None,
    };
    let covered = (u32_at(head, 0) as usize).checked_add(RECORD_HEAD_BYTES)?;
    (covered.checked_add(4)? <= bytes.len()).then_some((kind, covered))
}

/// Whether this is the check of a record whose bytes before it have this CRC.
pub(crate) fn is_record_check(check: &[u8], crc: u32) -> bool {
    check == masked(crc).to_le_bytes()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a range of four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a range of eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::batch::Batch;
    use proptest::prelude::*;

    fn sealed(records: &[Vec<u8>], salt: u64, first: Lsn, chain: u32) -> Batch {
        let mut batch = Batch::new(Address::new(1000), first);
        for record in records {
            batch.push(Kind::Data, record);
        }
        batch.seal(salt, first.before(), chain);
        batch
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn decode_undoes_encode(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
            salt: u64, first in 1u64..1 << 60, chain: u32,
        ) {
            let batch = sealed(&records, salt, Lsn::new(first), chain);
            let frame = Frame::decode(batch.bytes(), salt, Lsn::new(first), chain).unwrap();
            let back: Vec<_> = frame.records().collect();
            prop_assert_eq!(back.len(), records.len());
            for (index, record) in back.into_iter().enumerate() {
                prop_assert_eq!(record.lsn.number(), first + index as u64);
                prop_assert_eq!(record.kind, Kind::Data);
                prop_assert_eq!(record.body, &records[index][..]);
                let address = Address::new(1000 + record.at as u64);
                prop_assert_eq!(batch.get(address, record.body.len()), Some(record.body));
            }
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300), salt: u64, chain: u32,
        ) {
            prop_assert!(Frame::decode(&bytes, salt, Lsn::new(1), chain).is_err());
            prop_assert!(find_header(&bytes, salt).is_none());
        }

        #[test]
        fn any_bytes_with_right_checksums_are_no_panic(
            body in prop::collection::vec(any::<u8>(), 0..100), length: u32, fit: bool, count: u32,
        ) {
            let whole = (HEADER_BYTES + body.len() + TRAILER_BYTES) as u32;
            let length = if fit { whole } else { length };
            let header = Header { length, count, first: Lsn::new(1), durable: Lsn::ZERO, chain: 0 };
            let mut bytes = header.encode(7).to_vec();
            bytes.extend_from_slice(&body);
            bytes.extend_from_slice(&salted_crc(7, &bytes).to_le_bytes());
            if let Ok(frame) = Frame::decode(&bytes, 7, Lsn::new(1), 0) {
                prop_assert_eq!(frame.records().count(), count as usize);
            }
        }

        #[test]
        fn a_frame_of_another_salt_place_or_predecessor_is_refused(salt in 1u64.., other in 1u32..) {
            let batch = sealed(&[b"record".to_vec()], salt, Lsn::new(9), 5);
            let decode = |salt, first, chain| Frame::decode(batch.bytes(), salt, Lsn::new(first), chain).err();
            prop_assert_eq!(decode(salt - 1, 9, 5), Some(BadFrame::Header));
            prop_assert_eq!(decode(salt, 10, 5), Some(BadFrame::Misplaced));
            prop_assert_eq!(decode(salt, 9, 5 ^ other), Some(BadFrame::Misplaced));
        }
    }

    /// Whoever follows a frame names it by its checksum; so do those who look for what was replaced in one.
    #[test]
    fn frames_of_one_length_that_say_other_things_have_other_checksums() {
        let crc = |record: &[u8], salt, first, chain| {
            let batch = sealed(&[record.to_vec(), b"another".to_vec()], salt, Lsn::new(first), chain);
            u32_at(batch.bytes(), batch.bytes().len() - 4)
        };
        let one = crc(b"one", 3, 1, 0);
        for other in [crc(b"two", 3, 1, 0), crc(b"one", 4, 1, 0), crc(b"one", 3, 2, 0), crc(b"one", 3, 1, 9)]
        {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let batch = sealed(&[b"one".to_vec(), Vec::new(), vec![0; 40]], 3, Lsn::new(1), 0);
        let mut bytes = batch.bytes().to_vec();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::decode(&bytes, 3, Lsn::new(1), 0).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(Frame::decode(&bytes, 3, Lsn::new(1), 0).is_ok());
    }

    #[test]
    fn a_later_header_is_found_wherever_it_stands() {
        let batch = sealed(&[b"record".to_vec()], 3, Lsn::new(4), 1);
        let mut bytes = b"NNRF1NRF junk NRF1 and more junk that is no header at all NR".to_vec();
        let at = bytes.len();
        bytes.extend_from_slice(batch.bytes());
        let (found, header) = find_header(&bytes, 3).unwrap();
        assert_eq!((found, header.first, header.durable), (at, Lsn::new(4), Lsn::new(3)));
    }
}
