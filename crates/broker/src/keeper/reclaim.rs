//! Space that comes back. A segment of the log goes when nothing in it is live any more; here those with little that is
//! live are emptied: what is live in them is written again at the end of the log, as a change that changes nothing else.

use std::{ops::Range, time::Duration};

use super::{
    change::Change,
    store::{Store, StoreError},
};

/// When, and how fast.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// Dead bytes that are left alone, more than a segment has. Above them at most as much may be dead as is live.
    pub(super) dead_bytes_min: u64,
    /// Bytes that are written again in one turn.
    pub(super) turn_bytes: usize,
    /// References that are looked at in one turn.
    pub(super) turn_references: usize,
    /// Time between two turns that write, so that others can.
    pub(super) pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            dead_bytes_min: 128 << 20,
            turn_bytes: 64 << 10,
            turn_references: 20_000,
            pause: Duration::from_millis(2),
        }
    }
}

/// A segment of which more is live, of what could be, is not worth emptying.
const LIVE_SHARE_MAX: f64 = 0.5;

/// Finds segments to empty, and empties them.
pub(super) struct Reclaim {
    pace: Pace,
    walk: Option<Walk>,
    left: Left,
}

/// Bytes that looked dead and are not: with long names, what brings a body takes more of the log than it is taken for, and
/// would be written again without end.
enum Left {
    /// So many were left by the last walk, at most.
    Known(u64),
    /// A walk has ended, and of what looks dead now at most so much is of before it, or of what it wrote.
    ToBeSeen { of: u64 },
}

struct Walk {
    /// Addresses of the segments to be emptied; they rise.
    emptied: Vec<Range<u64>>,
    /// The next key's number, and how many of its references have been looked at.
    next: (usize, usize),
    moved_bytes: u64,
    /// What looked dead in the other segments.
    left: u64,
}

impl Reclaim {
    pub(super) fn new(pace: Pace) -> Reclaim {
        Reclaim { pace, walk: None, left: Left::Known(0) }
    }

    /// Finds out whether there is enough to gain.
    pub(super) fn look(&mut self, store: &mut Store) {
        if self.walk.is_some() {
            return;
        }
        let share_max = store.journal.live().share();
        let (mut live, mut dead, mut gained) = (0, 0, 0);
        let mut emptied = Vec::new();
        for segment in store.journal.log().sealed() {
            let addresses = segment.start.position()..segment.end.position();
            let bytes = addresses.end - addresses.start;
            live += segment.live;
            // Those without anything live go by themselves.
            if segment.live > 0 {
                let looks_dead = ((bytes as f64 * share_max) as u64).saturating_sub(segment.live);
                dead += looks_dead;
                if segment.live_share() < LIVE_SHARE_MAX * share_max {
                    gained += looks_dead;
                    emptied.push(addresses);
                }
            }
        }
        let left = match self.left {
            Left::Known(left) => left.min(dead),
            Left::ToBeSeen { of } => of.min(dead),
        };
        self.left = Left::Known(left);
        if dead - left > self.pace.dead_bytes_min.max(live) && !emptied.is_empty() {
            tracing::info!(segments = emptied.len(), dead, live, "emptying segments of the log");
            self.walk = Some(Walk { emptied, next: (0, 0), moved_bytes: 0, left: dead - gained });
        }
    }

    /// Empties a little; when to come again.
    pub(super) fn go_on(&mut self, store: &mut Store) -> Option<Duration> {
        let walk = self.walk.as_mut()?;
        if store.journal.log().is_batch_full() || store.journal.is_full() {
            return Some(self.pace.pause);
        }
        match walk.go_on(store, self.pace) {
            Ok(false) => Some(self.pace.pause),
            Ok(true) => {
                tracing::info!(moved_bytes = walk.moved_bytes, "segments of the log emptied");
                self.left = Left::ToBeSeen { of: walk.left + walk.moved_bytes };
                self.walk = None;
                None
            }
            Err(error) => {
                tracing::error!(%error, "segments of the log cannot be emptied, and stay");
                // Not again in this life: the same would come of it.
                self.pace.dead_bytes_min = u64::MAX;
                self.walk = None;
                None
            }
        }
    }
}

impl Walk {
    /// Moves some of what stands in the segments; whether all keys have been looked at.
    fn go_on(&mut self, store: &mut Store, pace: Pace) -> Result<bool, StoreError> {
        let mut references = 0;
        let mut bytes = 0;
        while references < pace.turn_references && bytes < pace.turn_bytes {
            let (number, seen) = self.next;
            if number >= store.keyspace.numbers() {
                return Ok(true);
            }
            let Some(key) = store.keyspace.at(number) else {
                self.next = (number + 1, 0);
                references += 1;
                continue;
            };
            let mut changes = Vec::new();
            let mut looked_at = 0;
            let mut is_done = true;
            for (slot, place) in key.value.references(seen) {
                let is_enough = references + looked_at >= pace.turn_references || bytes >= pace.turn_bytes;
                let place = place.filter(|place| self.is_emptied(place.address));
                // A long body has a record of its own.
                let is_long = place.is_some_and(|place| place.bytes as usize > pace.turn_bytes);
                if is_enough || is_long && !changes.is_empty() {
                    is_done = false;
                    break;
                }
                looked_at += 1;
                let Some(place) = place else { continue };
                match store.journal.read(place) {
                    Ok(body) => {
                        // Each change names its key.
                        bytes += body.len() + key.name.len();
                        changes.push(Change::moved(&key.name, slot, body));
                    }
                    Err(error) => {
                        tracing::error!(%error, "a body cannot be read; its segment of the log stays");
                    }
                }
            }
            self.next = if is_done { (number + 1, 0) } else { (number, seen + looked_at) };
            references += looked_at + 1;
            store.change_quietly(changes)?;
        }
        self.moved_bytes += bytes as u64;
        Ok(false)
    }

    fn is_emptied(&self, address: u64) -> bool {
        let at = self.emptied.partition_point(|addresses| addresses.end <= address);
        self.emptied.get(at).is_some_and(|addresses| addresses.start <= address)
    }
}
