//! The broker's trouble, as the log has it: many ask meanwhile, and all are told the same.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// How long one kind of trouble is not said again.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Kinds of trouble, by the broker's word for them, and when each was said last.
static SAID: Mutex<BTreeMap<String, Instant>> = Mutex::new(BTreeMap::new());

/// The word of Naru's broker for a disk that is full.
pub(crate) const NO_SPACE: &str = "DISKFULL";

/// Says that the broker refuses what it could do otherwise, and why.
pub(crate) fn say(code: &str, reason: &str) {
    if is_due(&mut SAID.lock(), code, Instant::now()) {
        tracing::warn!(
            code,
            reason,
            "the broker is in trouble; what is refused for it is said once a minute"
        );
    } else {
        tracing::debug!(code, reason, "the broker is in trouble");
    }
}

fn is_due(said: &mut BTreeMap<String, Instant>, code: &str, now: Instant) -> bool {
    let is_due = said.get(code).is_none_or(|at| now.duration_since(*at) >= SAID_EVERY);
    if is_due {
        said.insert(code.to_owned(), now);
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_said_once_a_minute() {
        let (mut said, now) = (BTreeMap::new(), Instant::now());
        assert!(is_due(&mut said, NO_SPACE, now) && is_due(&mut said, "READONLY", now));
        assert!(!is_due(&mut said, NO_SPACE, now + SAID_EVERY / 2));
        assert!(is_due(&mut said, NO_SPACE, now + SAID_EVERY));
        assert!(!is_due(&mut said, NO_SPACE, now + SAID_EVERY * 3 / 2));
    }
}
