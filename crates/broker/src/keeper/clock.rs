use std::time::{SystemTime, UNIX_EPOCH};

use naru_ledger::Millis;

/// Unix time in milliseconds; 0 for a clock before 1970.
pub(super) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis() as u64)
}
