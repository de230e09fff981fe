//! Checkpoints: what is stored, written piece by piece while work goes on, so that a start need not replay all that
//! has ever happened.
//!
//! A walk goes over conversations, people, channels and keys by their numbers, some at a time between turns. Each piece says up to which
//! record it is true; when it is read back, what is in it passes over the changes it knows already. Conversations and people
//! that came after it began are made by the records behind. A key or a channel that is deleted before the walk comes to it is missing, and its changes are made in vain until the one that deleted it. What RENAME has brought to where the walk
//! has been is written as well, as soon as there is room: its old name may be another key's when it is read back.

mod piece;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use naru_ledger::Seq;
use naru_store::Checkpoint;
use serde::Serialize;

use super::store::Store;
use crate::{
    channels::Kept,
    keyspace::{Key, Place, Value},
    ledger::{Conversation, Id, Person},
    numbered::Number,
    streams::StreamId,
};
use piece::{Rows, Table, in_parts, of_ledger, write_alone};

pub(super) use piece::{Piece, ends_of_part};

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
    /// The table it is in, and the next row's number there.
    table: Table,
    next: usize,
    /// How many conversations and people there were when it began: those that came since are made by the records behind.
    conversations: usize,
    people: usize,
    /// Numbers of keys below that have got them by RENAME, and are to be written again; each once, however often that was.
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
        let passed = if walk.table == Table::Keys { walk.next } else { 0 };
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
        let piece = of_ledger(store.journal.last(), store.ledger.head());
        let bytes = Arc::new(AtomicU64::new(piece.len() as u64));
        in_parts(piece, &mut |part| checkpoint.push(part));
        self.walk = Some(Walk {
            checkpoint,
            table: Table::FIRST,
            next: 0,
            conversations: store.ledger.conversations().numbers(),
            people: store.ledger.people().numbers(),
            behind: BTreeSet::new(),
            late: 0,
            bytes,
        });
    }

    fn finish(&mut self, store: &mut Store) {
        if let Some(Walk { checkpoint, bytes, .. }) = self.walk.take() {
            self.bytes = bytes;
            store.journal.log().finish_checkpoint(checkpoint);
        }
    }
}

impl Walk {
    /// Writes rows until the slice is over; whether all are written.
    fn go_on(&mut self, store: &Store, pace: Pace) -> bool {
        let until = Instant::now() + pace.slice;
        loop {
            let is_at_end = self.is_at_end(store);
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

    /// Whether all tables have been gone over. Goes on to the next one if this one has been.
    fn is_at_end(&mut self, store: &Store) -> bool {
        while self.next >= self.end(store) {
            let Some(table) = self.table.next() else { return true };
            (self.table, self.next) = (table, 0);
        }
        false
    }

    /// Where the walk over its table ends.
    fn end(&self, store: &Store) -> usize {
        match self.table {
            Table::Conversations => self.conversations,
            Table::People => self.people,
            Table::Channels => store.channels.numbers(),
            Table::Keys => store.keyspace.numbers(),
        }
    }

    fn write_piece(&mut self, store: &Store, pace: Pace) {
        match self.table {
            Table::Conversations => self.write_rows(store, pace, |number| {
                let number = Number::of(number)?;
                Some((number, store.ledger.conversations().get(number)?))
            }),
            Table::People => self.write_rows(store, pace, |number| {
                let number = Number::of(number)?;
                Some((number, store.ledger.people().get(number)?))
            }),
            Table::Channels => self.write_rows(store, pace, |number| store.channels.at(number)),
            Table::Keys => self.write_rows(store, pace, |number| store.keyspace.at(number)),
        }
    }

    fn write_rows<R: Row>(&mut self, store: &Store, pace: Pace, row: impl Fn(usize) -> Option<R>) {
        let mut rows = Rows::default();
        let end = self.end(store).min(self.next + NUMBERS_A_PIECE_MAX);
        while self.next < end && rows.bytes() < pace.piece_bytes {
            let row = row(self.next);
            self.next += 1;
            match row {
                None => {}
                Some(row) if row.held() <= pace.copied_from => rows.add(&row),
                Some(row) => {
                    self.push_copy(store, self.table, &row);
                    break;
                }
            }
        }
        if !rows.is_empty() {
            self.push(store, rows);
        }
    }

    /// Writes the key that has this number now, if there is one.
    fn write_behind(&mut self, store: &Store, number: usize) {
        if let Some(key) = store.keyspace.at(number) {
            self.push_copy(store, Table::Keys, &key);
        }
    }

    fn push(&mut self, store: &Store, rows: Rows) {
        let piece = rows.into_piece(self.table, store.journal.last());
        self.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        in_parts(piece, &mut |part| self.checkpoint.push(part));
    }

    /// Has a row written as it is now.
    fn push_copy(&mut self, store: &Store, table: Table, row: &impl Row) {
        let (copy, at, bytes) = (row.copied(), store.journal.last(), self.bytes.clone());
        self.checkpoint.push_made(row.weight(), move |push| {
            write_alone(table, at, &copy, |part| {
                bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
                push(part)
            });
        });
    }
}

/// What stands in a table under a number.
trait Row: Serialize {
    /// The same as it is now, whatever becomes of it; it shares what is much.
    type Copy: Serialize + Send + 'static;

    fn copied(&self) -> Self::Copy;

    /// How many things it holds.
    fn held(&self) -> usize;

    /// Bytes that it takes when it is written, roughly.
    fn weight(&self) -> usize;
}

impl Row for &Key {
    type Copy = Key;

    fn copied(&self) -> Key {
        (*self).clone()
    }

    fn held(&self) -> usize {
        self.value.held()
    }

    fn weight(&self) -> usize {
        match &self.value {
            Value::Text(text) => text.as_bytes().len(),
            // An entry takes about half of that, written down.
            value => value.held() * size_of::<(StreamId, Place)>(),
        }
    }
}

impl Row for (Number, &Conversation) {
    type Copy = (Number, Conversation);

    fn copied(&self) -> Self::Copy {
        (self.0, self.1.clone())
    }

    fn held(&self) -> usize {
        self.1.held()
    }

    fn weight(&self) -> usize {
        self.1.held() * size_of::<(Id, Seq)>()
    }
}

/// It is bounded by the ledger's limits.
impl Row for (Number, &Person) {
    type Copy = (Number, Person);

    fn copied(&self) -> Self::Copy {
        (self.0, self.1.clone())
    }

    fn held(&self) -> usize {
        1
    }

    fn weight(&self) -> usize {
        size_of::<Person>()
    }
}

impl Row for &Kept {
    type Copy = Kept;

    fn copied(&self) -> Kept {
        (*self).clone()
    }

    fn held(&self) -> usize {
        Kept::held(self)
    }

    fn weight(&self) -> usize {
        Kept::held(self) * size_of::<Place>()
    }
}

#[cfg(test)]
mod tests;
