use std::{collections::VecDeque, time::Duration, time::SystemTime};

use parking_lot::Mutex;

/// Refusals of the same kind within that time are one entry; Redis's `ACL_LOG_GROUPING_MAX_TIME_DELTA`.
const ALIKE_WITHIN: Duration = Duration::from_secs(60);

/// How many of the newest entries are looked at for one that is alike, as in Redis.
const LOOKED_AT: usize = 10;

/// Bytes kept of a key or channel, and of a name somebody tried.
const TEXT_BYTES_MAX: usize = 1024;

/// Who was refused what (`ACL LOG`), newest first; at most `acllog-max-len`.
#[derive(Default)]
pub(crate) struct AclLog(Mutex<VecDeque<LogEntry>>);

/// What it was refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Command,
    Key,
    Channel,
    Auth,
}

impl Reason {
    /// Redis's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// Refusals of one kind.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) count: u64,
    pub(crate) reason: Reason,
    pub(crate) in_transaction: bool,
    /// The command, key or channel.
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
    /// The last time.
    pub(crate) at: SystemTime,
    /// The client of the last time, as in `CLIENT LIST`.
    pub(crate) client: String,
}

impl LogEntry {
    /// One refusal, now.
    pub(crate) fn new(
        reason: Reason,
        in_transaction: bool,
        object: &[u8],
        user: &[u8],
        client: String,
    ) -> Self {
        let shortened = |text: &[u8]| text[..text.len().min(TEXT_BYTES_MAX)].to_vec();
        let (object, user) = (shortened(object), shortened(user));
        LogEntry { count: 1, reason, in_transaction, object, user, at: SystemTime::now(), client }
    }

    fn is_alike(&self, other: &LogEntry) -> bool {
        let apart = self.at.duration_since(other.at).unwrap_or_else(|error| error.duration());
        self.reason == other.reason
            && self.in_transaction == other.in_transaction
            && self.object == other.object
            && self.user == other.user
            && apart <= ALIKE_WITHIN
    }
}

impl AclLog {
    /// Notes a refusal, and forgets the oldest beyond `most`.
    pub(crate) fn add(&self, mut entry: LogEntry, most: usize) {
        let mut entries = self.0.lock();
        if let Some(at) = entries.iter().take(LOOKED_AT).position(|known| known.is_alike(&entry)) {
            entry.count += entries.remove(at).map_or(0, |known| known.count);
            entries.push_front(entry);
        } else {
            entries.push_front(entry);
            entries.truncate(most);
        }
    }

    /// The newest.
    pub(crate) fn newest(&self, most: usize) -> Vec<LogEntry> {
        self.0.lock().iter().take(most).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str) -> LogEntry {
        LogEntry::new(Reason::Key, false, object.as_bytes(), b"alice", String::new())
    }

    #[test]
    fn refusals_that_are_alike_are_counted_in_one_entry_and_come_first() {
        let log = AclLog::default();
        for object in ["a", "b", "a"] {
            log.add(entry(object), 128);
        }
        let entries = log.newest(usize::MAX);
        let shown: Vec<_> = entries.iter().map(|entry| (&entry.object[..], entry.count)).collect();
        assert_eq!(shown, [(&b"a"[..], 2), (b"b", 1)]);

        let long_after = LogEntry { at: entries[0].at + Duration::from_secs(61), ..entry("a") };
        log.add(long_after, 128);
        assert_eq!(log.newest(usize::MAX).len(), 3);
        log.clear();
        assert!(log.newest(usize::MAX).is_empty());
    }

    #[test]
    fn it_holds_no_more_than_it_may_of_texts_no_longer_than_they_may_be() {
        let log = AclLog::default();
        for number in 0..5 {
            log.add(entry(&format!("{number}{}", "x".repeat(5000))), 3);
        }
        let entries = log.newest(usize::MAX);
        assert_eq!((entries.len(), entries[0].object[0], entries[2].object[0]), (3, b'4', b'2'));
        assert!(entries.iter().all(|entry| entry.object.len() == TEXT_BYTES_MAX));
        log.add(entry("x"), 0);
        assert!(log.newest(usize::MAX).is_empty());
    }
}
