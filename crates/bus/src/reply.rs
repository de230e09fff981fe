//! Reading the broker's replies, which are another process's bytes.

use std::vec;

use redis::Value;

use crate::entry::Entry;
use crate::error::BusError;

/// A number that counts something.
pub(crate) fn number(value: Value) -> Result<u64, BusError> {
    match value {
        Value::Int(number) => u64::try_from(number).map_err(|_| wrong("a number below zero")),
        _ => Err(wrong("no number where one belongs")),
    }
}

/// A text, however the wire carries it.
pub(crate) fn text(value: Value) -> Result<String, BusError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| wrong("a text that is no UTF-8")),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text),
        Value::Okay => Ok("OK".to_owned()),
        _ => Err(wrong("no text where one belongs")),
    }
}

/// The fields of an array, taken one after the other. Further ones are a later version's, and left.
pub(crate) struct Fields(vec::IntoIter<Value>);

impl Fields {
    pub(crate) fn of(value: Value) -> Result<Fields, BusError> {
        match value {
            Value::Array(fields) => Ok(Fields(fields.into_iter())),
            _ => Err(wrong("no array where one belongs")),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, BusError> {
        text(self.next()?)
    }

    pub(crate) fn number(&mut self) -> Result<u64, BusError> {
        number(self.next()?)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, BusError> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(wrong("neither 0 nor 1 where one of them belongs")),
        }
    }

    pub(crate) fn entries(&mut self) -> Result<Vec<Entry>, BusError> {
        let Value::Array(entries) = self.next()? else {
            return Err(wrong("no array of entries where one belongs"));
        };
        entries.into_iter().map(entry).collect()
    }

    fn next(&mut self) -> Result<Value, BusError> {
        self.0.next().ok_or_else(|| wrong("fewer fields than belong to it"))
    }
}

fn entry(value: Value) -> Result<Entry, BusError> {
    let Value::BulkString(json) = value else {
        return Err(wrong("an entry that is no text"));
    };
    serde_json::from_slice(&json).map_err(|error| wrong(&format!("an entry that cannot be read: {error}")))
}

fn wrong(what: &str) -> BusError {
    BusError::Protocol(what.to_owned())
}
