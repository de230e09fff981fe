//! What a change does to the keys: the same when it is made and when it is taken back in.

use crate::{
    keyspace::{Body, Gone, KeyChange, Keyspace, Value, WrongType},
    streams::{Stream, StreamChange},
};

use super::{change::Change, lists, strings};

/// Makes a change of keys, whose record begins at the address given, and tells what is no longer needed.
/// That it fits its key was seen when it was decided on; taken back in, it may be about a key that is known to go away
/// later, and then does what it can.
pub(super) fn apply(
    keyspace: &mut Keyspace,
    change: Change,
    record: u64,
    node_entries_max: usize,
    gone: &mut impl FnMut(Gone),
) -> Result<(), WrongType> {
    match change {
        Change::Key(key, KeyChange::Deleted) => {
            keyspace.remove(&key).into_iter().for_each(|key| gone(Gone::Value(key.value)));
        }
        Change::Key(key, KeyChange::Expires(at)) => keyspace.set_expiry(&key, at),
        Change::Key(from, KeyChange::Renamed { to }) => {
            keyspace.rename(&from, &to).into_iter().for_each(|key| gone(Gone::Value(key.value)));
        }
        Change::Stream(key, StreamChange::Added { id, body: Body::Recorded(spot) }) => {
            keyspace.value_or_new::<Stream>(&key)?.add(id, spot.in_record(record), node_entries_max);
        }
        Change::Stream(key, StreamChange::Moved { id, body: Body::Recorded(spot) }) => {
            let stream = keyspace.value_mut::<Stream>(&key)?;
            stream
                .and_then(|stream| stream.move_body(id, spot.in_record(record)))
                .into_iter()
                .for_each(|place| gone(Gone::Body(place)));
        }
        Change::Stream(key, StreamChange::Trimmed { through }) => {
            if let Some(stream) = keyspace.value_mut::<Stream>(&key)? {
                let cut = stream.cut_through(through, |place| gone(Gone::Body(place)));
                if cut.len() > 0 {
                    gone(Gone::Value(Value::Stream(Box::new(cut))));
                }
            }
        }
        Change::Stream(key, change) => {
            let stream = if change.creates() {
                Some(keyspace.value_or_new::<Stream>(&key)?)
            } else {
                keyspace.value_mut::<Stream>(&key)?
            };
            if let Some(stream) = stream {
                stream.apply(change, |place| gone(Gone::Body(place)));
            }
        }
        Change::List(key, change) => {
            lists::apply(keyspace, &key, change, record, &mut |place| gone(Gone::Body(place)))?
        }
        Change::Text(key, change) => strings::apply(keyspace, &key, change, gone)?,
        Change::Flushed | Change::Ledger(_) | Change::Channel(..) => {
            unreachable!("these are no changes of a key")
        }
    }
    Ok(())
}
