/// A size as Redis writes it: digits and a unit, where `k` is a thousand and `kb` 1024 bytes.
pub(crate) fn memory_size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number: u64 = str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    let unit: u64 = match text[digits..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A size in the largest unit that it is a multiple of.
pub(crate) fn in_units(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_units_are_read_as_the_same() {
        for (bytes, text) in
            [(0, "0"), (1023, "1023"), (3 << 10, "3kb"), (1025 << 10, "1025kb"), (1 << 30, "1gb")]
        {
            assert_eq!(in_units(bytes), text);
            assert_eq!(memory_size(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn units_are_those_of_redis() {
        for (text, bytes) in
            [("0", 0), ("7b", 7), ("2k", 2000), ("2Kb", 2048), ("3MB", 3 << 20), ("1g", 1_000_000_000)]
        {
            assert_eq!(memory_size(text.as_bytes()), Some(bytes), "{text}");
        }
        for text in ["", "k", "-1", "1x", "1 kb", "99999999999999999999", "18446744073709551615kb"] {
            assert_eq!(memory_size(text.as_bytes()), None, "{text}");
        }
    }
}
