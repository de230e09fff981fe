//! Lists: what their commands do and answer.

mod apply;
mod edit;
mod pop;
mod read;

use std::time::Duration;

use bytes::Bytes;
use naru_resp::ReplyWriter;

use super::{
    blocked::Wait,
    journal::Journal,
    store::{Store, StoreError},
    turn::Outcome,
};
use crate::lists::{Element, End, List};

pub(super) use apply::apply;
pub(super) use pop::ListWait;
pub(crate) use read::Search;

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// Redis's text for a number that is none.
#[derive(Clone, Copy)]
pub(crate) struct NoInteger;

/// What a command on lists asks for.
pub(crate) enum ListOp {
    /// `create`: also if there is no such list.
    Push {
        key: Bytes,
        end: End,
        elements: Vec<Bytes>,
        create: bool,
    },
    /// Without a count one, which is not answered as an array.
    Pop {
        key: Bytes,
        end: End,
        count: Option<usize>,
    },
    /// Of the first list that has something. `count`: so many at most, answered as an array. `block`: wait if there is
    /// nothing; for ever if it holds no time.
    PopAny {
        keys: Vec<Bytes>,
        end: End,
        count: Option<usize>,
        block: Option<Option<Duration>>,
    },
    Move {
        from: (Bytes, End),
        to: (Bytes, End),
        block: Option<Option<Duration>>,
    },
    Len {
        key: Bytes,
    },
    Range {
        key: Bytes,
        range: (i64, i64),
    },
    Index {
        key: Bytes,
        index: Result<i64, NoInteger>,
    },
    Position {
        key: Bytes,
        element: Bytes,
        search: Search,
    },
    /// Of those that are equal to `element` so many at most: from the left, from the right if negative, all if 0.
    Remove {
        key: Bytes,
        count: i64,
        element: Bytes,
    },
    Trim {
        key: Bytes,
        range: (i64, i64),
    },
    Insert {
        key: Bytes,
        before: bool,
        pivot: Bytes,
        element: Bytes,
    },
    Set {
        key: Bytes,
        index: Result<i64, NoInteger>,
        element: Bytes,
    },
}

impl ListOp {
    /// Whether its answer may take as long as it likes.
    pub(super) fn blocks(&self) -> bool {
        matches!(self, ListOp::PopAny { block: Some(_), .. } | ListOp::Move { block: Some(_), .. })
    }
}

/// Runs a command on lists.
pub(super) fn run(store: &mut Store, op: ListOp, writer: &mut Writer<'_>) -> Result<Outcome, StoreError> {
    match op {
        ListOp::Push { key, end, elements, create } => {
            edit::push(store, &key, (end, elements), create, writer)?
        }
        ListOp::Pop { key, end, count } => pop::pop(store, &key, end, count, writer)?,
        ListOp::PopAny { keys, end, count, block } => {
            return pop::pop_any(store, keys, (end, count), block, writer);
        }
        ListOp::Move { from, to, block } => return pop::move_one(store, (from, to), block, writer),
        ListOp::Len { key } => read::len(store, &key, writer)?,
        ListOp::Range { key, range } => read::range(store, &key, range, writer)?,
        ListOp::Index { key, index } => read::index(store, &key, index, writer)?,
        ListOp::Position { key, element, search } => {
            read::position(store, &key, &element, search, writer)?;
        }
        ListOp::Remove { key, count, element } => edit::remove(store, &key, count, &element, writer)?,
        ListOp::Trim { key, range } => edit::trim(store, &key, range, writer)?,
        ListOp::Insert { key, before, pivot, element } => {
            edit::insert(store, &key, before, (&pivot, element), writer)?;
        }
        ListOp::Set { key, index, element } => edit::set(store, &key, index, element, writer)?,
    }
    Ok(Outcome::answered())
}

impl Store {
    /// The list under a key, if there is one.
    fn list(&self, key: &[u8]) -> Result<Option<&List>, StoreError> {
        Ok(self.value(key)?)
    }
}

fn write(journal: &Journal, element: Element, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    match (element.as_inline(), element.place()) {
        (Some(text), _) => writer.bulk(text),
        (None, Some(place)) => writer.bulk(journal.read(place)?),
        (None, None) => unreachable!("an element is kept with its list or has a place"),
    }
    Ok(())
}

/// An element's bytes.
pub(super) fn read(journal: &Journal, element: Element) -> Result<Bytes, StoreError> {
    match (element.as_inline(), element.place()) {
        (Some(text), _) => Ok(Bytes::copy_from_slice(text)),
        (None, Some(place)) => journal.read(place),
        (None, None) => unreachable!("an element is kept with its list or has a place"),
    }
}

/// Whether an element is `wanted`. The body is read only if it is as long.
fn is(journal: &Journal, element: Element, wanted: &[u8]) -> Result<bool, StoreError> {
    if element.len() != wanted.len() {
        return Ok(false);
    }
    match (element.as_inline(), element.place()) {
        (None, Some(place)) => Ok(journal.read(place)? == wanted),
        (text, _) => Ok(text == Some(wanted)),
    }
}

/// The indexes that `start` and `stop` mean, the last included; none if nothing is there. Negative ones count from the
/// end.
fn clamped((start, stop): (i64, i64), len: usize) -> Option<(usize, usize)> {
    let len = len as i64;
    let from_end = |index: i64| if index < 0 { len.saturating_add(index) } else { index };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len - 1));
    (start <= stop).then_some((start as usize, stop as usize))
}

/// The index that a number means; none if it is outside.
fn index_of(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}
