//! Looking at all keys.

use bytes::Bytes;
use naru_fanout::matches;

use super::{Store, Writer};
use crate::keyspace::Key;

/// How many numbers are looked at for each key that is wanted, where keys are few.
const LOOKED_AT_MAX: usize = 10;

/// What SCAN looks for, from a number on.
pub(crate) struct Scan {
    pub(crate) cursor: u64,
    pub(crate) pattern: Option<Bytes>,
    /// How many keys are looked at.
    pub(crate) count: usize,
    /// The name of a kind.
    pub(crate) kind: Option<Bytes>,
}

/// Keys by their numbers, which they keep: what is there from the first call to the last is given.
pub(super) fn scan(store: &Store, scan: &Scan, writer: &mut Writer<'_>) {
    let end = store.keyspace.numbers();
    let start = usize::try_from(scan.cursor).unwrap_or(usize::MAX).min(end);
    let stop = end.min(start.saturating_add(scan.count.saturating_mul(LOOKED_AT_MAX)));
    let mut at = start;
    let mut seen = 0;
    let mut found = Vec::new();
    while at < stop && seen < scan.count {
        if let Some(key) = live(store, at) {
            seen += 1;
            if fits(scan, key) {
                found.push(key);
            }
        }
        at += 1;
    }
    writer.array(2);
    writer.bulk(if at < end { at } else { 0 }.to_string());
    write_names(&found, writer);
}

fn fits(Scan { pattern, kind, .. }: &Scan, key: &Key) -> bool {
    kind.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case(key.value.kind().name().as_bytes()))
        && pattern.as_ref().is_none_or(|pattern| matches(pattern, &key.name))
}

pub(super) fn matching(store: &Store, pattern: &[u8], writer: &mut Writer<'_>) {
    let keys = (0..store.keyspace.numbers()).filter_map(|number| live(store, number));
    let found: Vec<_> = keys.filter(|key| pattern == b"*" || matches(pattern, &key.name)).collect();
    write_names(&found, writer);
}

/// Any key, each about as likely as the others.
pub(super) fn random(store: &Store, writer: &mut Writer<'_>) {
    let numbers = store.keyspace.numbers();
    for _ in 0..100 {
        if numbers > 0
            && let Some(key) = live(store, random_number() % numbers)
        {
            return writer.bulk(&*key.name);
        }
    }
    // Few are left of many.
    let start = if numbers > 0 { random_number() % numbers } else { 0 };
    match (start..numbers).chain(0..start).find_map(|number| live(store, number)) {
        Some(key) => writer.bulk(&*key.name),
        None => writer.null(),
    }
}

fn random_number() -> usize {
    let mut random = [0; 8];
    // Without randomness it is always the same, which is a key too.
    let _ = getrandom::fill(&mut random);
    usize::from_le_bytes(random)
}

fn live(store: &Store, number: usize) -> Option<&Key> {
    store.keyspace.at(number).filter(|key| !key.is_expired(store.now))
}

fn write_names(keys: &[&Key], writer: &mut Writer<'_>) {
    writer.array(keys.len());
    keys.iter().for_each(|key| writer.bulk(&*key.name));
}
