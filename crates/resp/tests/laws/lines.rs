//! What holds for commands typed as a line.

use naru_resp::{Limits, Malformed, RequestParser, split_line};

use super::requests::memory_is_bounded_by_what_was_received;

/// Checks them all, for the part of `data` before a line feed.
pub(crate) fn hold(data: &[u8]) {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let words = split_line(line);
    if let Ok(words) = &words {
        assert_eq!(split_line(&quoted(words)).as_ref(), Ok(words), "quoted");
    }
    if line.first() == Some(&b'*') || line.len() >= Limits::authenticated().inline_bytes_max {
        return;
    }
    let typed = [line, b"\r\n"].concat();
    let mut parser = RequestParser::new(Limits::authenticated());
    let read = parser.next(&typed);
    let read =
        read.map(|read| read.map(|(command, used)| (command.iter().map(<[u8]>::to_vec).collect(), used)));
    assert_eq!(read, words.map(|words| Some((words, typed.len()))).map_err(Malformed::from), "as a request");
    memory_is_bounded_by_what_was_received(&typed, Limits::authenticated());
}

/// The words on one line, every byte of them written as a number.
fn quoted(words: &[Vec<u8>]) -> Vec<u8> {
    let quoted = |word: &Vec<u8>| {
        let bytes: String = word.iter().map(|byte| format!("\\x{byte:02X}")).collect();
        format!("\"{bytes}\" ")
    };
    words.iter().map(quoted).collect::<String>().into_bytes()
}
