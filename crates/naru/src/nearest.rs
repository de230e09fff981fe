/// The name of `names` that takes the fewest changes of a letter to become `typed`, if it is a few only.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (distance(typed, name), name))
        .filter(|&(distance, name)| distance <= name.len() / 3)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's, with neighbours that changed places: letters added, left out, changed, or two swapped.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    // Rows of the table up to here: what it takes to make the first letters of `to` out of those of `from`.
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.iter().enumerate() {
        let mut row = vec![line + 1];
        for (column, wanted) in to.iter().enumerate() {
            let changed = last[column] + usize::from(letter != wanted);
            let is_swap = line > 0 && column > 0 && from[line - 1] == *wanted && to[column - 1] == *letter;
            let swapped = if is_swap { before_last[column - 1] + 1 } else { usize::MAX };
            row.push(changed.min(swapped).min(last[column + 1] + 1).min(row[column] + 1));
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_none() {
        let names = ["bind", "port", "requirepass", "tls-port", "unixsocket"];
        for (typed, expected) in [
            ("prt", Some("port")),
            ("prot", Some("port")),
            ("require-pass", Some("requirepass")),
            ("tls_port", Some("tls-port")),
            ("unixsocke", Some("unixsocket")),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names.into_iter()), expected, "{typed}");
        }
    }
}
