//! The head and the foot of a segment file, and the file's name.
//!
//! ```text
//! head, the first 4096 bytes:
//!    0  magic "NARUSEG\n"                  8
//!    8  format                             4
//!   12  shard                              4
//!   16  number of the segment, from 1      8
//!   24  salt                               8
//!   32  LSN of its first record            8
//!   40  bytes of the file                  8
//!   48  CRC of the last frame before it    4
//!   52  address of its first frame         8
//!   60  zeros
//! 4092  CRC32C of the above                4
//!
//! foot, the last 64 bytes, about the next segment:
//!    0  magic "NARUEND\n"                  8
//!    8  its number                         8
//!   16  its salt                           8
//!   24  LSN of its first record            8
//!   32  address of its first frame         8    where this one's frames end
//!   40  CRC of the last frame before it    4
//!   44  zeros
//!   60  CRC32C of the above                4
//! ```
//!
//! Going over to a next segment is three steps, each synced before the one after: the next one's head, this one's
//! foot, the next one's first frame. So a whole head proves everything before it; a torn head has no frame behind it;
//! and a next segment that had frames cannot vanish without the foot before it saying so.

use std::path::PathBuf;

use crate::address::Address;
use crate::lsn::Lsn;

/// Bytes of a segment before its frames.
pub(crate) const HEAD_BYTES: usize = 4096;
/// Bytes of a segment behind its frames.
pub(crate) const FOOT_BYTES: usize = 64;
/// The format that this version writes, and the only one it reads.
pub(crate) const FORMAT: u32 = 4;

const MAGIC: [u8; 8] = *b"NARUSEG\n";
const CRC_AT: usize = HEAD_BYTES - 4;

/// The head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) number: u64,
    pub(crate) salt: u64,
    pub(crate) first: Lsn,
    /// Length of the whole file.
    pub(crate) bytes: u64,
    pub(crate) chain: u32,
    /// Where its first frame stands.
    pub(crate) start: Address,
}

impl SegmentHead {
    /// Where frames must end, from the start of the file.
    pub(crate) fn frames_end(&self) -> u64 {
        self.bytes - FOOT_BYTES as u64
    }

    /// The foot that the segment before this one gets.
    pub(crate) fn foot_before(&self) -> SegmentFoot {
        let Self { number, salt, first, start, chain, .. } = *self;
        SegmentFoot { next: number, next_salt: salt, next_first: first, end: start, chain }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&0u32.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&self.first.number().to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        bytes.extend_from_slice(&self.start.position().to_le_bytes());
        bytes.resize(CRC_AT, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The head at the start of these bytes; `None` when it was never written, torn, or damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD_BYTES)?;
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        if u32_at(CRC_AT) != crc32c::crc32c(&bytes[..CRC_AT]) {
            return None;
        }
        let ours = bytes[..8] == MAGIC && u32_at(8) == FORMAT && u32_at(12) == 0;
        if ours { Self::as_it_stands(bytes) } else { None }
    }

    /// What these bytes would say if they were as they were written.
    pub(crate) fn as_it_stands(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD_BYTES)?;
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        Some(Self {
            number: u64_at(16),
            salt: u64_at(24),
            first: Lsn::new(u64_at(32)),
            bytes: u64_at(40),
            chain: u32::from_le_bytes(bytes[48..52].try_into().expect("four bytes")),
            start: Address::new(u64_at(52)),
        })
    }
}

/// Says at the end of a segment that another follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFoot {
    pub(crate) next: u64,
    pub(crate) next_salt: u64,
    /// The next one's first record.
    pub(crate) next_first: Lsn,
    /// Where the frames end, and the next one's begin.
    pub(crate) end: Address,
    /// CRC of the last frame.
    pub(crate) chain: u32,
}

impl SegmentFoot {
    pub(crate) fn encode(&self) -> [u8; FOOT_BYTES] {
        let mut bytes = [0; FOOT_BYTES];
        bytes[0..8].copy_from_slice(b"NARUEND\n");
        bytes[8..16].copy_from_slice(&self.next.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.next_salt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.next_first.number().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.end.position().to_le_bytes());
        bytes[40..44].copy_from_slice(&self.chain.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..FOOT_BYTES - 4]);
        bytes[FOOT_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The foot that is exactly these bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let foot = Self {
            next: u64_at(8)?,
            next_salt: u64_at(16)?,
            next_first: Lsn::new(u64_at(24)?),
            end: Address::new(u64_at(32)?),
            chain: u32::from_le_bytes(bytes.get(40..44)?.try_into().ok()?),
        };
        (foot.encode() == bytes).then_some(foot)
    }
}

/// The file of segment `number`.
pub(crate) fn file_name(number: u64) -> PathBuf {
    format!("{number:016}.seg").into()
}

/// The number in a segment's file name; `None` for every other name.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_undoes_encode_and_sees_every_flipped_byte() {
        let (first, start) = (Lsn::new(42), Address::new(1 << 40));
        let head = SegmentHead { number: 7, salt: u64::MAX, first, bytes: 1 << 26, chain: 9, start };
        let mut bytes = head.encode();
        assert_eq!(SegmentHead::decode(&bytes), Some(head));
        for at in 0..bytes.len() {
            bytes[at] ^= 1 << (at % 8);
            assert_eq!(SegmentHead::decode(&bytes), None, "byte {at}");
            bytes[at] ^= 1 << (at % 8);
        }
        assert_eq!(SegmentHead::decode(&bytes[..HEAD_BYTES - 1]), None);
    }

    #[test]
    fn a_foot_is_read_back_and_every_flipped_bit_in_it_is_seen() {
        let (next_first, end) = (Lsn::new(42), Address::new(1 << 40));
        let foot = SegmentFoot { next: 8, next_salt: 1 << 60, next_first, end, chain: 9 };
        let mut bytes = foot.encode();
        assert_eq!(SegmentFoot::decode(&bytes), Some(foot));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentFoot::decode(&bytes), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(SegmentFoot::decode(&bytes[..20]), None);
    }

    #[test]
    fn names_lead_back_to_their_numbers_and_others_do_not() {
        assert_eq!(file_number(file_name(12).to_str().unwrap()), Some(12));
        for other in ["12.seg", "000000000000001x.seg", "torn-0000000000000042", "0000000000000001.segment"] {
            assert_eq!(file_number(other), None);
        }
    }
}
