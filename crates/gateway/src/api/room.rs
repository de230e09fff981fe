//! Room for the answers of several commands in one request.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::value::RawValue;

use super::{Api, keys::Scope, refusal::Refusal};
use crate::limits::API_ANSWERS_BYTES_MAX;

/// What is left of it. A command for whose answer there is none is not begun; one that was begun has its answer told, however
/// large, since what it did is done.
pub(super) struct Room(AtomicUsize);

impl Room {
    pub(super) fn new() -> Room {
        Room(AtomicUsize::new(API_ANSWERS_BYTES_MAX))
    }

    /// Calls a method with its parameters, if there is room.
    pub(super) async fn call(
        &self,
        api: &Api,
        scope: &Scope,
        method: &str,
        params: &[u8],
    ) -> Result<Box<RawValue>, Refusal> {
        if self.is_full() {
            return Err(Refusal::limit_exceeded());
        }
        let answer = api.call(scope, method, params).ok_or(Refusal::not_found())?.await?;
        self.take(answer.get().len());
        Ok(answer)
    }

    fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn take(&self, bytes: usize) {
        // Several are under way at once.
        let less = |left: usize| Some(left.saturating_sub(bytes));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_than_there_is_room_for_is_the_last() {
        let room = Room::new();
        room.take(API_ANSWERS_BYTES_MAX - 1);
        assert!(!room.is_full());
        room.take(1 << 20);
        assert!(room.is_full());
    }
}
