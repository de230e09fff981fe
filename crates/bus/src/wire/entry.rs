//! An entry of a log, which travels as JSON.

use naru_ledger::answer::Entry;
use redis::Value;

use crate::error::BusError;
use crate::reply::wrong;

/// Reads an entry.
pub(super) fn read(value: Value) -> Result<Entry, BusError> {
    let Value::BulkString(json) = value else {
        return Err(wrong("an entry that is no text"));
    };
    Entry::from_json(&json).map_err(|error| wrong(&format!("an entry that cannot be read: {error}")))
}
