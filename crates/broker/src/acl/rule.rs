use crate::escaped::escaped;

/// Why a rule is none; the texts are Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRule {
    #[error("Syntax error")]
    Syntax,
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    KeyAfterAll,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
         Try 'resetchannels' to start with an empty list of channels"
    )]
    ChannelAfterAll,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    Hash,
    #[error("Allowing first-arg of a subcommand is not supported")]
    ArgumentOfSubcommand,
    #[error("Parentheses and quotes are not supported inside a selector")]
    Enclosing,
}

/// A parenthesis is not closed: the place of the rule it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclosed(pub(crate) usize);

/// The rules with those between parentheses made one, since spaces in there may have parted them.
pub(crate) fn joined(rules: &[&[u8]]) -> Result<Vec<Vec<u8>>, Unclosed> {
    let mut joined: Vec<Vec<u8>> = Vec::with_capacity(rules.len());
    let mut open = None;
    for (at, rule) in rules.iter().enumerate() {
        match (open, joined.last_mut()) {
            (Some(_), Some(selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(rule);
            }
            _ => {
                open = rule.starts_with(b"(").then_some(at);
                joined.push(rule.to_vec());
            }
        }
        if rule.ends_with(b")") {
            open = None;
        }
    }
    open.map_or(Ok(joined), |at| Err(Unclosed(at)))
}

/// A rule as an error repeats it: a password, or what may have been meant as one, is not.
pub(crate) fn shown(rule: &[u8]) -> String {
    match rule.first() {
        Some(sign @ (b'>' | b'<' | b'#' | b'!')) => format!("{}(redacted)", char::from(*sign)),
        Some(b'(') if rule.iter().any(|byte| matches!(byte, b'>' | b'<' | b'#' | b'!')) => {
            "(redacted)".into()
        }
        _ => match str::from_utf8(rule) {
            Ok(text) => text.into(),
            Err(_) => escaped(rule),
        },
    }
}

/// What a selector is written with, and so what is none of its rules may hold.
pub(super) fn has_enclosing(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'(' | b')' | b'"' | b'\''))
}

/// Names and patterns stand between spaces in a user's description, so they contain none.
pub(crate) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(rules: &[&str]) -> Result<Vec<String>, Unclosed> {
        let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
        Ok(joined(&rules)?.into_iter().map(|rule| String::from_utf8(rule).unwrap()).collect())
    }

    #[test]
    fn what_stands_between_parentheses_is_one_rule() {
        assert_eq!(join(&["on", "(+get", "~x", "&y)", "off"]).unwrap(), ["on", "(+get ~x &y)", "off"]);
        assert_eq!(join(&["(a)", "()", "", "(", "b", ")"]).unwrap(), ["(a)", "()", "", "( b )"]);
        assert_eq!(join(&["on", "(", "+get"]), Err(Unclosed(1)));
        assert_eq!(join(&["(a", "b)", "(c"]), Err(Unclosed(2)));
    }

    #[test]
    fn passwords_are_not_repeated() {
        assert_eq!(shown(b"<secret"), "<(redacted)");
        assert_eq!(shown(b"#secret"), "#(redacted)");
        assert_eq!(shown(b"(>secret)"), "(redacted)");
        assert_eq!(shown(b"+nonsense"), "+nonsense");
        assert_eq!(shown(b"(+nonsense)"), "(+nonsense)");
    }
}
