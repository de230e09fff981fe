use std::fmt;

use naru_ledger::{ClientId, User};
use serde::{Deserialize, Serialize};

/// What a sender's client called an entry: a hash that nobody can make two of without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Id(pub(super) u64, pub(super) u64);

/// A ledger's secret.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdKey([u8; 16]);

impl IdKey {
    /// Of random bytes.
    pub(crate) fn new(bytes: [u8; 16]) -> IdKey {
        IdKey(bytes)
    }

    /// A name and an id are told apart by a byte that neither holds.
    pub(crate) fn id(&self, sender: &User, client_id: &ClientId) -> Id {
        const BOTH_BYTES_MAX: usize = 2 * naru_ledger::limits::NAME_BYTES_MAX + 1;
        let (sender, client_id) = (sender.as_str().as_bytes(), client_id.as_str().as_bytes());
        let mut both = [0; BOTH_BYTES_MAX];
        both[..sender.len()].copy_from_slice(sender);
        let end = sender.len() + 1 + client_id.len();
        both[sender.len() + 1..end].copy_from_slice(client_id);
        let (first, second) = sip_128(self.0, &both[..end]);
        Id(first, second)
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey")
    }
}

/// SipHash-2-4 with 128 bits, as its authors' reference implementation has it.
fn sip_128(key: [u8; 16], text: &[u8]) -> (u64, u64) {
    let (low, high) = key.split_at(8);
    let (low, high) = (word(low), word(high));
    let mut state = [
        low ^ 0x736f_6d65_7073_6575,
        high ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        low ^ 0x6c79_6765_6e65_7261,
        high ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = text.as_chunks::<8>();
    let last = word(rest) | (text.len() as u64) << 56;
    for word in words.iter().map(|bytes| u64::from_le_bytes(*bytes)).chain([last]) {
        state[3] ^= word;
        rounds(&mut state, 2);
        state[0] ^= word;
    }
    state[2] ^= 0xee;
    rounds(&mut state, 4);
    let first = state[0] ^ state[1] ^ state[2] ^ state[3];
    state[1] ^= 0xdd;
    rounds(&mut state, 4);
    (first, state[0] ^ state[1] ^ state[2] ^ state[3])
}

/// Up to eight bytes, the lowest first.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn rounds([a, b, c, d]: &mut [u64; 4], count: usize) {
    for _ in 0..count {
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of the reference implementation's vectors: the key 00 01 … 0f, and texts 00 01 … that are longer by one
    /// each.
    #[test]
    fn it_is_siphash() {
        let key = std::array::from_fn(|at| at as u8);
        let vectors: [&[u8]; 3] = [
            b"\xa3\x81\x7f\x04\xba\x25\xa8\xe6\x6d\xf6\x72\x14\xc7\x55\x02\x93",
            b"\xda\x87\xc1\xd8\x6b\x99\xaf\x44\x34\x76\x59\x11\x9b\x22\xfc\x45",
            b"\x81\x77\x22\x8d\xa4\xa4\x5d\xc7\xfc\xa3\x8b\xde\xf6\x0a\xff\xe4",
        ];
        for (length, vector) in vectors.into_iter().enumerate() {
            let text: Vec<u8> = (0..length as u8).collect();
            let (first, second) = sip_128(key, &text);
            assert_eq!([first.to_le_bytes(), second.to_le_bytes()].concat(), vector);
        }
    }

    #[test]
    fn who_says_it_is_part_of_what_it_is_called() {
        let key = IdKey::new([7; 16]);
        let id =
            |sender, client_id| key.id(&User::parse(sender).unwrap(), &ClientId::parse(client_id).unwrap());
        assert_eq!(id("ab", "c"), id("ab", "c"));
        assert_ne!(id("ab", "c"), id("a", "bc"));
        let long = "x".repeat(128);
        assert_ne!(id(&long, &long), id(&long, &long[1..]));
    }
}
