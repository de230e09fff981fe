//! Keys, whatever is under them: what their commands do and answer.

use bytes::Bytes;
use naru_resp::ReplyWriter;

use super::{
    KeyOp,
    change::Change,
    store::{Store, StoreError},
};
use crate::keyspace::{KeyChange, Kind};

/// Runs a command on keys.
pub(super) fn run(
    store: &mut Store,
    op: &KeyOp,
    writer: &mut ReplyWriter<'_, Vec<u8>>,
) -> Result<(), StoreError> {
    match op {
        KeyOp::Delete(keys) => {
            let mut found: Vec<Bytes> = Vec::new();
            for key in keys {
                if store.keyspace.get(key).is_some() && !found.contains(key) {
                    found.push(key.clone());
                }
            }
            let count = found.len();
            store.change(found.into_iter().map(|key| Change::Key(key, KeyChange::Deleted)).collect())?;
            writer.integer(count as i64);
        }
        KeyOp::Exists(keys) => {
            writer.integer(keys.iter().filter(|key| store.keyspace.get(key).is_some()).count() as i64);
        }
        KeyOp::Type(key) => writer.simple(store.keyspace.kind(key).map_or("none", Kind::name)),
    }
    Ok(())
}
