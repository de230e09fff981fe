//! Reading and setting whole strings.

use bytes::Bytes;

use super::{Deadline, NoTime, Store, StoreError, StringChange, Writer, write};
use crate::{
    keeper::{change::Change, keys::ends},
    keyspace::KeyChange,
};

/// What SET and its kin do.
pub(crate) struct SetOp {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) expiry: Expiry,
    pub(crate) only_if: Option<Existing>,
    /// Answers what was there before (GET).
    pub(crate) get: bool,
    /// Answers 1 or 0.
    pub(crate) in_numbers: bool,
    /// The command's name.
    pub(crate) command: &'static str,
}

/// Whether there is such a key already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    There,
    NotThere,
}

/// What becomes of when a key goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Stays,
    Kept,
    Goes(Deadline),
}

pub(super) fn set(store: &mut Store, op: SetOp, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    let expiry = match op.expiry {
        Expiry::Stays => None,
        Expiry::Kept => store.expiry(&op.key),
        Expiry::Goes(deadline) => match deadline.resolve(store.now).and_then(|at| u64::try_from(at).ok()) {
            Some(at) => Some(at),
            None => {
                writer.error(format!("ERR invalid expire time in '{}' command", op.command));
                return Ok(());
            }
        },
    };
    if op.get {
        store.text(&op.key)?;
    }
    let is_there = store.key(&op.key).is_some();
    let does = op.only_if.is_none_or(|existing| is_there == (existing == Existing::There));
    if op.get {
        write(store.text(&op.key)?, writer);
    }
    if does {
        store.check_space()?;
        store.change(vec![Change::Text(op.key, StringChange::Set { value: op.value, expiry })])?;
    }
    match does {
        _ if op.get => {}
        _ if op.in_numbers => writer.integer(i64::from(does)),
        true => writer.simple("OK"),
        false => writer.null(),
    }
    Ok(())
}

pub(super) fn set_several(
    store: &mut Store,
    pairs: Vec<(Bytes, Bytes)>,
    only_new: bool,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    if only_new && pairs.iter().any(|(key, _)| store.key(key).is_some()) {
        writer.integer(0);
        return Ok(());
    }
    store.check_space()?;
    let set = |(key, value)| Change::Text(key, StringChange::Set { value, expiry: None });
    store.change(pairs.into_iter().map(set).collect())?;
    if only_new {
        writer.integer(1);
    } else {
        writer.simple("OK");
    }
    Ok(())
}

pub(super) fn get_and_delete(
    store: &mut Store,
    key: Bytes,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let text = store.text(&key)?;
    let is_there = text.is_some();
    write(text, writer);
    if is_there {
        store.change(vec![Change::Key(key, KeyChange::Deleted)])?;
    }
    Ok(())
}

pub(super) fn get_and_expire(
    store: &mut Store,
    key: Bytes,
    expiry: Result<Option<Expiry>, NoTime>,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(text) = store.text(&key)? else {
        writer.null();
        return Ok(());
    };
    let change = match expiry {
        Err(NoTime(text)) => {
            writer.error(text);
            return Ok(());
        }
        Ok(Some(Expiry::Goes(deadline))) => match deadline.resolve(store.now) {
            Some(at) => Some(ends(at, store.now)),
            None => {
                writer.error("ERR invalid expire time in 'getex' command");
                return Ok(());
            }
        },
        Ok(Some(Expiry::Stays)) if store.expiry(&key).is_some() => Some(KeyChange::Expires(None)),
        Ok(_) => None,
    };
    write(Some(text), writer);
    store.change(change.into_iter().map(|change| Change::Key(key.clone(), change)).collect())
}
