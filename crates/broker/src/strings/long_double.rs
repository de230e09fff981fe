//! Numbers with a fraction as Redis reckons with them on x86, so that `INCRBYFLOAT` comes to the same digits: 64 bits of
//! mantissa, and decimals to the 17th place.

use std::cmp::Ordering;

/// The digits a number may be written with, and half of how far its exponent may be from 0: what is more takes long. Redis
/// takes ten times as much.
const DIGITS_MAX: usize = 512;

/// Digits behind the point.
const PLACES: usize = 17;

/// `mantissa * 2^exponent`; the mantissa has its highest bit, or the number is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongDouble {
    is_negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl LongDouble {
    const ZERO: LongDouble = LongDouble { is_negative: false, mantissa: 0, exponent: 0 };

    /// What comes of it is no number any more.
    const INFINITE: LongDouble = LongDouble { is_negative: false, mantissa: 1 << 63, exponent: i32::MAX };

    /// Reads a number such as `-1.5e3`, `0x1f.8p3` or `inf`; none if it is none, or too large or too small to be one.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (is_negative, text) = match text.first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let value = match text {
            [b'0', b'x' | b'X', digits @ ..] => Self::hexadecimal(digits)?,
            _ if is_infinite(text) => return Some(LongDouble { is_negative, ..Self::INFINITE }),
            digits => Self::decimal(digits)?,
        };
        value.is_finite().then_some(LongDouble { is_negative, ..value })
    }

    fn decimal(text: &[u8]) -> Option<Self> {
        let (number, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (digits, places) = digits(number, 10)?;
        if digits.is_zero() {
            return Some(Self::ZERO);
        }
        let power = exponent - places;
        if power.unsigned_abs() as usize > 2 * DIGITS_MAX {
            return None;
        }
        let mut scale = Natural::one();
        for _ in 0..power.unsigned_abs() {
            scale.multiply_add(10, 0);
        }
        Some(if power >= 0 { rounded(digits.times(&scale), 0) } else { quotient(digits, scale) })
    }

    /// What stands behind `0x`.
    fn hexadecimal(text: &[u8]) -> Option<Self> {
        let (number, exponent) = match text.iter().position(|byte| matches!(byte, b'p' | b'P')) {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (digits, places) = digits(number, 16)?;
        if digits.is_zero() {
            return Some(Self::ZERO);
        }
        let power = i32::try_from(exponent - 4 * places).ok()?;
        (power.unsigned_abs() as usize <= 8 * DIGITS_MAX).then(|| rounded(digits, power))
    }

    /// The sum, rounded to even; none if it is too large.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        if !self.is_finite() || !other.is_finite() {
            return None;
        }
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let exponent = self.exponent.min(other.exponent);
        let [mine, its] = [self, other]
            .map(|number| Natural::of(number.mantissa).shifted((number.exponent - exponent) as usize));
        let (sum, is_negative) = if self.is_negative == other.is_negative {
            (mine.plus(&its), self.is_negative)
        } else {
            match mine.compare(&its) {
                Ordering::Equal => return Some(Self::ZERO),
                Ordering::Greater => (mine.minus(&its), self.is_negative),
                Ordering::Less => (its.minus(&mine), other.is_negative),
            }
        };
        let sum = LongDouble { is_negative, ..rounded(sum, exponent) };
        sum.is_finite().then_some(sum)
    }

    fn is_finite(self) -> bool {
        self.mantissa == 0 || (-16445..=16320).contains(&self.exponent)
    }
}

/// Without an exponent, and without zeros at the end.
impl std::fmt::Display for LongDouble {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut scaled = Natural::of(self.mantissa);
        for _ in 0..PLACES {
            scaled.multiply_add(10, 0);
        }
        let mut digits = if self.exponent >= 0 {
            scaled.shifted(self.exponent as usize)
        } else {
            scaled.shifted_down(self.exponent.unsigned_abs() as usize)
        }
        .to_decimal();
        while digits.len() <= PLACES {
            digits.insert(0, '0');
        }
        let (whole, fraction) = digits.split_at(digits.len() - PLACES);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if self.is_negative && !(whole == "0" && fraction.is_empty()) { "-" } else { "" };
        write!(out, "{sign}{whole}{point}{fraction}")
    }
}

fn is_infinite(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity")
}

/// What digits and a point among them say, without the point, and how many are behind it.
fn digits(text: &[u8], base: u32) -> Option<(Natural, i64)> {
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let (whole, fraction) = (parts.next()?, parts.next().unwrap_or_default());
    if whole.is_empty() && fraction.is_empty() || text.len() > DIGITS_MAX {
        return None;
    }
    let mut number = Natural::default();
    for digit in whole.iter().chain(fraction) {
        number.multiply_add(base, char::from(*digit).to_digit(base)?);
    }
    Some((number, fraction.len() as i64))
}

/// What stands behind an `e` or a `p`.
fn exponent(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(1 << 32)
    });
    Some(if is_negative { -value } else { value })
}

/// `number * 2^exponent` in 64 bits, to even if it lies between two.
fn rounded(number: Natural, exponent: i32) -> LongDouble {
    let excess = number.bits() as i32 - 64;
    if excess <= 0 {
        let mantissa = number.shifted(excess.unsigned_abs() as usize).low();
        return LongDouble { is_negative: false, mantissa, exponent: exponent + excess };
    }
    let kept = number.shifted_down(excess as usize);
    // Rounding up may have made it one bit longer.
    if kept.bits() > 64 {
        return LongDouble { is_negative: false, mantissa: 1 << 63, exponent: exponent + excess + 1 };
    }
    LongDouble { is_negative: false, mantissa: kept.low(), exponent: exponent + excess }
}

fn quotient(number: Natural, divisor: Natural) -> LongDouble {
    // 66 bits or so, and one more that says whether anything is left.
    let shift = (66 + divisor.bits()).saturating_sub(number.bits());
    let (quotient, rest) = number.shifted(shift).divided(&divisor);
    let mut quotient = quotient.shifted(1);
    if !rest.is_zero() {
        quotient = quotient.plus(&Natural::one());
    }
    rounded(quotient, -(shift as i32) - 1)
}

/// A whole number of any size; the lowest part first, the highest not 0.
#[derive(Clone, Default)]
struct Natural(Vec<u32>);

impl Natural {
    fn of(value: u64) -> Self {
        Natural(vec![value as u32, (value >> 32) as u32]).trimmed()
    }

    fn one() -> Self {
        Natural(vec![1])
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> usize {
        self.0.last().map_or(0, |last| self.0.len() * 32 - last.leading_zeros() as usize)
    }

    fn low(&self) -> u64 {
        let part = |at: usize| u64::from(self.0.get(at).copied().unwrap_or(0));
        part(0) | part(1) << 32
    }

    fn bit(&self, at: usize) -> bool {
        self.0.get(at / 32).is_some_and(|part| part >> (at % 32) & 1 == 1)
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for part in &mut self.0 {
            carry += u64::from(*part) * u64::from(factor);
            *part = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn times(&self, other: &Self) -> Self {
        let mut out = vec![0u32; self.0.len() + other.0.len()];
        for (at, mine) in self.0.iter().enumerate() {
            let mut carry = 0u64;
            for (place, its) in other.0.iter().chain(&[0]).enumerate() {
                let Some(part) = out.get_mut(at + place) else { break };
                carry += u64::from(*part) + u64::from(*mine) * u64::from(*its);
                *part = carry as u32;
                carry >>= 32;
            }
        }
        Natural(out).trimmed()
    }

    fn plus(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        let mut carry = 0u64;
        for at in 0..self.0.len().max(other.0.len()) + 1 {
            let part = |number: &Self| u64::from(number.0.get(at).copied().unwrap_or(0));
            carry += part(self) + part(other);
            out.push(carry as u32);
            carry >>= 32;
        }
        Natural(out).trimmed()
    }

    /// Less `other`, which is not more.
    fn minus(&self, other: &Self) -> Self {
        let mut out = self.0.clone();
        let mut borrow = 0i64;
        for (at, part) in out.iter_mut().enumerate() {
            borrow += i64::from(*part) - i64::from(other.0.get(at).copied().unwrap_or(0));
            *part = borrow as u32;
            borrow >>= 32;
        }
        Natural(out).trimmed()
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    fn shifted(&self, bits: usize) -> Self {
        let mut out = vec![0; bits / 32];
        let mut carry = 0u64;
        for part in &self.0 {
            carry |= u64::from(*part) << (bits % 32);
            out.push(carry as u32);
            carry >>= 32;
        }
        out.push(carry as u32);
        Natural(out).trimmed()
    }

    /// Divided by a power of two; to even if it lies between two.
    fn shifted_down(&self, bits: usize) -> Self {
        let mut out: Vec<u32> = self.0.iter().skip(bits / 32).copied().collect();
        let shift = bits % 32;
        if shift > 0 {
            for at in 0..out.len() {
                let above = out.get(at + 1).copied().unwrap_or(0);
                out[at] = out[at] >> shift | above << (32 - shift);
            }
        }
        let kept = Natural(out).trimmed();
        let is_half = bits > 0 && self.bit(bits - 1);
        let is_more = is_half && (0..bits - 1).any(|at| self.bit(at));
        if is_half && (is_more || kept.bit(0)) { kept.plus(&Natural::one()) } else { kept }
    }

    fn divided(&self, divisor: &Self) -> (Self, Self) {
        let mut rest = Natural::default();
        let mut quotient = vec![0u32; self.0.len()];
        for at in (0..self.bits()).rev() {
            rest = rest.shifted(1);
            if self.bit(at) {
                rest = rest.plus(&Natural::one());
            }
            if rest.compare(divisor) != Ordering::Less {
                rest = rest.minus(divisor);
                quotient[at / 32] |= 1 << (at % 32);
            }
        }
        (Natural(quotient).trimmed(), rest)
    }

    fn to_decimal(&self) -> String {
        let mut parts = self.0.clone();
        let mut groups = Vec::new();
        while !parts.is_empty() {
            let mut rest = 0u64;
            for part in parts.iter_mut().rev() {
                rest = rest << 32 | u64::from(*part);
                *part = (rest / 1_000_000_000) as u32;
                rest %= 1_000_000_000;
            }
            while parts.last() == Some(&0) {
                parts.pop();
            }
            groups.push(rest);
        }
        let mut out = groups.pop().unwrap_or(0).to_string();
        while let Some(group) = groups.pop() {
            out.push_str(&format!("{group:09}"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_a_redis_on_x86() {
        for (one, other, sum) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "200", "5200"),
            ("0", "0", "0"),
            ("-0", "0", "0"),
            ("1", "-1", "0"),
            ("3", "1.1", "4.1"),
            ("0.1", "0.2", "0.3"),
            ("-1.5", ".25", "-1.25"),
            ("1e20", "1", "100000000000000000000"),
            ("3000", "0.1", "3000.10000000000000009"),
            ("0.00000000000000001", "0", "0.00000000000000001"),
            ("1e-18", "0", "0"),
            ("0x10", "0", "16"),
            ("-0X1.8p3", "+0x.8", "-11.5"),
            ("0x1p-20", "1", "1.00000095367431641"),
        ] {
            let [first, second] = [one, other].map(|text| LongDouble::parse(text.as_bytes()).unwrap());
            assert_eq!(first.plus(second).unwrap().to_string(), sum, "{one} + {other}");
        }
        for text in [
            "",
            "-",
            ".",
            "1.2.3",
            "x",
            "1e",
            "1e1025",
            "1e-1025",
            " 1",
            "0x",
            "0x.",
            "0x1.8.",
            "0xg",
            "0x1p",
            "0x1e400p9999",
            "nan",
            "infin",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
        }
        for text in ["inf", "-inf", "+Infinity"] {
            let infinite = LongDouble::parse(text.as_bytes()).unwrap();
            assert_eq!(infinite.plus(LongDouble::ZERO), None, "{text}");
        }
    }
}
