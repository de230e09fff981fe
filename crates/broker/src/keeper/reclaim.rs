//! Space that comes back. A segment of the log goes when nothing in it is live any more; here those with little that is
//! live are emptied: what is live in them is written again at the end of the log, as a change that changes nothing else.

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use naru_ledger::Seq;

use super::{
    change::Change,
    store::{Store, StoreError},
};
use crate::{channels::ChannelChange, keyspace::Place, ledger::LedgerChange, numbered::Number};

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

/// Where a walk goes on.
#[derive(Clone, Copy)]
enum At {
    /// At the key of this number, of whose references so many have been looked at.
    Key { number: usize, seen: usize },
    /// At the conversation of this number, behind this entry.
    Conversation { number: usize, after: Seq },
    /// At the channel of this number, from this offset on.
    Channel { number: usize, from: u64 },
}

struct Walk {
    /// Addresses of the segments to be emptied; they rise.
    emptied: Vec<Range<u64>>,
    next: At,
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
            self.walk = Some(Walk {
                emptied,
                next: At::Key { number: 0, seen: 0 },
                moved_bytes: 0,
                left: dead - gained,
            });
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
    /// Moves some of what stands in the segments; whether all that refers to anything has been looked at.
    fn go_on(&mut self, store: &mut Store, pace: Pace) -> Result<bool, StoreError> {
        let mut turn = Turn { pace, references: 0, bytes: 0, changes: Vec::new() };
        let mut is_at_end = false;
        while !turn.is_over() && !is_at_end {
            let next = match self.next {
                At::Key { number, seen } => self.look_at_key(store, number, seen, &mut turn),
                At::Conversation { number, after } => {
                    Some(self.look_at_conversation(store, number, after, &mut turn))
                }
                At::Channel { number, from } => self.look_at_channel(store, number, from, &mut turn),
            };
            turn.references += 1;
            match next {
                Some(next) => self.next = next,
                None => is_at_end = true,
            }
            store.change_quietly(std::mem::take(&mut turn.changes))?;
        }
        self.moved_bytes += turn.bytes as u64;
        Ok(is_at_end)
    }

    /// Moves what a key refers to; where to go on.
    fn look_at_key(&self, store: &Store, number: usize, seen: usize, turn: &mut Turn) -> Option<At> {
        if number >= store.keyspace.numbers() {
            return Some(At::Conversation { number: 0, after: Seq::ZERO });
        }
        let next_key = At::Key { number: number + 1, seen: 0 };
        let Some(key) = store.keyspace.at(number) else { return Some(next_key) };
        for (looked_at, (slot, place)) in key.value.references(seen).enumerate() {
            let place = place.filter(|place| self.is_emptied(place.address));
            if !turn.has_room(place) {
                return Some(At::Key { number, seen: seen + looked_at });
            }
            // Each change names its key.
            turn.take(store, place, key.name.len(), |body| Change::moved(&key.name, slot, body));
        }
        Some(next_key)
    }

    /// The same for a conversation.
    fn look_at_conversation(&self, store: &Store, number: usize, after: Seq, turn: &mut Turn) -> At {
        if number >= store.ledger.conversations().numbers() {
            return At::Channel { number: 0, from: 0 };
        }
        let next_conversation = At::Conversation { number: number + 1, after: Seq::ZERO };
        let found =
            Number::of(number).and_then(|number| Some((number, store.ledger.conversations().get(number)?)));
        let Some((conversation, log)) = found else { return next_conversation };
        let mut after = after;
        for (seq, place) in log.references(after) {
            let place = Some(place).filter(|place| self.is_emptied(place.address));
            if !turn.has_room(place) {
                return At::Conversation { number, after };
            }
            turn.take(store, place, 0, |body| {
                Change::Ledger(LedgerChange::Rewritten { conversation, seq, content: body.into() })
            });
            after = seq;
        }
        next_conversation
    }

    /// The same for a channel. None: it was the last.
    fn look_at_channel(&self, store: &Store, number: usize, from: u64, turn: &mut Turn) -> Option<At> {
        if number >= store.channels.numbers() {
            return None;
        }
        let next_channel = At::Channel { number: number + 1, from: 0 };
        let Some(kept) = store.channels.at(number) else { return Some(next_channel) };
        for (offset, place) in kept.publications(from) {
            let place = Some(place).filter(|place| self.is_emptied(place.address));
            if !turn.has_room(place) {
                return Some(At::Channel { number, from: offset });
            }
            let name = kept.channel();
            turn.take(store, place, name.as_str().len(), |body| {
                Change::Channel(name.clone(), ChannelChange::Moved { offset, body: body.into() })
            });
        }
        Some(next_channel)
    }

    fn is_emptied(&self, address: u64) -> bool {
        let at = self.emptied.partition_point(|addresses| addresses.end <= address);
        self.emptied.get(at).is_some_and(|addresses| addresses.start <= address)
    }
}

/// What a turn does.
struct Turn {
    pace: Pace,
    references: usize,
    bytes: usize,
    /// What is to be recorded together.
    changes: Vec<Change>,
}

impl Turn {
    fn is_over(&self) -> bool {
        self.references >= self.pace.turn_references || self.bytes >= self.pace.turn_bytes
    }

    /// Whether the next reference can be looked at, with the body there, if that is to be moved: a long one has a record of its
    /// own.
    fn has_room(&self, place: Option<Place>) -> bool {
        let is_long = place.is_some_and(|place| place.bytes as usize > self.pace.turn_bytes);
        !self.is_over() && (self.changes.is_empty() || !is_long)
    }

    /// Looks at a reference; has its body moved, if there is one, by a change of so many bytes beside it.
    fn take(
        &mut self,
        store: &Store,
        place: Option<Place>,
        change_bytes: usize,
        change: impl FnOnce(Bytes) -> Change,
    ) {
        self.references += 1;
        let Some(place) = place else { return };
        match store.journal.read(place) {
            Ok(body) => {
                self.bytes += body.len() + change_bytes;
                self.changes.push(change(body));
            }
            Err(error) => {
                tracing::error!(%error, "a body cannot be read; its segment of the log stays");
            }
        }
    }
}
