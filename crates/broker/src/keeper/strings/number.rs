//! Counters.

use bytes::Bytes;
use naru_resp::parse_integer;

use super::{LongDouble, Store, StoreError, StringChange, Text, Writer};
use crate::keeper::change::Change;

pub(super) fn add(
    store: &mut Store,
    key: Bytes,
    number: i64,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let before = match store.text(&key)?.map(Text::as_bytes) {
        None => Some(0),
        Some(text) => parse_integer(text),
    };
    let Some(before) = before else {
        writer.error("ERR value is not an integer or out of range");
        return Ok(());
    };
    let Some(sum) = before.checked_add(number) else {
        writer.error("ERR increment or decrement would overflow");
        return Ok(());
    };
    set(store, key, sum.to_string())?;
    writer.integer(sum);
    Ok(())
}

pub(super) fn add_real(
    store: &mut Store,
    key: Bytes,
    number: Option<LongDouble>,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let before = match store.text(&key)?.map(Text::as_bytes) {
        None => LongDouble::parse(b"0"),
        Some(text) => LongDouble::parse(text),
    };
    let (Some(before), Some(number)) = (before, number) else {
        writer.error("ERR value is not a valid float");
        return Ok(());
    };
    let Some(sum) = before.plus(number) else {
        writer.error("ERR increment would produce NaN or Infinity");
        return Ok(());
    };
    let sum = sum.to_string();
    set(store, key, sum.clone())?;
    writer.bulk(sum);
    Ok(())
}

/// It goes away when it was to before.
fn set(store: &mut Store, key: Bytes, value: String) -> Result<(), StoreError> {
    store.check_space()?;
    let expiry = store.expiry(&key);
    store.change(vec![Change::Text(key, StringChange::Set { value: value.into(), expiry })])
}
