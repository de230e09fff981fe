//! Checkpoints: what is stored, written piece by piece while work goes on, so that a start need not replay all that
//! has ever happened.
//!
//! A walk goes over the keys by their numbers, some at a time between turns. Each piece says up to which record it is
//! true; when it is read back, a key passes over the changes it knows already. What is deleted before the walk comes to
//! it is missing, and its changes are made in vain until the one that deleted it. What RENAME has brought to where the walk
//! has been is written as well, as soon as there is room: its old name may be another key's when it is read back.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use naru_ledger::Ledger;
use naru_store::{Checkpoint, Lsn};
use postcard::{ser_flavors::Flavor, serialize_with_flavor};
use serde::{Deserialize, Serialize};

use super::store::Store;
use crate::{
    keyspace::{Key, Place, Value},
    streams::StreamId,
};

/// How often, and how fast.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// Log that is written before there is a new checkpoint, in bytes, unless the last checkpoint had more: so they at most
    /// double what is written.
    pub(super) log_bytes_min: u64,
    /// What a turn gives the walk; at least a piece is written.
    pub(super) slice: Duration,
    /// Bytes of a piece after which the next one begins.
    pub(super) piece_bytes: usize,
    /// A key that holds more than so much is copied, which shares nearly all of it, and written by another thread: meanwhile
    /// it may change, and nobody waits.
    pub(super) copied_from: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            log_bytes_min: 64 << 20,
            slice: Duration::from_millis(2),
            piece_bytes: 128 << 10,
            copied_from: 4096,
        }
    }
}

/// How soon is looked again whether there is room for more pieces.
const LOOKS_FOR_ROOM_EVERY: Duration = Duration::from_millis(5);

/// Keys that are written after the walk has come to its end, since they were renamed meanwhile, each once there is room. Who
/// renames without end is not waited for: then the others go at once.
const LATE_MAX: usize = 1000;

/// How soon there is another one on a full disk, where every dead segment counts.
const HURRIES_EVERY: Duration = Duration::from_secs(1);

/// Numbers that are looked at for a piece: many keys may have gone.
const NUMBERS_A_PIECE_MAX: usize = 100_000;

/// The variant of `PieceOf::Keys`.
const KEYS: u32 = 1;

/// Bytes of a part.
const PART_BYTES: usize = 256 << 10;

/// Why writing a piece cannot fail.
const WRITABLE: &str = "postcard can write all that is stored, and a vector takes all that is written";

/// A piece of a checkpoint as it is read back. The order of the variants and of their fields is the format.
#[derive(Deserialize)]
pub(super) enum Piece {
    /// All of the ledger, true at this record.
    Ledger(u64, Box<Ledger>),
    /// Keys that were true at this record.
    Keys(u64, Vec<Key>),
    /// A part of a piece that is too long for one; the first and the last one say so.
    Part { is_first: bool, is_last: bool, bytes: Vec<u8> },
}

/// The same, to be written.
#[derive(Serialize)]
enum PieceOf<'a> {
    Ledger(u64, &'a Ledger),
    #[expect(dead_code, reason = "written by hand, key by key: it holds its place in the format")]
    Keys(u64, Vec<&'a Key>),
    Part {
        is_first: bool,
        is_last: bool,
        bytes: &'a [u8],
    },
}

/// Of a piece that is a part of another one, whether it is the first, and the last.
pub(super) fn ends_of_part(piece: &[u8]) -> Option<(bool, bool)> {
    const PART: u32 = 2;
    let ((variant, is_first, is_last), _) = postcard::take_from_bytes::<(u32, bool, bool)>(piece).ok()?;
    (variant == PART).then_some((is_first, is_last))
}

impl Pace {
    /// For a log that nobody will open again.
    pub(super) fn never() -> Pace {
        Pace { log_bytes_min: u64::MAX, ..Pace::default() }
    }
}

/// When checkpoints are made, and the one that is being made.
pub(super) struct Checkpoints {
    pace: Pace,
    walk: Option<Walk>,
    /// Where the log was when the last one began.
    begun_at: u64,
    /// What the last one had; its longest keys count once they are written.
    bytes: Arc<AtomicU64>,
    /// The one under way was begun for the sake of space, which takes two; the first of them is done.
    is_first: bool,
    is_second_due: bool,
    /// When one was last begun because the disk is full.
    hurried: Option<Instant>,
}

struct Walk {
    checkpoint: Checkpoint,
    /// The next key's number.
    next: usize,
    /// Numbers below that have got keys by RENAME, and are to be written again; each once, however often that was.
    behind: BTreeSet<usize>,
    /// How many of them were written since the walk has come to its end.
    late: usize,
    bytes: Arc<AtomicU64>,
}

impl Checkpoints {
    /// As the log is opened, with a checkpoint of so many bytes: it was replayed from `begun_at`.
    pub(super) fn new(pace: Pace, begun_at: u64, bytes: u64) -> Checkpoints {
        Checkpoints {
            pace,
            walk: None,
            begun_at,
            bytes: Arc::new(bytes.into()),
            is_first: false,
            is_second_due: false,
            hurried: None,
        }
    }

    /// Begins one if it is time.
    pub(super) fn look(&mut self, store: &mut Store) {
        if let Some(outcome) = store.journal.log().checkpoint_outcome() {
            match outcome {
                Ok(lsn) => {
                    tracing::info!(record = lsn.number(), bytes = self.bytes(), "checkpoint written");
                    self.is_second_due = std::mem::take(&mut self.is_first);
                }
                Err(error) => {
                    tracing::warn!(%error, "no checkpoint was written; the log is kept until one is")
                }
            }
        }
        let log = store.journal.log();
        let written = log.next_address().position() - self.begun_at;
        let dead = log.awaiting_checkpoints();
        let due = self.pace.log_bytes_min.max(self.bytes());
        if self.walk.is_some() {
            return;
        }
        if dead > 0 && self.is_second_due {
            self.is_second_due = !self.begin_again(store);
        } else if dead >= self.pace.log_bytes_min.max(2 * self.bytes()) {
            // It takes two, and they are not to cost more than they give.
            self.is_first = self.begin_again(store);
        } else if written >= due {
            self.begin(store);
        } else if dead > 0 && store.journal.is_full() {
            self.hurry(store);
        }
    }

    /// Begins one on a full disk, where even a single segment's space is worth it.
    fn hurry(&mut self, store: &mut Store) {
        if self.hurried.is_some_and(|at| at.elapsed() < HURRIES_EVERY) {
            return;
        }
        self.hurried = Some(Instant::now());
        self.begin_again(store);
    }

    /// Begins one for the sake of space: that takes two, and nothing may have been recorded since the last.
    fn begin_again(&mut self, store: &mut Store) -> bool {
        let log = store.journal.log();
        if log.last() == log.newest_checkpoint() {
            // A failure of the log comes to light in this turn.
            let _ = log.mark_again();
        }
        self.begin(store);
        self.walk.is_some()
    }

    /// Goes on with the one under way; when to come again.
    pub(super) fn go_on(&mut self, store: &mut Store) -> Option<Duration> {
        let renamed = store.keyspace.take_renamed();
        let walk = self.walk.as_mut()?;
        let passed = walk.next;
        walk.behind.extend(renamed.into_iter().filter(|number| *number < passed));
        if walk.checkpoint.has_failed() || walk.go_on(store, self.pace) {
            self.finish(store);
            return None;
        }
        let has_room = self.walk.as_ref().is_some_and(|walk| walk.checkpoint.has_room());
        Some(if has_room { Duration::ZERO } else { LOOKS_FOR_ROOM_EVERY })
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn begin(&mut self, store: &mut Store) {
        let begins_at = store.journal.log().next_address().position();
        let Some(mut checkpoint) = store.journal.log().begin_checkpoint() else { return };
        self.begun_at = begins_at;
        let ledger = PieceOf::Ledger(store.journal.last().number(), &store.ledger);
        let piece = postcard::to_stdvec(&ledger).expect(WRITABLE);
        let bytes = Arc::new(AtomicU64::new(piece.len() as u64));
        in_parts(piece, &mut |part| checkpoint.push(part));
        self.walk = Some(Walk { checkpoint, next: 0, behind: BTreeSet::new(), late: 0, bytes });
    }

    fn finish(&mut self, store: &mut Store) {
        if let Some(Walk { checkpoint, bytes, .. }) = self.walk.take() {
            self.bytes = bytes;
            store.journal.log().finish_checkpoint(checkpoint);
        }
    }
}

impl Walk {
    /// Writes keys until the slice is over; whether all are written.
    fn go_on(&mut self, store: &Store, pace: Pace) -> bool {
        let until = Instant::now() + pace.slice;
        loop {
            let is_at_end = self.next >= store.keyspace.numbers();
            if is_at_end && self.behind.is_empty() {
                return true;
            }
            if !self.checkpoint.has_room() && self.late < LATE_MAX {
                return false;
            }
            if !is_at_end {
                self.write_piece(store, pace);
            }
            if let Some(number) = self.behind.pop_first() {
                self.late += usize::from(is_at_end);
                self.write_behind(store, number);
            }
            if Instant::now() >= until && self.late < LATE_MAX {
                return false;
            }
        }
    }

    fn write_piece(&mut self, store: &Store, pace: Pace) {
        let mut keys = Keys::default();
        let end = store.keyspace.numbers().min(self.next + NUMBERS_A_PIECE_MAX);
        while self.next < end && keys.bytes.len() < pace.piece_bytes {
            let key = store.keyspace.at(self.next);
            self.next += 1;
            match key {
                None => {}
                Some(key) if key.value.held() <= pace.copied_from => keys.add(key),
                Some(key) => {
                    self.push_copy(store, key);
                    break;
                }
            }
        }
        if keys.count > 0 {
            self.push(store, keys);
        }
    }

    /// Writes the key that has this number now, if there is one.
    fn write_behind(&mut self, store: &Store, number: usize) {
        if let Some(key) = store.keyspace.at(number) {
            self.push_copy(store, key);
        }
    }

    fn push(&mut self, store: &Store, keys: Keys) {
        let piece = keys.into_piece(store.journal.last());
        self.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        in_parts(piece, &mut |part| self.checkpoint.push(part));
    }

    /// Has the key written as it is now.
    fn push_copy(&mut self, store: &Store, key: &Key) {
        let (copy, at, bytes) = (key.clone(), store.journal.last(), self.bytes.clone());
        let weight = match &key.value {
            Value::Text(text) => text.as_bytes().len(),
            // An entry takes about half of that, written down.
            value => value.held() * size_of::<(StreamId, Place)>(),
        };
        self.checkpoint.push_made(weight, move |push| {
            let parts = Parts::new(|part| {
                bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
                push(part)
            });
            // An error: the rest is not wanted any more.
            let _ = serialize_with_flavor(&(KEYS, at.number(), &[&copy][..]), parts);
        });
    }
}

/// Keys as they stand in a piece.
#[derive(Default)]
struct Keys {
    count: usize,
    bytes: Vec<u8>,
}

impl Keys {
    fn add(&mut self, key: &Key) {
        self.bytes = postcard::to_extend(key, std::mem::take(&mut self.bytes)).expect(WRITABLE);
        self.count += 1;
    }

    /// As `PieceOf::Keys` would be, true at this record.
    fn into_piece(self, at: Lsn) -> Vec<u8> {
        let head = (KEYS, at.number(), self.count);
        [postcard::to_stdvec(&head).expect(WRITABLE), self.bytes].concat()
    }
}

/// Hands a piece over, in parts if it is too long.
fn in_parts(piece: Vec<u8>, push: &mut dyn FnMut(Vec<u8>)) {
    if piece.len() <= PART_BYTES {
        return push(piece);
    }
    let mut parts = Parts::new(|part| {
        push(part);
        ControlFlow::Continue(())
    });
    parts.try_extend(&piece).and_then(|()| parts.finalize()).expect(WRITABLE);
}

/// A piece that is handed over in parts while it is written, so that there is never more of it than one. It ends early when
/// no more are wanted.
struct Parts<P> {
    push: P,
    bytes: Vec<u8>,
    is_first: bool,
}

impl<P: FnMut(Vec<u8>) -> ControlFlow<()>> Parts<P> {
    fn new(push: P) -> Self {
        Parts { push, bytes: Vec::with_capacity(PART_BYTES), is_first: true }
    }

    fn leave(&mut self, is_last: bool) -> postcard::Result<()> {
        let part = PieceOf::Part { is_first: self.is_first, is_last, bytes: &self.bytes };
        let is_wanted = (self.push)(postcard::to_stdvec(&part).expect(WRITABLE)).is_continue();
        self.bytes.clear();
        self.is_first = false;
        if is_wanted || is_last { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }
}

impl<P: FnMut(Vec<u8>) -> ControlFlow<()>> Flavor for Parts<P> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, mut bytes: &[u8]) -> postcard::Result<()> {
        while self.bytes.len() + bytes.len() > PART_BYTES {
            let (fitting, rest) = bytes.split_at(PART_BYTES - self.bytes.len());
            self.bytes.extend_from_slice(fitting);
            self.leave(false)?;
            bytes = rest;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<()> {
        self.leave(true)
    }
}

#[cfg(test)]
mod tests;
