use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

/// Arguments of a command that are kept, and bytes of each: Redis's `SLOWLOG_ENTRY_MAX_ARGC` and `…_MAX_STRING`.
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_BYTES_MAX: usize = 128;

/// Commands that took long (`SLOWLOG`), newest first; at most `slowlog-max-len`.
#[derive(Default)]
pub(crate) struct SlowLog(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    entries: VecDeque<SlowCommand>,
    next: u64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlowCommand {
    /// Rises by one from 0.
    pub(crate) id: u64,
    pub(crate) at: SystemTime,
    pub(crate) took: Duration,
    /// Shortened.
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) address: String,
    pub(crate) name: String,
}

impl SlowLog {
    /// Notes a command, and forgets the oldest beyond `most`.
    pub(crate) fn add(&self, took: Duration, arguments: &[&[u8]], address: &str, name: &str, most: usize) {
        let mut log = self.0.lock();
        let command = SlowCommand {
            id: log.next,
            at: SystemTime::now(),
            took,
            arguments: shortened(arguments),
            address: address.into(),
            name: name.into(),
        };
        log.next += 1;
        log.entries.push_front(command);
        log.entries.truncate(most);
    }

    /// The newest.
    pub(crate) fn newest(&self, most: usize) -> Vec<SlowCommand> {
        self.0.lock().entries.iter().take(most).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().entries.clear();
    }
}

/// Arguments as Redis keeps them: not too many, none too long, and saying so.
fn shortened(arguments: &[&[u8]]) -> Vec<Vec<u8>> {
    let kept = if arguments.len() > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { arguments.len() };
    let one = |argument: &&[u8]| match argument.split_at_checked(ARGUMENT_BYTES_MAX) {
        Some((start, rest)) if !rest.is_empty() => {
            [start, format!("... ({} more bytes)", rest.len()).as_bytes()].concat()
        }
        _ => argument.to_vec(),
    };
    let mut shortened: Vec<Vec<u8>> = arguments[..kept].iter().map(one).collect();
    if kept < arguments.len() {
        shortened.push(format!("... ({} more arguments)", arguments.len() - kept).into());
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_and_no_more_than_it_may() {
        let log = SlowLog::default();
        for _ in 0..5 {
            log.add(Duration::ZERO, &[b"ping"], "a:1", "", 3);
        }
        assert_eq!(log.newest(usize::MAX).iter().map(|command| command.id).collect::<Vec<_>>(), [4, 3, 2]);
        log.clear();
        assert_eq!(log.len(), 0);
    }

    #[test]
    fn many_and_long_arguments_are_shortened() {
        let long = [b'x'; 130];
        let arguments = vec![&long[..]; 40];
        let kept = shortened(&arguments);
        assert_eq!(kept.len(), ARGUMENTS_MAX);
        assert_eq!(kept[31], b"... (9 more arguments)");
        assert_eq!(kept[0], [&long[..128], b"... (2 more bytes)"].concat());
        assert_eq!(shortened(&[&long[..128]]), [&long[..128]]);
    }
}
