use crate::limits::GLOB_STEPS_MAX;

/// Whether `glob` matches the whole of `name`, by Redis's rules (`PSUBSCRIBE`, `KEYS`): `?` one byte, `*` any bytes,
/// `[abc]`, `[a-z]` and `[^a]` classes, `\` takes the next byte literally. Case matters. Iterative: its cost is at most
/// the product of the two lengths, and what costs more than [`GLOB_STEPS_MAX`] does not match, whatever a stranger sends.
pub fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut pos) = (0, 0);
    // Where to go back to: the glob after the last `*`, and the name from which that star would take one byte more.
    let mut star: Option<(usize, usize)> = None;
    let mut steps = 0;
    while steps < GLOB_STEPS_MAX {
        if glob.get(at) == Some(&b'*') {
            at += 1;
            if at == glob.len() {
                return true;
            }
            star = Some((at, pos));
            continue;
        }
        let (matched, length) = match name.get(pos) {
            Some(&byte) => match_one(&glob[at..], byte),
            None if at == glob.len() => return true,
            // The name is used up and the glob still wants a byte: a longer star only leaves less.
            None => return false,
        };
        steps += 1 + length;
        if matched {
            at += length;
            pos += 1;
        } else if let Some((after, taken)) = star {
            star = Some((after, taken + 1));
            at = after;
            pos = taken + 1;
        } else {
            return false;
        }
    }
    false
}

/// How many bytes at the start of `glob` stand for themselves: every name that matches begins with them.
pub(crate) fn literal_prefix(glob: &[u8]) -> usize {
    glob.iter().position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\')).unwrap_or(glob.len())
}

/// Matches one byte against the first element of `glob`, which is not a star. Whether it matches, and the element's
/// length.
fn match_one(glob: &[u8], byte: u8) -> (bool, usize) {
    match *glob {
        [] => (false, 0),
        [b'?', ..] => (true, 1),
        [b'[', ..] => match_class(glob, byte),
        [b'\\', literal, ..] => (literal == byte, 2),
        [literal, ..] => (literal == byte, 1),
    }
}

/// `glob` starts with `[`. Whether `byte` is in the class, and the length of the class. As in Redis, a class that is
/// not closed ends with the glob.
fn match_class(glob: &[u8], byte: u8) -> (bool, usize) {
    let negated = glob.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut matched = false;
    loop {
        match glob[at..] {
            [] => return (matched != negated, at),
            [b']', ..] => return (matched != negated, at + 1),
            [b'\\', literal, ..] => {
                matched |= literal == byte;
                at += 2;
            }
            [low, b'-', high, ..] => {
                matched |= (low.min(high)..=low.max(high)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                matched |= literal == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_redis() {
        for (glob, name, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "hllo", true),
            ("h*llo", "heeeello", true),
            ("h*llo", "heeeell", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            (r"h\*llo", "h*llo", true),
            (r"h\*llo", "hello", false),
            (r"a\", r"a\", true),
            (r"[\]]", "]", true),
            ("[abc", "c", true),
            ("a*b*c", "a--b--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("**x", "x", true),
            ("a*", "b", false),
        ] {
            assert_eq!(matches(glob.as_bytes(), name.as_bytes()), expected, "{glob} against {name}");
        }
    }

    #[test]
    fn a_hostile_glob_costs_no_more_than_the_product_of_the_lengths() {
        let glob = b"*a".repeat(200);
        let name = [b'a'; 2_000];
        assert!(matches(&glob, &name));
        let glob = [glob.as_slice(), b"b"].concat();
        assert!(!matches(&glob, &name));
    }

    #[test]
    fn what_takes_too_many_steps_does_not_match() {
        let costly = |length: usize, unit: &[u8]| [b"*", unit.repeat(length).as_slice(), b"b"].concat();
        let name = [b"a".repeat(20_000).as_slice(), b"b"].concat();
        for unit in [&b"a"[..], b"[^b]", b"?"] {
            assert!(matches(&costly(100, unit), &name));
            assert!(!matches(&costly(10_000, unit), &name));
        }
        assert!(matches(b"*b", &[b"a".repeat(4 << 20).as_slice(), b"b"].concat()));
    }
}
