//! Commands typed as one line: words, with the quoting rules of Redis's `sdssplitargs`.

/// A quote was opened and not closed, or closed in the middle of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unbalanced quotes")]
pub struct UnbalancedQuotes;

/// Splits a line into its words: blanks separate, `"…"` knows `\n \r \t \b \a \xHH` and `\` before any
/// other byte, `'…'` knows only `\'`.
pub fn split_line(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    split_into(line, &mut text, |end| ends.push(end))?;
    let mut start = 0;
    Ok(ends.into_iter().map(|end| text[std::mem::replace(&mut start, end)..end].to_vec()).collect())
}

/// Words that the line may have at most: quotes only make fewer.
pub(crate) fn words_max(line: &[u8]) -> usize {
    line.split(|byte| is_blank(*byte)).filter(|piece| !piece.is_empty()).count()
}

/// Appends the words' bytes to `text`, side by side, and tells where in it each of them ends.
pub(crate) fn split_into(
    line: &[u8],
    text: &mut Vec<u8>,
    mut word_ends: impl FnMut(usize),
) -> Result<(), UnbalancedQuotes> {
    let mut rest = line;
    loop {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return Ok(());
        }
        rest = word(rest, text)?;
        word_ends(text.len());
    }
}

/// Reads one word from the front of `rest`, which may be quoted as a whole or from some byte on.
fn word<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match rest {
            [] => return Ok(rest),
            [byte, ..] if is_blank(*byte) => return Ok(rest),
            [b'"', after @ ..] => return ends_word(double_quoted(after, text)?),
            [b'\'', after @ ..] => return ends_word(single_quoted(after, text)?),
            [byte, after @ ..] => {
                text.push(*byte);
                rest = after;
            }
        }
    }
}

/// A closing quote must be followed by a blank or by nothing.
fn ends_word(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest {
        [byte, ..] if !is_blank(*byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                text.push(nibble(*high) << 4 | nibble(*low));
                after
            }
            [b'\\', byte, after @ ..] => {
                text.push(match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [byte, after @ ..] => {
                text.push(*byte);
                after
            }
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => {
                text.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                text.push(*byte);
                after
            }
        }
    }
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|byte| is_blank(**byte)).count();
    &line[blanks..]
}

/// C's `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The value of a digit that is known to be hexadecimal.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}
