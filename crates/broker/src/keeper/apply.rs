//! What a change does to the keys: the same when it is made and when it is taken back in.

use crate::{
    keyspace::{Body, KeyChange, Keyspace, Place, WrongType},
    streams::{Stream, StreamChange},
};

use super::{change::Change, lists, strings};

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
        Change::Key(from, KeyChange::Renamed { to }) => {
            if let Some(gone) = keyspace.rename(&from, &to) {
                gone.value.places(freed);
            }
        }
        Change::Stream(key, StreamChange::Added { id, body: Body::Recorded(spot) }) => {
            keyspace.value_or_new::<Stream>(&key)?.add(id, spot.in_record(record), node_entries_max);
        }
        Change::Stream(key, StreamChange::Moved { id, body: Body::Recorded(spot) }) => {
            let stream = keyspace.value_mut::<Stream>(&key)?;
            stream
                .and_then(|stream| stream.move_body(id, spot.in_record(record)))
                .into_iter()
                .for_each(freed);
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
        Change::List(key, change) => lists::apply(keyspace, &key, change, record, freed)?,
        Change::Text(key, change) => strings::apply(keyspace, &key, change, freed)?,
        Change::Flushed | Change::Ledger(_) => unreachable!("these are no changes of a key"),
    }
    Ok(())
}
