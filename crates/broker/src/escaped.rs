/// Text in quotes in which bytes that cannot be printed are escaped, as Redis writes arguments in logs.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => text.extend(['\\', byte.into()]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            b' '..=b'~' => text.push(byte.into()),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_it_cannot_be_broken_from_inside() {
        assert_eq!(escaped(b"b\"c\\\x00\xff\n\r\t\x07\x08 z"), r#""b\"c\\\x00\xff\n\r\t\a\b z""#);
    }
}
