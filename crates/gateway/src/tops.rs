//! Where channels stand, asked once for all who want to compare themselves.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ahash::RandomState;
use naru_bus::{Bus, BusError, Read, StreamPosition};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use crate::limits::{POSITION_AGE_MAX, REPLAYS_MAX};

/// The positions of channels, as they were a moment ago. Older ones are forgotten when there are more than
/// [`REMEMBERED`](Tops::REMEMBERED).
pub(crate) struct Tops {
    known: Mutex<HashMap<Arc<str>, (Instant, StreamPosition), RandomState>>,
    /// Taken while the broker is asked.
    turns: Semaphore,
}

impl Tops {
    /// How many are remembered at least.
    const REMEMBERED: usize = 4096;

    pub(crate) fn new() -> Tops {
        Tops { known: Mutex::default(), turns: Semaphore::new(REPLAYS_MAX) }
    }

    /// Where a channel stands, or stood [`POSITION_AGE_MAX`] ago.
    pub(crate) async fn of(
        &self,
        bus: &Bus,
        channel: &Arc<str>,
        meta_ttl: Duration,
    ) -> Result<StreamPosition, BusError> {
        if let Some(top) = self.known(channel) {
            return Ok(top);
        }
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        // Somebody may have asked while this one waited.
        if let Some(top) = self.known(channel) {
            return Ok(top);
        }
        let asked = Instant::now();
        let read = Read { since: None, limit: Some(0), reverse: false, meta_ttl };
        let top = bus.stream(channel, read).await?.top;
        let mut known = self.known.lock();
        if known.len() >= Self::REMEMBERED {
            known.retain(|_, (asked, _)| asked.elapsed() < POSITION_AGE_MAX);
        }
        known.insert(channel.clone(), (asked, top.clone()));
        Ok(top)
    }

    fn known(&self, channel: &Arc<str>) -> Option<StreamPosition> {
        let known = self.known.lock();
        let (asked, top) = known.get(channel)?;
        (asked.elapsed() < POSITION_AGE_MAX).then(|| top.clone())
    }

    /// The broker was away: what is known is not to be believed.
    pub(crate) fn forget(&self) {
        self.known.lock().clear();
    }
}
