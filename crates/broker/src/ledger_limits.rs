//! The bounds of the ledger, as parameters.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use naru_ledger::Limits;

/// What of [`Limits`] can be set. Times are in seconds.
pub(crate) struct LedgerLimits {
    pub(crate) body_bytes_max: AtomicI64,
    pub(crate) mentions_max: AtomicI64,
    pub(crate) mentions_kept_max: AtomicI64,
    pub(crate) log_entries_max: AtomicI64,
    pub(crate) log_bytes_max: AtomicI64,
    pub(crate) log_age_max: AtomicI64,
    pub(crate) dedupe_window: AtomicI64,
    pub(crate) ring_max: AtomicI64,
    pub(crate) conversations_max: AtomicI64,
    pub(crate) devices_max: AtomicI64,
    pub(crate) device_ttl: AtomicI64,
    pub(crate) members_max: AtomicI64,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        let Limits {
            body_bytes_max,
            mentions_max,
            log_entries_max,
            log_bytes_max,
            log_age_max,
            dedupe_window,
            ring_max,
            conversations_max,
            mentions_kept_max,
            devices_max,
            device_ttl,
            members_max,
            seen_every: _,
            page_entries_max: _,
            page_bytes_max: _,
        } = Limits::default();
        LedgerLimits {
            body_bytes_max: cell(body_bytes_max),
            mentions_max: cell(mentions_max),
            mentions_kept_max: cell(mentions_kept_max),
            log_entries_max: cell(log_entries_max),
            log_bytes_max: cell(log_bytes_max),
            log_age_max: cell(log_age_max.as_secs()),
            dedupe_window: cell(dedupe_window.as_secs()),
            ring_max: cell(ring_max),
            conversations_max: cell(conversations_max),
            devices_max: cell(devices_max),
            device_ttl: cell(device_ttl.as_secs()),
            members_max: cell(members_max),
        }
    }
}

impl LedgerLimits {
    /// As they are now.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            body_bytes_max: size(&self.body_bytes_max),
            mentions_max: size(&self.mentions_max),
            mentions_kept_max: size(&self.mentions_kept_max),
            log_entries_max: size(&self.log_entries_max),
            log_bytes_max: number(&self.log_bytes_max),
            log_age_max: seconds(&self.log_age_max),
            dedupe_window: seconds(&self.dedupe_window),
            ring_max: size(&self.ring_max),
            conversations_max: size(&self.conversations_max),
            devices_max: size(&self.devices_max),
            device_ttl: seconds(&self.device_ttl),
            members_max: size(&self.members_max),
            ..Limits::default()
        }
    }
}

fn cell(number: impl TryInto<i64>) -> AtomicI64 {
    AtomicI64::new(number.try_into().unwrap_or(i64::MAX))
}

fn number(cell: &AtomicI64) -> u64 {
    u64::try_from(cell.load(Ordering::Relaxed)).unwrap_or(0)
}

fn size(cell: &AtomicI64) -> usize {
    usize::try_from(number(cell)).unwrap_or(usize::MAX)
}

fn seconds(cell: &AtomicI64) -> Duration {
    Duration::from_secs(number(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_the_ledgers_own_default() {
        assert_eq!(LedgerLimits::default().limits(), Limits::default());
    }
}
