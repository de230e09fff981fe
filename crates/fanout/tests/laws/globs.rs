//! What must hold for any glob and any name: checked here on made-up ones, in `fuzz/` on those that libFuzzer finds.

use naru_fanout::matches;

/// Longer ones, or more stars, would keep the reference busy for ever.
const REFERENCE_BYTES_MAX: usize = 24;
const REFERENCE_STARS_MAX: usize = 5;

/// Checks a glob against a name; a zero byte is between them.
pub(crate) fn hold(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (name, glob) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let found = matches(glob, name);
    let stars = glob.iter().filter(|byte| **byte == b'*').count();
    if stars <= REFERENCE_STARS_MAX && glob.len().max(name.len()) <= REFERENCE_BYTES_MAX {
        assert_eq!(found, reference(glob, name), "{} against {}", glob.escape_ascii(), name.escape_ascii());
    }
    assert!(matches(&literally(name), name), "{} by itself", name.escape_ascii());
    let around = [b"*".to_vec(), literally(name), b"*".to_vec()].concat();
    assert!(matches(&around, &[glob, name, glob].concat()), "{} within", name.escape_ascii());
    assert!(!found || matches(&[glob, b"*"].concat(), name) || ends_open(glob), "a star more matches less");
}

/// A glob for that name alone.
fn literally(name: &[u8]) -> Vec<u8> {
    name.iter().flat_map(|byte| [b'\\', *byte]).collect()
}

/// Whether the last thing in it is a class that is not closed, or a lone `\`: then what follows belongs to it.
fn ends_open(glob: &[u8]) -> bool {
    let mut rest = glob;
    loop {
        match element(rest) {
            Some((_, [])) => return matches!(rest, [b'\\'] | [b'[', ..]) && !closed(rest),
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
}

fn closed(class: &[u8]) -> bool {
    element(&[class, b"x"].concat()).is_some_and(|(_, after)| after == b"x")
}

enum Element {
    Any,
    Star,
    /// Ranges of bytes, of which one must or none may hold it.
    Class {
        ranges: Vec<(u8, u8)>,
        negated: bool,
    },
}

/// The rules of Redis's `stringmatchlen`, as plainly as they can be said.
fn reference(glob: &[u8], name: &[u8]) -> bool {
    let Some((element, rest)) = element(glob) else { return name.is_empty() };
    match element {
        Element::Star => (0..=name.len()).any(|taken| reference(rest, &name[taken..])),
        Element::Any => !name.is_empty() && reference(rest, &name[1..]),
        Element::Class { ranges, negated } => {
            let Some((byte, name)) = name.split_first() else { return false };
            let within = ranges.iter().any(|(low, high)| (low..=high).contains(&byte));
            within != negated && reference(rest, name)
        }
    }
}

/// The first element of a glob and what is behind it.
fn element(glob: &[u8]) -> Option<(Element, &[u8])> {
    let one = |byte: u8| Element::Class { ranges: vec![(byte, byte)], negated: false };
    Some(match glob {
        [] => return None,
        [b'*', rest @ ..] => (Element::Star, rest),
        [b'?', rest @ ..] => (Element::Any, rest),
        [b'\\', byte, rest @ ..] => (one(*byte), rest),
        [b'[', b'^', class @ ..] => members(class, true),
        [b'[', class @ ..] => members(class, false),
        [byte, rest @ ..] => (one(*byte), rest),
    })
}

/// A class up to its `]`, or to the end of the glob.
fn members(mut class: &[u8], negated: bool) -> (Element, &[u8]) {
    let mut ranges = Vec::new();
    let rest = loop {
        class = match class {
            [] => break class,
            [b']', rest @ ..] => break rest,
            [b'\\', byte, rest @ ..] => {
                ranges.push((*byte, *byte));
                rest
            }
            [one, b'-', other, rest @ ..] => {
                ranges.push((*one.min(other), *one.max(other)));
                rest
            }
            [byte, rest @ ..] => {
                ranges.push((*byte, *byte));
                rest
            }
        }
    };
    (Element::Class { ranges, negated }, rest)
}
