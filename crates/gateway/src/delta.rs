//! What one payload has that another has not, in Fossil's format.
//!
//! A delta is the target's length and a line feed, operations, and the target's checksum and a `;`. An operation is `count@offset,`, to
//! copy from the source, or `count:` and so many bytes to insert. Numbers are in base 64, the most significant digit first.
//!
//! Matches are found by blocks: those of the source are known by a hash that rolls over the target. The crate there is for it,
//! fossil-delta, cuts characters apart, and in JSON a delta has to be text.

use std::collections::HashMap;

use ahash::RandomState;

/// The shortest that is copied, and what is known of the source.
const BLOCK: usize = 16;

/// Blocks with the same hash that are looked at. Payloads made of one block over and over have many.
const CANDIDATES_MAX: usize = 32;

const CHARACTER_BYTES_MAX: usize = 4;

const _: () = assert!(BLOCK > 2 * CHARACTER_BYTES_MAX, "something is left of every match");

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// What makes the target of the source. If the target is text, so is this: no character is cut.
pub(crate) fn encode(source: &[u8], target: &[u8]) -> Vec<u8> {
    let mut delta = Vec::with_capacity(64 + target.len() / 4);
    number(&mut delta, target.len() as u32);
    delta.push(b'\n');
    let blocks = Blocks::of(source);
    // Everything before `done` is written; the window is at `at`.
    let (mut done, mut at) = (0, 0);
    let mut window = target.get(..BLOCK).map(Rolling::of);
    while let Some(hash) = window {
        match blocks.best(hash.value(), target, done, at) {
            Some(found) => {
                insert(&mut delta, &target[done..found.target]);
                number(&mut delta, found.count as u32);
                delta.push(b'@');
                number(&mut delta, found.source as u32);
                delta.push(b',');
                done = found.target + found.count;
                at = done;
                window = target.get(at..at + BLOCK).map(Rolling::of);
            }
            None => {
                window = target.get(at + BLOCK).map(|next| hash.roll(target[at], *next));
                at += 1;
            }
        }
    }
    insert(&mut delta, &target[done..]);
    number(&mut delta, checksum(target));
    delta.push(b';');
    delta
}

fn insert(delta: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_empty() {
        number(delta, bytes.len() as u32);
        delta.push(b':');
        delta.extend_from_slice(bytes);
    }
}

fn number(delta: &mut Vec<u8>, number: u32) {
    let digits = (32 - number.leading_zeros()).div_ceil(6).max(1);
    for digit in (0..digits).rev() {
        delta.push(DIGITS[(number >> (digit * 6)) as usize & 63]);
    }
}

/// The sum of big-endian words, of which the last is filled up with zeros.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.chunks(4).fold(0, |sum: u32, chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        sum.wrapping_add(u32::from_be_bytes(word))
    })
}

/// A hash of one block that can go on by a byte.
#[derive(Clone, Copy)]
struct Rolling {
    sum: u16,
    weighted: u16,
}

impl Rolling {
    fn of(block: &[u8]) -> Rolling {
        let mut hash = Rolling { sum: 0, weighted: 0 };
        for byte in block {
            hash.sum = hash.sum.wrapping_add(u16::from(*byte));
            hash.weighted = hash.weighted.wrapping_add(hash.sum);
        }
        hash
    }

    fn roll(self, gone: u8, next: u8) -> Rolling {
        let sum = self.sum.wrapping_sub(u16::from(gone)).wrapping_add(u16::from(next));
        let weighted = self.weighted.wrapping_sub(u16::from(gone) * BLOCK as u16).wrapping_add(sum);
        Rolling { sum, weighted }
    }

    fn value(self) -> u32 {
        u32::from(self.sum) << 16 | u32::from(self.weighted)
    }
}

/// The source's blocks by their hash.
struct Blocks<'a> {
    source: &'a [u8],
    /// The last block of each hash.
    last: HashMap<u32, u32, RandomState>,
    /// The one before each block that has the same hash.
    before: Vec<Option<u32>>,
}

/// Bytes that source and target have both.
#[derive(Clone, Copy)]
struct Found {
    source: usize,
    target: usize,
    count: usize,
}

impl<'a> Blocks<'a> {
    fn of(source: &'a [u8]) -> Blocks<'a> {
        let mut last = HashMap::default();
        let before = source
            .chunks_exact(BLOCK)
            .enumerate()
            .map(|(index, block)| last.insert(Rolling::of(block).value(), index as u32))
            .collect();
        Blocks { source, last, before }
    }

    /// The longest match around a window of the target that begins at `at`, behind what is `done`.
    fn best(&self, hash: u32, target: &[u8], done: usize, at: usize) -> Option<Found> {
        let mut candidate = self.last.get(&hash).copied();
        let mut best: Option<Found> = None;
        for _ in 0..CANDIDATES_MAX {
            let Some(block) = candidate else { break };
            candidate = self.before[block as usize];
            if let Some(found) = self.grown(block as usize * BLOCK, target, done, at)
                && best.is_none_or(|best| best.count < found.count)
            {
                best = Some(found);
            }
        }
        best
    }

    /// A block that is equal, with all that is equal on both sides of it.
    fn grown(&self, from: usize, target: &[u8], done: usize, at: usize) -> Option<Found> {
        let same =
            |one: &[u8], other: &[u8]| one.iter().zip(other).take_while(|(one, other)| one == other).count();
        let ahead = same(&self.source[from..], &target[at..]);
        if ahead < BLOCK {
            return None;
        }
        let pairs = self.source[..from].iter().rev().zip(target[done..at].iter().rev());
        let back = pairs.take_while(|(one, other)| one == other).count();
        let is_inside = |at: usize| target.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
        let (mut start, mut end) = (at - back, at + ahead);
        // Of text, at most three bytes; of anything else it does not matter.
        for _ in 0..CHARACTER_BYTES_MAX - 1 {
            start += usize::from(is_inside(start));
            end -= usize::from(is_inside(end));
        }
        let source = from - back + (start - (at - back));
        Some(Found { source, target: start, count: end - start })
    }
}

/// The target that a delta makes of its source: what clients do.
#[cfg(test)]
pub(crate) fn apply(source: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    fn read(rest: &mut &[u8]) -> Option<(u32, u8)> {
        let mut number = 0_u32;
        loop {
            let (first, behind) = rest.split_first()?;
            *rest = behind;
            match DIGITS.iter().position(|digit| digit == first) {
                Some(digit) => number = number.checked_mul(64)?.checked_add(digit as u32)?,
                None => return Some((number, *first)),
            }
        }
    }
    let mut rest = delta;
    let mut target = Vec::new();
    let (length, b'\n') = read(&mut rest)? else { return None };
    loop {
        match read(&mut rest)? {
            (count, b'@') => {
                let (offset, b',') = read(&mut rest)? else { return None };
                target.extend_from_slice(source.get(offset as usize..)?.get(..count as usize)?);
            }
            (count, b':') => {
                target.extend_from_slice(rest.get(..count as usize)?);
                rest = &rest[count as usize..];
            }
            (sum, b';') => {
                let is_good = rest.is_empty() && target.len() == length as usize && checksum(&target) == sum;
                return is_good.then_some(target);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round(source: &[u8], target: &[u8]) -> Vec<u8> {
        let delta = encode(source, target);
        assert_eq!(apply(source, &delta).as_deref(), Some(target));
        delta
    }

    #[test]
    fn numbers_are_in_fossils_digits() {
        let written = |of| {
            let mut digits = Vec::new();
            number(&mut digits, of);
            String::from_utf8(digits).unwrap()
        };
        assert_eq!(["0", "9", "A", "_", "~", "10"], [0, 9, 10, 36, 63, 64].map(written)[..]);
        assert_eq!(written(u32::MAX), "3~~~~~");
    }

    #[test]
    fn small_and_equal_ones_are_short() {
        assert_eq!(round(b"", b""), b"0\n0;");
        // One word, 0x61626364.
        assert_eq!(round(b"x", b"abcd"), b"4\n4:abcd1XObD_;");
        let text = b"the same text, and long enough to have some blocks in it";
        assert!(round(text, text).len() < 20);
    }

    #[test]
    fn what_lies_between_changed_ends_is_copied() {
        let middle = "middle ".repeat(40);
        let (source, target) = (format!("a{middle}b"), format!("X{middle}Y"));
        assert!(round(source.as_bytes(), target.as_bytes()).len() < 40);
        let swapped = format!("{}{}", &source[120..], &source[..120]);
        assert!(round(source.as_bytes(), swapped.as_bytes()).len() < 80);
    }

    #[test]
    fn one_block_over_and_over_takes_no_time_to_speak_of() {
        let begun = std::time::Instant::now();
        round(&[7; 64 << 10], &[7; 64 << 10]);
        let mut target = [7; 64 << 10];
        target.iter_mut().step_by(40).for_each(|byte| *byte = 8);
        round(&[7; 64 << 10], &target);
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }

    /// A target that is made of the source's pieces and of others.
    fn pair(byte: impl Strategy<Value = u8> + Clone + 'static) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let piece = (any::<prop::sample::Index>(), 0..200_usize, prop::collection::vec(byte.clone(), 0..20));
        (prop::collection::vec(byte, 0..600), prop::collection::vec(piece, 0..8)).prop_map(
            |(source, pieces)| {
                let mut target = Vec::new();
                for (at, count, other) in pieces {
                    let at = at.index(source.len() + 1);
                    target.extend_from_slice(&source[at..(at + count).min(source.len())]);
                    target.extend_from_slice(&other);
                }
                (source, target)
            },
        )
    }

    proptest! {
        #[test]
        fn the_target_comes_back_out((source, target) in pair(any::<u8>())) {
            round(&source, &target);
        }

        #[test]
        fn it_does_with_few_different_bytes((source, target) in pair(b'a'..b'd')) {
            round(&source, &target);
        }

        #[test]
        fn a_delta_between_texts_is_text(source in "[나루가a-c]{0,200}", start in 0..100_usize, more in "[나루나a-c]{0,20}") {
            let target: String = more.chars().chain(source.chars().skip(start)).collect();
            let delta = round(source.as_bytes(), target.as_bytes());
            prop_assert!(str::from_utf8(&delta).is_ok());
        }

        #[test]
        fn nothing_applied_makes_a_panic(source in prop::collection::vec(any::<u8>(), 0..50), delta in "[0-9A-Z]{1,2}\n([0-9a-z@:,;]{0,20})") {
            apply(&source, delta.as_bytes());
        }
    }
}
