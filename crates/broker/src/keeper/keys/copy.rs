//! COPY: the changes that make a value anew under another key.

use bytes::Bytes;

use super::{Change, KeyChange, Store, StoreError, Writer};
use crate::{
    keeper::{journal::RECORD_BYTES_MAX, lists},
    keyspace::Value,
    lists::{Element, End, ListChange},
    streams::{StreamChange, StreamId},
    strings::StringChange,
};

pub(super) fn copy(
    store: &mut Store,
    from: &Bytes,
    to: Bytes,
    replace: bool,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(key) = store.key(from) else {
        writer.integer(0);
        return Ok(());
    };
    let is_taken = store.key(&to).is_some();
    if is_taken && !replace {
        writer.integer(0);
        return Ok(());
    }
    store.check_space()?;
    let mut bytes = 0;
    key.value.places(&mut |place| bytes += place.bytes as usize);
    if bytes > RECORD_BYTES_MAX {
        return Err(StoreError::TooLarge { bytes });
    }
    let mut changes = Vec::new();
    if is_taken {
        changes.push(Change::Key(to.clone(), KeyChange::Deleted));
    }
    changes.extend(made_anew(store, &key.value, &to)?);
    if let Some(at) = key.expiry() {
        changes.push(Change::Key(to, KeyChange::Expires(Some(at))));
    }
    store.change(changes)?;
    writer.integer(1);
    Ok(())
}

/// The changes that make a value under a key that is not there.
fn made_anew(store: &Store, value: &Value, to: &Bytes) -> Result<Vec<Change>, StoreError> {
    Ok(match value {
        Value::Text(text) => {
            let value = Bytes::copy_from_slice(text.as_bytes());
            vec![Change::Text(to.clone(), StringChange::Set { value, expiry: None })]
        }
        Value::List(list) => {
            let elements = list.from(0).map(|element| lists::read(&store.journal, element));
            let elements = elements.map(|element| element.map(Element::body));
            let elements = elements.collect::<Result<_, StoreError>>()?;
            vec![Change::List(to.clone(), ListChange::Pushed { end: End::Right, elements })]
        }
        Value::Stream(stream) => {
            let entries = stream.range(StreamId::MIN, StreamId::MAX).map(|(id, place)| {
                let body = store.journal.read(place)?;
                Ok(Change::Stream(to.clone(), StreamChange::Added { id, body: body.into() }))
            });
            let mut changes = entries.collect::<Result<Vec<_>, StoreError>>()?;
            let past = stream.past();
            changes.extend(past.into_iter().map(|change| Change::Stream(to.clone(), change)));
            changes
        }
    })
}
