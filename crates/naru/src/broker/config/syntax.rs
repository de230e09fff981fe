//! Redis's configuration syntax: one parameter a line, words in quotes where they need them, `#` at the start of a
//! line for a comment. The rules of quotes and escapes are those of `sdssplitargs` in Redis.

use std::iter::Peekable;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Broken {
    #[error("quotes are not closed, or something follows a closing quote without a space between")]
    Quotes,
    #[error("it is no UTF-8 text")]
    NotText,
}

/// The words of a line: none for a blank one or a comment.
pub(super) fn words(line: &[u8]) -> Result<Vec<String>, Broken> {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        return Ok(Vec::new());
    }
    let mut bytes = line.iter().copied().peekable();
    let mut words = Vec::new();
    loop {
        while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
        if bytes.peek().is_none() {
            return Ok(words);
        }
        words.push(String::from_utf8(word(&mut bytes)?).map_err(|_| Broken::NotText)?);
    }
}

/// A word up to the next space; a quote may begin in its midst and then ends it.
fn word(bytes: &mut Peekable<impl Iterator<Item = u8> + Clone>) -> Result<Vec<u8>, Broken> {
    let mut word = Vec::new();
    while let Some(byte) = bytes.next_if(|byte| !byte.is_ascii_whitespace()) {
        match byte {
            b'"' => {
                double_quoted(bytes, &mut word)?;
                return closed(bytes, word);
            }
            b'\'' => {
                single_quoted(bytes, &mut word)?;
                return closed(bytes, word);
            }
            byte => word.push(byte),
        }
    }
    Ok(word)
}

fn closed(bytes: &mut Peekable<impl Iterator<Item = u8>>, word: Vec<u8>) -> Result<Vec<u8>, Broken> {
    match bytes.peek() {
        Some(byte) if !byte.is_ascii_whitespace() => Err(Broken::Quotes),
        _ => Ok(word),
    }
}

fn double_quoted(bytes: &mut (impl Iterator<Item = u8> + Clone), word: &mut Vec<u8>) -> Result<(), Broken> {
    loop {
        match bytes.next().ok_or(Broken::Quotes)? {
            b'"' => return Ok(()),
            b'\\' => word.push(escaped(bytes)?),
            byte => word.push(byte),
        }
    }
}

fn escaped(bytes: &mut (impl Iterator<Item = u8> + Clone)) -> Result<u8, Broken> {
    Ok(match bytes.next().ok_or(Broken::Quotes)? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        b'x' => match hexadecimal(bytes.clone()) {
            Some(byte) => {
                bytes.nth(1);
                byte
            }
            None => b'x',
        },
        byte => byte,
    })
}

fn hexadecimal(mut bytes: impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    Some((digit()? * 16 + digit()?) as u8)
}

fn single_quoted(bytes: &mut (impl Iterator<Item = u8> + Clone), word: &mut Vec<u8>) -> Result<(), Broken> {
    loop {
        match bytes.next().ok_or(Broken::Quotes)? {
            b'\'' => return Ok(()),
            b'\\' if bytes.clone().next() == Some(b'\'') => {
                bytes.next();
                word.push(b'\'');
            }
            byte => word.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_escapes_are_read_as_redis_reads_them() {
        for (line, expected) in [
            ("", &[][..]),
            ("  # port 1", &[]),
            ("port 6379\r", &["port", "6379"]),
            ("  bind\t127.0.0.1   -::1 ", &["bind", "127.0.0.1", "-::1"]),
            (r#"requirepass "a b # c""#, &["requirepass", "a b # c"]),
            ("requirepass a#b # c", &["requirepass", "a#b", "#", "c"]),
            (r#"x "\x41\n\r\t\a\b\\\"\q""#, &["x", "A\n\r\t\u{7}\u{8}\\\"q"]),
            (r#"x "\xg1""#, &["x", "xg1"]),
            (r"x 'a\'b\n'", &["x", r"a'b\n"]),
            (r#"save """#, &["save", ""]),
            (r#"x pre"fix""#, &["x", "prefix"]),
            (r"x \n", &["x", r"\n"]),
            ("requirepass 비밀", &["requirepass", "비밀"]),
        ] {
            assert_eq!(
                words(line.as_bytes()).as_deref(),
                Ok(&expected.iter().map(|word| word.to_string()).collect::<Vec<_>>()[..]),
                "{line}"
            );
        }
    }

    #[test]
    fn a_broken_line_is_told_from_a_whole_one() {
        for line in [r#"x "a"#, "x 'a", r#"x "a"b"#, "x 'a'b", r#"x "a\"#] {
            assert_eq!(words(line.as_bytes()), Err(Broken::Quotes), "{line}");
        }
        assert_eq!(words(br#"x "\xff""#), Err(Broken::NotText));
        assert_eq!(words(b"x \xff"), Err(Broken::NotText));
    }
}
