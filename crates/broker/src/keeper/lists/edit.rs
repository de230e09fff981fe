//! Commands that change a list, except those that take from its ends.

use bytes::Bytes;

use super::{NoInteger, Store, StoreError, Writer, clamped, index_of, is};
use crate::{
    keeper::change::Change,
    lists::{Element, End, List, ListChange},
};

/// Redis's texts.
pub(super) const NO_INTEGER: &str = "ERR value is not an integer or out of range";

pub(super) fn change(store: &mut Store, key: &Bytes, change: ListChange) -> Result<(), StoreError> {
    store.change(vec![Change::List(key.clone(), change)])
}

pub(super) fn push(
    store: &mut Store,
    key: &Bytes,
    (end, elements): (End, Vec<Bytes>),
    create: bool,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let before = store.list(key)?.map(List::len);
    if before.is_none() && !create {
        writer.integer(0);
        return Ok(());
    }
    store.check_space()?;
    let len = before.unwrap_or(0) + elements.len();
    change(
        store,
        key,
        ListChange::Pushed { end, elements: elements.into_iter().map(Element::body).collect() },
    )?;
    writer.integer(len as i64);
    Ok(())
}

pub(super) fn remove(
    store: &mut Store,
    key: &Bytes,
    count: i64,
    element: &[u8],
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let mut indexes = Vec::new();
    if let Some(list) = store.list(key)? {
        let most =
            if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
        let numbered = |at: usize| if count < 0 { list.len() - 1 - at } else { at };
        let elements: Box<dyn Iterator<Item = _>> =
            if count < 0 { Box::new(list.reversed()) } else { Box::new(list.from(0)) };
        for (at, other) in elements.enumerate() {
            if indexes.len() == most {
                break;
            }
            if is(&store.journal, other, element)? {
                indexes.push(numbered(at) as u64);
            }
        }
    }
    indexes.sort_unstable();
    let removed = indexes.len();
    if removed > 0 {
        change(store, key, ListChange::Removed { indexes })?;
    }
    writer.integer(removed as i64);
    Ok(())
}

/// Leaves what is in the range.
pub(super) fn trim(
    store: &mut Store,
    key: &Bytes,
    range: (i64, i64),
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    if let Some(list) = store.list(key)? {
        let len = list.len();
        let (left, right) = clamped(range, len).map_or((len, 0), |(start, stop)| (start, len - 1 - stop));
        // As in Redis the key has changed, even if nothing was taken away.
        let popped = [(End::Left, left), (End::Right, right)]
            .map(|(end, count)| Change::List(key.clone(), ListChange::Popped { end, count: count as u64 }));
        store.change(popped.into())?;
    }
    writer.simple("OK");
    Ok(())
}

pub(super) fn insert(
    store: &mut Store,
    key: &Bytes,
    before: bool,
    (pivot, element): (&[u8], Bytes),
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(list) = store.list(key)? else {
        writer.integer(0);
        return Ok(());
    };
    let mut found = None;
    for (at, other) in list.from(0).enumerate() {
        if is(&store.journal, other, pivot)? {
            found = Some(at);
            break;
        }
    }
    let Some(at) = found else {
        writer.integer(-1);
        return Ok(());
    };
    let len = list.len() + 1;
    store.check_space()?;
    let index = if before { at } else { at + 1 } as u64;
    change(store, key, ListChange::Inserted { index, element: Element::body(element) })?;
    writer.integer(len as i64);
    Ok(())
}

pub(super) fn set(
    store: &mut Store,
    key: &Bytes,
    index: Result<i64, NoInteger>,
    element: Bytes,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(list) = store.list(key)? else {
        writer.error("ERR no such key");
        return Ok(());
    };
    let index = match index.map(|index| index_of(index, list.len())) {
        Err(NoInteger) => {
            writer.error(NO_INTEGER);
            return Ok(());
        }
        Ok(None) => {
            writer.error("ERR index out of range");
            return Ok(());
        }
        Ok(Some(index)) => index as u64,
    };
    store.check_space()?;
    change(store, key, ListChange::Set { index, element: Element::body(element) })?;
    writer.simple("OK");
    Ok(())
}
