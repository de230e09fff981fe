//! What holds for a server's parser.

use naru_measured::peak_bytes;
use naru_resp::{Limits, Malformed, RequestParser, encode_request};

use super::cuts;

/// What was read up to the end or to an error.
type Read = (Vec<Vec<Vec<u8>>>, Option<Malformed>);

/// Checks them all. The first byte chooses the limits and how the others are cut.
pub(crate) fn hold(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    for limits in [Limits::authenticated(), Limits::unauthenticated(), tiny(choice)] {
        let whole = read(bytes, limits, [bytes.len()]);
        assert_eq!(read(bytes, limits, cuts(bytes, 0)), whole, "cut to single bytes");
        assert_eq!(read(bytes, limits, cuts(bytes, choice)), whole, "cut by {choice}");
        written_again_it_reads_the_same(whole.0);
        memory_is_bounded_by_what_was_received(bytes, limits);
    }
}

/// Limits that a few bytes reach.
fn tiny(choice: u8) -> Limits {
    let choice = usize::from(choice);
    Limits {
        bulk_bytes_max: choice % 16,
        arguments_max: choice % 5,
        inline_bytes_max: 4 + choice % 32,
        unauthenticated: choice % 2 == 1,
    }
}

fn written_again_it_reads_the_same(commands: Vec<Vec<Vec<u8>>>) {
    let mut bytes = Vec::new();
    for command in &commands {
        encode_request(command, &mut bytes);
    }
    assert_eq!(read(&bytes, Limits::authenticated(), [bytes.len()]), (commands, None), "written again");
}

/// Twice the bytes received and 64 KiB, whatever lengths they announce.
pub(crate) fn memory_is_bounded_by_what_was_received(bytes: &[u8], limits: Limits) {
    let (_, peak) = peak_bytes(|| {
        let mut parser = RequestParser::new(limits);
        let mut at = 0;
        while let Ok(Some((_, consumed))) = parser.next(&bytes[at..]) {
            at += consumed;
        }
    });
    assert!(peak <= 2 * bytes.len() + 64 * 1024, "{peak} bytes of memory for {} received", bytes.len());
}

pub(crate) fn read(bytes: &[u8], limits: Limits, ends: impl IntoIterator<Item = usize>) -> Read {
    let mut parser = RequestParser::new(limits);
    let (mut at, mut commands) = (0, Vec::new());
    for end in ends {
        loop {
            match parser.next(&bytes[at..end]) {
                Ok(None) => break,
                Ok(Some((command, consumed))) => {
                    assert!((1..=end - at).contains(&consumed), "{consumed} of {} bytes", end - at);
                    let arguments: Vec<Vec<u8>> = command.iter().map(<[u8]>::to_vec).collect();
                    assert!(command.to_owned().as_command().iter().eq(command.iter()), "a copy differs");
                    if !arguments.is_empty() {
                        commands.push(arguments);
                    }
                    at += consumed;
                }
                Err(malformed) => return (commands, Some(malformed)),
            }
        }
    }
    (commands, None)
}
