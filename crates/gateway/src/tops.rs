//! Where channels stand, asked once for all who want to compare themselves.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ahash::RandomState;
use naru_bus::{Bus, BusError, Read, StreamPosition};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use crate::limits::{POSITION_AGE_MAX, REPLAYS_MAX};

/// The positions of channels, as they were a moment ago.
pub(crate) struct Tops {
    known: Mutex<Known>,
    /// Taken while the broker is asked.
    turns: Semaphore,
}

impl Tops {
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
        let read = Read { since: None, limit: Some(0), bytes: None, reverse: false, meta_ttl };
        let top = bus.stream(channel, read).await?.top;
        self.known.lock().insert(channel.clone(), asked, top.clone());
        Ok(top)
    }

    fn known(&self, channel: &Arc<str>) -> Option<StreamPosition> {
        let known = self.known.lock();
        let (asked, top) = known.all.get(channel)?;
        (asked.elapsed() < POSITION_AGE_MAX).then(|| top.clone())
    }

    /// The broker was away: what is known is not to be believed.
    pub(crate) fn forget(&self) {
        *self.known.lock() = Known::default();
    }
}

/// What is known. Old ones are forgotten when there are twice as many as were not old the last time, so that each costs the same
/// however many there are.
#[derive(Default)]
struct Known {
    all: HashMap<Arc<str>, (Instant, StreamPosition), RandomState>,
    /// Of how many those that are old are forgotten next, if that is more than [`REMEMBERED`](Known::REMEMBERED).
    next: usize,
}

impl Known {
    /// How many are remembered at least.
    const REMEMBERED: usize = 4096;

    fn insert(&mut self, channel: Arc<str>, asked: Instant, top: StreamPosition) {
        if self.all.len() >= self.next.max(Self::REMEMBERED) {
            self.all.retain(|_, (asked, _)| asked.elapsed() < POSITION_AGE_MAX);
            self.next = 2 * self.all.len();
        }
        self.all.insert(channel, (asked, top));
    }
}

#[cfg(test)]
mod tests {
    use naru_ledger::Epoch;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn old_ones_are_forgotten_and_looked_for_only_when_there_are_twice_as_many() {
        let mut known = Known::default();
        let top = || StreamPosition { offset: 1, epoch: Epoch::parse("e").unwrap() };
        let mut looks = 0;
        let mut fill = |known: &mut Known, numbers: std::ops::Range<usize>| {
            for number in numbers {
                let before = known.next;
                known.insert(number.to_string().into(), Instant::now(), top());
                looks += usize::from(known.next != before);
            }
            looks
        };
        assert_eq!(fill(&mut known, 0..50_000), 4, "none of them is old");
        assert_eq!(known.all.len(), 50_000);
        tokio::time::advance(POSITION_AGE_MAX).await;
        fill(&mut known, 50_000..Known::REMEMBERED << 4);
        fill(&mut known, Known::REMEMBERED << 4..(Known::REMEMBERED << 4) + 1);
        assert!(known.all.len() < 20_000, "{}", known.all.len());
    }
}
