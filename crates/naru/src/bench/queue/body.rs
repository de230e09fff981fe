use anyhow::ensure;

/// Bytes of an entry's number at the front of its body.
pub(super) const NUMBER_BYTES: usize = 8;

/// Bodies are cut out of so many random bytes, so that no server gets by with compressing them.
const FILLING_BYTES: usize = 256 << 10;

/// The bodies of a run's entries, each told by its number.
#[derive(Debug)]
pub(super) struct Bodies {
    bytes: usize,
    filling: Vec<u8>,
}

impl Bodies {
    /// Bodies of `bytes`, at least [`NUMBER_BYTES`].
    pub(super) fn new(bytes: usize) -> Self {
        assert!(bytes >= NUMBER_BYTES, "the options are checked");
        let filling = (0..(FILLING_BYTES + bytes) as u64).map(|at| mixed(at) as u8).collect();
        Bodies { bytes, filling }
    }

    /// Appends the body of entry `number`.
    pub(super) fn write(&self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(self.filling_of(number));
    }

    /// The number of the entry whose body this is.
    ///
    /// # Errors
    ///
    /// It is none of these bodies.
    pub(super) fn number(&self, body: &[u8]) -> anyhow::Result<u64> {
        let number = body.split_first_chunk().and_then(|(&number, filling)| {
            let number = u64::from_le_bytes(number);
            (filling == self.filling_of(number)).then_some(number)
        });
        ensure!(number.is_some(), "an entry was altered: {}", crate::bench::frame::shown(body));
        Ok(number.unwrap_or_default())
    }

    fn filling_of(&self, number: u64) -> &[u8] {
        let at = (mixed(number) % FILLING_BYTES as u64) as usize;
        &self.filling[at..at + self.bytes - NUMBER_BYTES]
    }
}

/// Spreads numbers evenly (the last step of SplitMix64).
pub(super) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_tells_its_number_and_any_other_byte_is_an_error() {
        for bytes in [NUMBER_BYTES, 200, FILLING_BYTES + 7] {
            let bodies = Bodies::new(bytes);
            for number in [0, 1, 12_345, u64::MAX] {
                let mut body = Vec::new();
                bodies.write(number, &mut body);
                assert_eq!(body.len(), bytes);
                assert_eq!(bodies.number(&body).unwrap(), number);
                assert!(bodies.number(&body[..bytes - 1]).is_err());
                if bytes > NUMBER_BYTES {
                    body[bytes - 1] ^= 1;
                    assert!(bodies.number(&body).is_err());
                }
            }
        }
    }
}
