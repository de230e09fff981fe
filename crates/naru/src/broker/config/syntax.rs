//! Redis's configuration syntax: one parameter a line, words in quotes where they need them, `#` at the start of a
//! line for a comment. The rules of quotes and escapes are those of typed commands.

use naru_resp::{UnbalancedQuotes, split_line};

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Broken {
    #[error("quotes are not closed, or something follows a closing quote without a space between")]
    Quotes,
    #[error("it is no UTF-8 text")]
    NotText,
}

impl From<UnbalancedQuotes> for Broken {
    fn from(_: UnbalancedQuotes) -> Self {
        Self::Quotes
    }
}

/// The words of a line: none for a blank one or a comment.
pub(super) fn words(line: &[u8]) -> Result<Vec<String>, Broken> {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        return Ok(Vec::new());
    }
    split_line(line)?.into_iter().map(|word| String::from_utf8(word).map_err(|_| Broken::NotText)).collect()
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
