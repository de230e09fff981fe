use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::Value;
use crate::numbered::Named;

/// One key. The order of its fields is the format of checkpoints. A copy shares what is much with it until one of the two
/// changes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) name: Box<[u8]>,
    /// One more than the Unix milliseconds, so that none takes no room.
    expiry: Option<NonZeroU64>,
    pub(crate) value: Value,
}

impl Key {
    pub(crate) fn new(name: &[u8], value: Value) -> Self {
        Key { name: name.into(), expiry: None, value }
    }

    /// When it goes away by itself, in Unix milliseconds; none if it stays.
    pub(crate) fn expiry(&self) -> Option<u64> {
        self.expiry.map(|after| after.get() - 1)
    }

    /// Whether it is as if it were not there any more.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expiry().is_some_and(|at| at < now)
    }

    pub(super) fn set_expiry(&mut self, at: Option<u64>) {
        self.expiry = at.and_then(|at| NonZeroU64::new(at.saturating_add(1)));
    }
}

impl Named for Key {
    fn name(&self) -> &[u8] {
        &self.name
    }
}
