//! What is printed, by every subcommand: to standard output, whose reader may have read enough (`| head`). Then the
//! program ends without a word, as others do, and with their exit status.

use std::io::{self, Write};

/// Exit status of a program that was ended for it (128 and SIGPIPE).
pub(crate) const EXIT_UNREAD: u8 = 141;

/// Standard output. Its errors say which of them mean that nobody reads on.
pub(crate) struct Printed;

/// Nobody reads what is printed any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what is printed")]
struct Unread;

/// Prints a line.
macro_rules! say {
    ($($text:tt)*) => {
        std::io::Write::write_fmt(&mut $crate::printed::Printed, format_args!("{}\n", format_args!($($text)*)))
    };
}

pub(crate) use say;

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(told_apart)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(told_apart)
    }
}

/// A connection may break like a pipe, and that is worth a word.
fn told_apart(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, Unread),
        _ => error,
    }
}

/// Whether something ended because nobody reads what is printed any more.
pub(crate) fn is_unread(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.get_ref().is_some_and(|cause| cause.is::<Unread>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_gone_is_told_from_a_connection_that_is() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_unread(&anyhow::Error::new(told_apart(broken())).context("the report")));
        assert!(!is_unread(&anyhow::Error::new(broken()).context("the report")));
    }
}
