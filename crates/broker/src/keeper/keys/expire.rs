//! When keys go away by themselves.

use bytes::Bytes;

use super::{Change, KeyChange, Store, StoreError, Writer};
use crate::keyspace::Key;

/// When something is to go away, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    After(i64),
    /// Unix time.
    At(i64),
}

/// What must hold of when the key goes away already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// It does not (NX).
    pub(crate) stays: bool,
    /// It does (XX).
    pub(crate) goes: bool,
    /// Before that (GT).
    pub(crate) earlier: bool,
    /// After that, or not at all (LT).
    pub(crate) later: bool,
}

impl Deadline {
    /// As Unix time; none if that is more than a number holds.
    pub(in crate::keeper) fn resolve(self, now: u64) -> Option<i64> {
        match self {
            Deadline::After(millis) => millis.checked_add_unsigned(now),
            Deadline::At(millis) => Some(millis),
        }
    }
}

impl Condition {
    fn holds(self, before: Option<u64>, at: i64) -> bool {
        let at = i128::from(at);
        let before = before.map(i128::from);
        !(self.stays && before.is_some()
            || self.goes && before.is_none()
            || self.earlier && before.is_none_or(|before| at <= before)
            || self.later && before.is_some_and(|before| at >= before))
    }
}

pub(super) fn expire(
    store: &mut Store,
    key: Bytes,
    deadline: Deadline,
    (condition, command): (Condition, &str),
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let Some(at) = deadline.resolve(store.now) else {
        writer.error(format!("ERR invalid expire time in '{command}' command"));
        return Ok(());
    };
    let holds = store.key(&key).is_some_and(|key| condition.holds(key.expiry(), at));
    if holds {
        store.change(vec![Change::Key(key, ends(at, store.now))])?;
    }
    writer.integer(i64::from(holds));
    Ok(())
}

/// What it means that a key ends then.
pub(in crate::keeper) fn ends(at: i64, now: u64) -> KeyChange {
    match u64::try_from(at).ok().filter(|at| *at > now) {
        Some(at) => KeyChange::Expires(Some(at)),
        None => KeyChange::Deleted,
    }
}

pub(super) fn expiry(store: &Store, key: &[u8], from_now: bool, in_millis: bool, writer: &mut Writer<'_>) {
    let millis = match store.key(key).map(Key::expiry) {
        None => return writer.integer(-2),
        Some(None) => return writer.integer(-1),
        Some(Some(at)) if from_now => at.saturating_sub(store.now),
        Some(Some(at)) => at,
    };
    let number = if in_millis { millis } else { millis.saturating_add(500) / 1000 };
    writer.integer(i64::try_from(number).unwrap_or(i64::MAX));
}

pub(super) fn persist(store: &mut Store, key: Bytes, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    let goes = store.key(&key).and_then(Key::expiry).is_some();
    if goes {
        store.change(vec![Change::Key(key, KeyChange::Expires(None))])?;
    }
    writer.integer(i64::from(goes));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_about_when_it_goes_already() {
        let no = Condition::default();
        let conditions = [
            (no, [true, true, true]),
            (Condition { stays: true, ..no }, [true, false, false]),
            (Condition { goes: true, ..no }, [false, true, true]),
            (Condition { earlier: true, ..no }, [false, true, false]),
            (Condition { later: true, ..no }, [true, false, true]),
        ];
        for (condition, wanted) in conditions {
            assert_eq!(
                [None, Some(5), Some(15)].map(|before| condition.holds(before, 10)),
                wanted,
                "{condition:?}"
            );
            assert_eq!(
                condition.holds(Some(10), 10),
                !(condition.earlier || condition.later || condition.stays)
            );
        }
    }
}
