//! What a change does to the keys: the same when it is made and when it is taken back in.

use crate::{
    keyspace::{KeyChange, Keyspace, Place, WrongType},
    streams::{Stream, StreamChange},
};

use super::change::Change;

/// Makes a change of keys, whose record begins at the address given, and tells where bodies were that are no longer needed.
/// That it fits its key was seen when it was decided on; taken back in, it may be about a key that is known to go away
/// later, and then does what it can.
pub(super) fn apply(
    keyspace: &mut Keyspace,
    change: Change,
    record: u64,
    node_entries_max: usize,
    freed: &mut impl FnMut(Place),
) -> Result<(), WrongType> {
    match change {
        Change::Key(key, KeyChange::Deleted) => {
            if let Some(gone) = keyspace.remove(&key) {
                gone.value.places(freed);
            }
        }
        Change::Key(key, KeyChange::Expires(at)) => keyspace.set_expiry(&key, at),
        Change::Stream(key, StreamChange::Added { id, body }) => {
            keyspace.value_or_new::<Stream>(&key)?.add(id, body.place(record), node_entries_max);
        }
        Change::Stream(key, StreamChange::Moved { id, body }) => {
            let stream = keyspace.value_mut::<Stream>(&key)?;
            stream.and_then(|stream| stream.move_body(id, body.place(record))).into_iter().for_each(freed);
        }
        Change::Stream(key, change) => {
            let stream = if change.creates() {
                Some(keyspace.value_or_new::<Stream>(&key)?)
            } else {
                keyspace.value_mut::<Stream>(&key)?
            };
            if let Some(stream) = stream {
                stream.apply(change, freed);
            }
        }
        Change::Ledger(_) => unreachable!("the ledger applies its own effects"),
    }
    Ok(())
}
