//! Parts of strings.

use bytes::Bytes;

use super::{Store, StoreError, StringChange, Text, Writer};
use crate::{keeper::change::Change, limits::STRING_BYTES_MAX};

/// Redis's text, where it is 512 MB.
const TOO_LONG: &str = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

pub(super) fn append(
    store: &mut Store,
    key: Bytes,
    bytes: Bytes,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let len = len(store, &key)? + bytes.len();
    if len > STRING_BYTES_MAX {
        writer.error(TOO_LONG);
        return Ok(());
    }
    store.check_space()?;
    store.change(vec![Change::Text(key, StringChange::Appended { bytes })])?;
    writer.integer(len as i64);
    Ok(())
}

pub(super) fn write(
    store: &mut Store,
    key: Bytes,
    offset: usize,
    bytes: Bytes,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let len = len(store, &key)?;
    let end = offset.saturating_add(bytes.len());
    if bytes.is_empty() {
        writer.integer(len as i64);
        return Ok(());
    }
    if end > STRING_BYTES_MAX {
        writer.error(TOO_LONG);
        return Ok(());
    }
    store.check_space()?;
    store.change(vec![Change::Text(key, StringChange::Written { offset: offset as u64, bytes })])?;
    writer.integer(len.max(end) as i64);
    Ok(())
}

pub(super) fn range(
    store: &Store,
    key: &[u8],
    (start, end): (i64, i64),
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let text = store.text(key)?.map_or(&b""[..], Text::as_bytes);
    let len = text.len() as i64;
    let from_end = |index: i64| if index < 0 { len.saturating_add(index).max(0) } else { index };
    let is_backwards = start < 0 && end < 0 && start > end;
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    let range = (!is_backwards && start <= end).then_some(start as usize..=end as usize);
    writer.bulk(range.and_then(|range| text.get(range)).unwrap_or_default());
    Ok(())
}

fn len(store: &Store, key: &[u8]) -> Result<usize, StoreError> {
    Ok(store.text(key)?.map_or(0, |text| text.as_bytes().len()))
}
