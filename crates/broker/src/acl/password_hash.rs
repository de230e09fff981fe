use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::rule::BadRule;

/// What is kept of a user's password: its SHA-256, as Redis keeps it, so that ACL files go both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PasswordHash([u8; 32]);

impl PasswordHash {
    pub(crate) fn of(password: &[u8]) -> Self {
        PasswordHash(Sha256::digest(password).into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, BadRule> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(BadRule::Hash),
        };
        let mut hash = [0; 32];
        if text.len() != 2 * hash.len() {
            return Err(BadRule::Hash);
        }
        for (byte, digits) in hash.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Ok(PasswordHash(hash))
    }

    /// Whether both are the same; how long that takes says nothing.
    pub(crate) fn is(&self, other: &PasswordHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// As 64 hexadecimal digits.
    pub(crate) fn hexadecimal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sha_256_in_hexadecimal_and_reads_back() {
        // The example of FIPS 180-2.
        let hash = PasswordHash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.hexadecimal(), text);
        assert!(PasswordHash::parse(text.as_bytes()).unwrap().is(&hash));
        assert!(!PasswordHash::of(b"abd").is(&hash));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in ["", "abc", &"A".repeat(64), &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            assert_eq!(PasswordHash::parse(text.as_bytes()), Err(BadRule::Hash), "{text}");
        }
    }
}
