//! Taking from the ends, which may wait.

use std::time::Duration;

use bytes::Bytes;

use super::{List, Outcome, Store, StoreError, Wait, Writer, edit::change, read, write};
use crate::{
    keeper::change::Change,
    keyspace::KeyChange,
    lists::{Element, End, ListChange},
};

/// What a blocked command on lists waits for.
pub(in crate::keeper) enum ListWait {
    /// Something in one of these lists.
    Pop { keys: Vec<Bytes>, end: End, count: Option<usize> },
    /// Something in the first, to be put into the second.
    Move { from: (Bytes, End), to: (Bytes, End) },
}

impl ListWait {
    pub(in crate::keeper) fn keys(&self) -> Vec<Bytes> {
        match self {
            ListWait::Pop { keys, .. } => keys.clone(),
            ListWait::Move { from: (key, _), .. } => vec![key.clone()],
        }
    }

    /// Takes from the list under `key`, one of its keys, which has something now.
    pub(in crate::keeper) fn retry(
        &self,
        store: &mut Store,
        key: &Bytes,
        writer: &mut Writer<'_>,
    ) -> Result<bool, StoreError> {
        match self {
            ListWait::Pop { end, count, .. } => take(store, key, (*end, *count), writer),
            ListWait::Move { from, to } => take_over(store, from, to, writer),
        }
    }

    /// What it gets in a transaction, where nothing waits.
    pub(in crate::keeper) fn write_empty(&self, writer: &mut Writer<'_>) {
        match self {
            ListWait::Pop { .. } => writer.null_array(),
            ListWait::Move { .. } => writer.null(),
        }
    }
}

pub(super) fn pop(
    store: &mut Store,
    key: &Bytes,
    end: End,
    count: Option<usize>,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(list) = store.list(key)? else {
        match count {
            None => writer.null(),
            Some(_) => writer.null_array(),
        }
        return Ok(());
    };
    let popped = count.unwrap_or(1).min(list.len());
    if count.is_some() {
        writer.array(popped);
    }
    write_end(store, list, end, popped, writer)?;
    if popped > 0 {
        change(store, key, ListChange::Popped { end, count: popped as u64 })?;
    }
    Ok(())
}

/// Takes from the first list that has something.
pub(super) fn pop_any(
    store: &mut Store,
    keys: Vec<Bytes>,
    (end, count): (End, Option<usize>),
    block: Option<Option<Duration>>,
    writer: &mut Writer<'_>,
) -> Result<Outcome, StoreError> {
    for key in &keys {
        if take(store, key, (end, count), writer)? {
            return Ok(Outcome::answered());
        }
    }
    match block {
        None => writer.null_array(),
        Some(timeout) => return Ok(Outcome::Blocks(Wait::List(ListWait::Pop { keys, end, count }), timeout)),
    }
    Ok(Outcome::answered())
}

pub(super) fn move_one(
    store: &mut Store,
    (from, to): ((Bytes, End), (Bytes, End)),
    block: Option<Option<Duration>>,
    writer: &mut Writer<'_>,
) -> Result<Outcome, StoreError> {
    if take_over(store, &from, &to, writer)? {
        return Ok(Outcome::answered());
    }
    match block {
        None => writer.null(),
        Some(timeout) => return Ok(Outcome::Blocks(Wait::List(ListWait::Move { from, to }), timeout)),
    }
    Ok(Outcome::answered())
}

/// Takes from a list and writes its key and what that was; false, and nothing is written, if there is no such list.
fn take(
    store: &mut Store,
    key: &Bytes,
    (end, count): (End, Option<usize>),
    writer: &mut Writer<'_>,
) -> Result<bool, StoreError> {
    let Some(list) = store.list(key)? else { return Ok(false) };
    let popped = count.unwrap_or(1).min(list.len());
    writer.array(2);
    writer.bulk(key);
    if count.is_some() {
        writer.array(popped);
    }
    write_end(store, list, end, popped, writer)?;
    change(store, key, ListChange::Popped { end, count: popped as u64 })?;
    Ok(true)
}

/// Takes one element from a list, puts it into another, and writes it; false if there is no such list.
fn take_over(
    store: &mut Store,
    (from, from_end): &(Bytes, End),
    (to, to_end): &(Bytes, End),
    writer: &mut Writer<'_>,
) -> Result<bool, StoreError> {
    let Some(list) = store.list(from)? else { return Ok(false) };
    store.list(to)?;
    let element = match from_end {
        End::Left => list.get(0),
        End::Right => list.get(list.len() - 1),
    };
    let Some(element) = element else { return Ok(false) };
    let element = read(&store.journal, element)?;
    store.check_space()?;
    // Its bytes are recorded again, so that each list can be made anew from its own changes.
    let mut changes = vec![
        Change::List(from.clone(), ListChange::Popped { end: *from_end, count: 1 }),
        Change::List(
            to.clone(),
            ListChange::Pushed { end: *to_end, elements: vec![Element::body(element.clone())] },
        ),
    ];
    // A list of one that is turned is never gone.
    let expiry = store.key(from).and_then(|key| key.expiry()).filter(|_| from == to);
    changes.extend(expiry.map(|at| Change::Key(from.clone(), KeyChange::Expires(Some(at)))));
    store.change(changes)?;
    writer.bulk(element);
    Ok(true)
}

/// Writes so many elements, the outermost first.
fn write_end(
    store: &Store,
    list: &List,
    end: End,
    count: usize,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let elements: Box<dyn Iterator<Item = _>> = match end {
        End::Left => Box::new(list.from(0)),
        End::Right => Box::new(list.reversed()),
    };
    elements.take(count).try_for_each(|element| write(&store.journal, element, writer))
}
