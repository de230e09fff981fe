use std::num::NonZeroU64;

use naru_ledger::Limits;
use serde::{Deserialize, Serialize};

/// The limits that changes need when they are made. They are part of what is stored, so that a change does the same when it is
/// made again, whatever the limits are by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    pub(crate) ring_max: usize,
    pub(crate) conversations_max: usize,
    pub(crate) mentions_kept_max: usize,
    pub(crate) dedupe_window_ms: NonZeroU64,
}

impl Bounds {
    pub(crate) fn of(limits: &Limits) -> Bounds {
        Bounds {
            ring_max: limits.ring_max,
            conversations_max: limits.conversations_max,
            mentions_kept_max: limits.mentions_kept_max,
            dedupe_window_ms: u64::try_from(limits.dedupe_window.as_millis())
                .map_or(NonZeroU64::MAX, |millis| NonZeroU64::new(millis).unwrap_or(NonZeroU64::MIN)),
        }
    }
}
