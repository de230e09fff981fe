//! Numbers with a fraction as `strtold` reads them, and Redis after it.

/// The number that is written there; none if something else is. Without spaces, and not "nan".
pub(super) fn real(text: &[u8]) -> Option<f64> {
    let text = str::from_utf8(text).ok()?;
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match digits.get(..2) {
        Some("0x" | "0X") => hexadecimal(&digits[2..])?,
        _ => {
            let starts = digits.starts_with(|sign: char| sign.is_ascii_digit() || sign == '.');
            let is_infinite = ["inf", "infinity"].iter().any(|word| digits.eq_ignore_ascii_case(word));
            // What Rust reads beyond this, a second sign and "nan", is none to Redis.
            digits.parse::<f64>().ok().filter(|_| starts || is_infinite)?
        }
    };
    Some(if is_negative { -value } else { value })
}

/// `1f.8p3`
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.find(['p', 'P']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars() {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let mut scale = 1.0;
    for digit in fraction.chars() {
        scale /= 16.0;
        value += f64::from(digit.to_digit(16)?) * scale;
    }
    Some(value * f64::from(exponent).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strtold_reads_is_read() {
        for (text, value) in [
            ("0", 0.0),
            ("1.5", 1.5),
            ("+.5", 0.5),
            ("-2e3", -2000.0),
            ("5.", 5.0),
            ("0x10", 16.0),
            ("0xA.8p1", 21.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(real(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", " 1", "1 ", "x", "nan", "--1", "+-1", "1e", "0x", "0xg", ".", "1.5.5"] {
            assert_eq!(real(text.as_bytes()), None, "{text}");
        }
    }
}
