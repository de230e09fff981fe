//! Checksums of any stretches of some bytes, however many are asked for.

use std::ops::Range;

/// Bytes between places up to which the checksum is known.
const STEP_BYTES: usize = 1024;

/// Some bytes, and the CRC-32C of the first so many of them, step by step. What it is of a stretch follows from what it is
/// up to its two ends.
pub(super) struct Checksums<'a> {
    pub(super) bytes: &'a [u8],
    steps: Vec<u32>,
    /// Bytes that a checksum was made of.
    #[cfg(test)]
    pub(super) gone_over: std::cell::Cell<usize>,
}

impl<'a> Checksums<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let steps = bytes.chunks(STEP_BYTES).scan(0, |crc, step| {
            let before = *crc;
            *crc = crc32c::crc32c_append(before, step);
            Some(before)
        });
        Checksums {
            bytes,
            steps: steps.collect(),
            #[cfg(test)]
            gone_over: bytes.len().into(),
        }
    }

    /// The CRC-32C of a stretch.
    pub(super) fn crc(&self, stretch: Range<usize>) -> u32 {
        if stretch.len() <= STEP_BYTES {
            return self.go_over(0, stretch);
        }
        let length = stretch.len();
        // What is before the stretch adds to all that is up to its end what it would with zeros behind it.
        crc32c::crc32c_combine(self.up_to(stretch.start), self.up_to(stretch.end), length)
    }

    fn up_to(&self, end: usize) -> u32 {
        // At the end of the last step there is none that begins.
        let step = (end / STEP_BYTES).min(self.steps.len().saturating_sub(1));
        let before = self.steps.get(step).copied().unwrap_or(0);
        self.go_over(before, step * STEP_BYTES..end)
    }

    fn go_over(&self, before: u32, stretch: Range<usize>) -> u32 {
        #[cfg(test)]
        self.gone_over.set(self.gone_over.get() + stretch.len());
        crc32c::crc32c_append(before, &self.bytes[stretch])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stretch_has_the_checksum_of_its_bytes(
            seed: u8, length in 0..5 * STEP_BYTES, one in 0..=5 * STEP_BYTES, other in 0..=5 * STEP_BYTES,
        ) {
            let bytes: Vec<u8> = (0..length).map(|at| (at as u8).wrapping_mul(seed | 1) ^ (at >> 8) as u8).collect();
            let (start, end) = (one.min(other).min(length), one.max(other).min(length));
            let crc = Checksums::of(&bytes).crc(start..end);
            prop_assert_eq!(crc, crc32c::crc32c(&bytes[start..end]));
        }
    }
}
