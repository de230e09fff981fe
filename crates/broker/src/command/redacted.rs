use naru_resp::Command;

use super::Called;

const REDACTED: &[u8] = b"(redacted)";

/// A command's arguments for others to see (`MONITOR`, `SLOWLOG`): passwords, and who they are of, are not shown.
pub(super) fn redacted<'a>(called: Called, command: &Command<'a>) -> Vec<&'a [u8]> {
    let mut arguments: Vec<&[u8]> = command.iter().collect();
    let is = |argument: &[u8], word: &str| argument.eq_ignore_ascii_case(word.as_bytes());
    match called.name {
        "auth" => arguments.iter_mut().skip(1).for_each(|argument| *argument = REDACTED),
        "hello" => {
            let mut at = 2;
            while at < arguments.len() {
                let is_auth = is(arguments[at], "auth");
                let words = if is_auth { 2 } else { usize::from(is(arguments[at], "setname")) };
                if is_auth {
                    arguments.iter_mut().skip(at + 1).take(2).for_each(|argument| *argument = REDACTED);
                }
                at += 1 + words;
            }
        }
        "acl|setuser" => arguments.iter_mut().skip(2).for_each(|argument| *argument = REDACTED),
        // What is tried out may be a command with a password.
        "acl|dryrun" => arguments.iter_mut().skip(4).for_each(|argument| *argument = REDACTED),
        "config|set" => {
            for at in (2..arguments.len().saturating_sub(1)).step_by(2) {
                if is(arguments[at], "requirepass") {
                    arguments[at + 1] = REDACTED;
                }
            }
        }
        _ => {}
    }
    arguments
}

#[cfg(test)]
mod tests {
    use naru_resp::{Limits, RequestParser};

    use super::*;

    fn shown(line: &str, name: &'static str) -> String {
        let mut parser = RequestParser::new(Limits::authenticated());
        let line = format!("{line}\r\n");
        let (command, _) = parser.next(line.as_bytes()).unwrap().unwrap();
        let shown = redacted(Called { number: 0, name }, &command);
        shown.iter().map(|argument| String::from_utf8_lossy(argument)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn passwords_are_not_shown() {
        let tricky = shown("HELLO 3 SETNAME auth AUTH a secret AUTH b secret", "hello");
        assert!(!tricky.contains("secret"), "{tricky}");
        assert_eq!(shown("AUTH me secret", "auth"), "AUTH (redacted) (redacted)");
        assert_eq!(
            shown("HELLO 3 setname x auth me secret", "hello"),
            "HELLO 3 setname x auth (redacted) (redacted)"
        );
        assert_eq!(shown("HELLO 3 auth me", "hello"), "HELLO 3 auth (redacted)");
        assert_eq!(
            shown("ACL SETUSER alice >secret ~x", "acl|setuser"),
            "ACL SETUSER (redacted) (redacted) (redacted)"
        );
        assert_eq!(
            shown("ACL DRYRUN alice auth bob secret", "acl|dryrun"),
            "ACL DRYRUN alice auth (redacted) (redacted)"
        );
        assert_eq!(shown("HELLO", "hello"), "HELLO");
        assert_eq!(
            shown("CONFIG SET timeout 1 RequirePass secret", "config|set"),
            "CONFIG SET timeout 1 RequirePass (redacted)"
        );
    }
}
