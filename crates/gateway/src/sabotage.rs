//! Faults on purpose, so that what looks for faults can be looked at: `naru verify --live` has to find each. Only in a build that
//! asks for them (`--features sabotage`), and there only the one that `NARU_SABOTAGE` names.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

/// Of all times when it could be done, every how many it is.
const EVERY: u32 = 12;

static NAMED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("NARU_SABOTAGE").ok());

static TIMES: AtomicU32 = AtomicU32::new(0);

/// Whether the fault of this name is to be made whenever it can be.
pub(crate) fn is_on(name: &str) -> bool {
    NAMED.as_deref() == Some(name)
}

/// Whether the fault of this name is to be made now.
pub(crate) fn is_due(name: &str) -> bool {
    is_on(name) && TIMES.fetch_add(1, Ordering::Relaxed) % EVERY == EVERY - 1
}
