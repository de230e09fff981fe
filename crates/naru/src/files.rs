//! How many files the process may have open; a connection is one.

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process has open besides its connections: streams, event loops, timers, libraries.
const OTHERS: u64 = 64;

/// Has as many as there may be: the soft limit is low for programs that cannot count to more than 1,024, and this one can. Where the
/// system refuses, it stays.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Makes sure that so many files may be open besides the usual ones; a connection is one.
///
/// # Errors
///
/// The hard limit is lower.
pub(crate) fn allow(count: u64) -> anyhow::Result<()> {
    let needed = count + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        maximum >= needed,
        "{needed} files are needed, one a connection, and {maximum} is the limit here: raise it (ulimit -Hn)"
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_files_than_there_may_be_are_an_error() {
        assert!(allow(1).is_ok());
        let error = allow(u64::MAX / 2).unwrap_err().to_string();
        assert!(error.contains("ulimit -Hn"), "{error}");
    }
}
