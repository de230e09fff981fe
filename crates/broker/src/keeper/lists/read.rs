//! Commands that only look at a list.

use super::{List, NoInteger, Store, StoreError, Writer, clamped, edit::NO_INTEGER, index_of, is, write};

/// What LPOS looks for.
pub(crate) struct Search {
    /// From which match on: 1 is the first, -1 the last.
    pub(crate) rank: i64,
    /// How many matches: all if 0; without, one, which is not answered as an array.
    pub(crate) count: Option<usize>,
    /// How many elements are looked at; all if 0.
    pub(crate) compared_max: usize,
}

pub(super) fn len(store: &Store, key: &[u8], writer: &mut Writer<'_>) -> Result<(), StoreError> {
    writer.integer(store.list(key)?.map_or(0, List::len) as i64);
    Ok(())
}

pub(super) fn range(
    store: &Store,
    key: &[u8],
    range: (i64, i64),
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let list = store.list(key)?;
    let Some((list, (start, stop))) = list.and_then(|list| Some((list, clamped(range, list.len())?))) else {
        writer.array(0);
        return Ok(());
    };
    let count = stop - start + 1;
    writer.array(count);
    list.from(start).take(count).try_for_each(|element| write(&store.journal, element, writer))
}

pub(super) fn index(
    store: &Store,
    key: &[u8],
    index: Result<i64, NoInteger>,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(list) = store.list(key)? else {
        writer.null();
        return Ok(());
    };
    match index.map(|index| index_of(index, list.len()).and_then(|index| list.get(index))) {
        Err(NoInteger) => writer.error(NO_INTEGER),
        Ok(None) => writer.null(),
        Ok(Some(element)) => write(&store.journal, element, writer)?,
    }
    Ok(())
}

pub(super) fn position(
    store: &Store,
    key: &[u8],
    element: &[u8],
    Search { rank, count, compared_max }: Search,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let mut found: Vec<usize> = Vec::new();
    if let Some(list) = store.list(key)? {
        let is_from_end = rank < 0;
        let elements: Box<dyn Iterator<Item = _>> =
            if is_from_end { Box::new(list.reversed()) } else { Box::new(list.from(0)) };
        let most = match count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        // The lowest number cannot be negated, and skips nothing in Redis.
        let mut to_skip = if rank == i64::MIN { 0 } else { rank.unsigned_abs() - 1 };
        for (at, other) in elements.enumerate() {
            if found.len() == most || compared_max > 0 && at == compared_max {
                break;
            }
            if !is(&store.journal, other, element)? {
                continue;
            }
            if to_skip > 0 {
                to_skip -= 1;
            } else {
                found.push(if is_from_end { list.len() - 1 - at } else { at });
            }
        }
    }
    match (count, found.first()) {
        (None, None) => writer.null(),
        (None, Some(at)) => writer.integer(*at as i64),
        (Some(_), _) => {
            writer.array(found.len());
            found.iter().for_each(|at| writer.integer(*at as i64));
        }
    }
    Ok(())
}
