//! Strings: what their commands do and answer.

mod number;
mod part;
mod set;

use bytes::Bytes;
use naru_resp::ReplyWriter;

use super::{
    keys::Deadline,
    store::{Store, StoreError},
};
use crate::{
    keyspace::{Gone, Keyspace, WrongType},
    strings::{LongDouble, StringChange, Text},
};

pub(crate) use set::{Existing, Expiry, SetOp};

type Writer<'a> = ReplyWriter<'a, Vec<u8>>;

/// Why a time is none; what the client is told.
pub(crate) struct NoTime(pub(crate) Vec<u8>);

/// What a command on strings asks for.
pub(crate) enum TextOp {
    Get(Bytes),
    GetSeveral(Vec<Bytes>),
    GetAndDelete(Bytes),
    /// And, if there is one, sets when it goes away.
    GetAndExpire {
        key: Bytes,
        expiry: Result<Option<Expiry>, NoTime>,
    },
    Set(SetOp),
    /// Keys and their values; `only_new`: none of them, if one is there already.
    SetSeveral {
        pairs: Vec<(Bytes, Bytes)>,
        only_new: bool,
    },
    Add {
        key: Bytes,
        number: i64,
    },
    /// None: the text is no number.
    AddReal {
        key: Bytes,
        number: Option<LongDouble>,
    },
    Append {
        key: Bytes,
        bytes: Bytes,
    },
    Len(Bytes),
    Range {
        key: Bytes,
        range: (i64, i64),
    },
    Write {
        key: Bytes,
        offset: usize,
        bytes: Bytes,
    },
}

/// Runs a command on strings.
pub(super) fn run(store: &mut Store, op: TextOp, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    match op {
        TextOp::Get(key) => write(store.text(&key)?, writer),
        TextOp::GetSeveral(keys) => {
            writer.array(keys.len());
            // What is no string is as if it were not there.
            keys.iter().for_each(|key| write(store.text(key).unwrap_or_default(), writer));
        }
        TextOp::GetAndDelete(key) => set::get_and_delete(store, key, writer)?,
        TextOp::GetAndExpire { key, expiry } => set::get_and_expire(store, key, expiry, writer)?,
        TextOp::Set(op) => set::set(store, op, writer)?,
        TextOp::SetSeveral { pairs, only_new } => set::set_several(store, pairs, only_new, writer)?,
        TextOp::Add { key, number } => number::add(store, key, number, writer)?,
        TextOp::AddReal { key, number } => number::add_real(store, key, number, writer)?,
        TextOp::Append { key, bytes } => part::append(store, key, bytes, writer)?,
        TextOp::Len(key) => {
            writer.integer(store.text(&key)?.map_or(0, |text| text.as_bytes().len()) as i64);
        }
        TextOp::Range { key, range } => part::range(store, &key, range, writer)?,
        TextOp::Write { key, offset, bytes } => part::write(store, key, offset, bytes, writer)?,
    }
    Ok(())
}

/// Makes a change of a string.
pub(super) fn apply(
    keyspace: &mut Keyspace,
    key: &[u8],
    change: StringChange,
    gone: &mut impl FnMut(Gone),
) -> Result<(), WrongType> {
    match change {
        StringChange::Set { value, expiry } => {
            keyspace.remove(key).into_iter().for_each(|key| gone(Gone::Value(key.value)));
            *keyspace.value_or_new::<Text>(key)? = Text::new(&value);
            keyspace.set_expiry(key, expiry);
        }
        StringChange::Appended { bytes } => {
            let text = keyspace.value_or_new::<Text>(key)?;
            text.write(text.as_bytes().len(), &bytes);
        }
        StringChange::Written { offset, bytes } => {
            keyspace.value_or_new::<Text>(key)?.write(offset as usize, &bytes);
        }
    }
    Ok(())
}

impl Store {
    /// The string under a key, if there is one.
    fn text(&self, key: &[u8]) -> Result<Option<&Text>, WrongType> {
        self.value(key)
    }

    /// When a key goes away by itself.
    fn expiry(&self, key: &[u8]) -> Option<u64> {
        self.key(key).and_then(|key| key.expiry())
    }
}

fn write(text: Option<&Text>, writer: &mut Writer<'_>) {
    match text {
        Some(text) => writer.bulk(text.as_bytes()),
        None => writer.null(),
    }
}
