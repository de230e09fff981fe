//! Numbers in as few bytes as they need, seven bits a byte, the lowest first.

pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number that the bytes begin with, which is taken from them; none if there is none whole.
#[inline]
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    if *first < 0x80 {
        return Some(u64::from(*first));
    }
    let mut value = u64::from(first & 0x7f);
    for shift in (7..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// A difference, which may be below zero, as a number that is small if it is.
pub(super) fn folded(one: u64, other: u64) -> u64 {
    let difference = one.wrapping_sub(other) as i64;
    (difference << 1 ^ difference >> 63) as u64
}

/// Undoes [`folded`]: the one number by the other.
pub(super) fn unfolded(folded: u64, other: u64) -> u64 {
    let difference = (folded >> 1) as i64 ^ -((folded & 1) as i64);
    other.wrapping_add(difference as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reading_undoes_writing(numbers in prop::collection::vec(any::<u64>(), 0..20), shift in 0_u32..64) {
            let numbers: Vec<u64> = numbers.iter().map(|number| number >> shift).collect();
            let mut bytes = Vec::new();
            numbers.iter().for_each(|number| put(&mut bytes, *number));
            let mut rest = &bytes[..];
            for number in &numbers {
                prop_assert_eq!(take(&mut rest), Some(*number));
            }
            prop_assert_eq!(take(&mut rest), None);
        }

        #[test]
        fn unfolding_undoes_folding(one in any::<u64>(), other in any::<u64>()) {
            prop_assert_eq!(unfolded(folded(one, other), other), one);
        }
    }

    #[test]
    fn what_is_close_is_short_in_both_directions() {
        assert_eq!([folded(5, 5), folded(4, 5), folded(6, 5), folded(3, 5)], [0, 1, 2, 3]);
    }
}
