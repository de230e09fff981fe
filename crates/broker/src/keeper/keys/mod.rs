//! Keys, whatever is under them: what their commands do and answer.

mod copy;
mod expire;
mod scan;

use std::collections::HashSet;

use bytes::Bytes;
use naru_resp::ReplyWriter;

use super::{
    change::Change,
    store::{Store, StoreError},
};
use crate::keyspace::{KeyChange, Kind, Value};

pub(super) use expire::ends;
pub(crate) use expire::{Condition, Deadline};
pub(crate) use scan::Scan;

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// What a command on keys asks for.
pub(crate) enum KeyOp {
    Delete(Vec<Bytes>),
    Exists(Vec<Bytes>),
    Type(Bytes),
    /// For the command of this name.
    Expire {
        key: Bytes,
        deadline: Deadline,
        condition: Condition,
        command: &'static str,
    },
    /// When it goes away by itself: as Unix time or from now, in milliseconds or seconds.
    Expiry {
        key: Bytes,
        from_now: bool,
        in_millis: bool,
    },
    Persist(Bytes),
    /// `replace`: whatever is called so already.
    Rename {
        from: Bytes,
        to: Bytes,
        replace: bool,
    },
    Copy {
        from: Bytes,
        to: Bytes,
        replace: bool,
    },
    Scan(Scan),
    Matching(Bytes),
    Count,
    Random,
    Encoding(Bytes),
    /// Answers this number if there is such a key.
    Number(Bytes, i64),
    /// Answers this error if there is such a key.
    Refuse(Bytes, &'static str),
}

/// Runs a command on keys.
pub(super) fn run(store: &mut Store, op: KeyOp, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    match op {
        KeyOp::Delete(keys) => {
            let mut found: Vec<Bytes> = Vec::new();
            let mut seen = HashSet::new();
            for key in keys {
                if store.key(&key).is_some() && seen.insert(key.clone()) {
                    found.push(key);
                }
            }
            let count = found.len();
            store.change(found.into_iter().map(|key| Change::Key(key, KeyChange::Deleted)).collect())?;
            writer.integer(count as i64);
        }
        KeyOp::Exists(keys) => {
            writer.integer(keys.iter().filter(|key| store.key(key).is_some()).count() as i64);
        }
        KeyOp::Type(key) => writer.simple(store.kind(&key).map_or("none", Kind::name)),
        KeyOp::Expire { key, deadline, condition, command } => {
            expire::expire(store, key, deadline, (condition, command), writer)?;
        }
        KeyOp::Expiry { key, from_now, in_millis } => {
            expire::expiry(store, &key, from_now, in_millis, writer);
        }
        KeyOp::Persist(key) => expire::persist(store, key, writer)?,
        KeyOp::Rename { from, to, replace } => rename(store, from, to, replace, writer)?,
        KeyOp::Copy { from, to, replace } => copy::copy(store, &from, to, replace, writer)?,
        KeyOp::Scan(scan) => scan::scan(store, &scan, writer),
        KeyOp::Matching(pattern) => scan::matching(store, &pattern, writer),
        KeyOp::Count => writer.integer(store.keyspace.len() as i64),
        KeyOp::Random => scan::random(store, writer),
        KeyOp::Encoding(key) => match store.key(&key) {
            Some(key) => writer.bulk(encoding(&key.value)),
            None => writer.null(),
        },
        KeyOp::Number(key, number) => match store.key(&key) {
            Some(_) => writer.integer(number),
            None => writer.null(),
        },
        KeyOp::Refuse(key, text) => match store.key(&key) {
            Some(_) => writer.error(text),
            None => writer.null(),
        },
    }
    Ok(())
}

fn rename(
    store: &mut Store,
    from: Bytes,
    to: Bytes,
    replace: bool,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    if store.key(&from).is_none() {
        writer.error("ERR no such key");
        return Ok(());
    }
    let is_taken = !replace && store.key(&to).is_some();
    if from != to && !is_taken {
        store.change(vec![Change::Key(from, KeyChange::Renamed { to })])?;
    }
    if replace {
        writer.simple("OK");
    } else {
        writer.integer(i64::from(!is_taken));
    }
    Ok(())
}

/// What Redis would hold it in.
fn encoding(value: &Value) -> &'static str {
    match value {
        Value::Stream(_) => "stream",
        Value::List(_) => "quicklist",
        Value::Text(text) => match text.as_bytes() {
            bytes if naru_resp::parse_integer(bytes).is_some() => "int",
            bytes if bytes.len() <= 44 => "embstr",
            _ => "raw",
        },
    }
}
