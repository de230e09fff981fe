//! XCLAIM and XAUTOCLAIM: what is pending for one consumer becomes another's.

use bytes::Bytes;

use super::{
    BadArgument, Claim, ClaimNext, Delivered, Store, StoreError, StreamError, Writer, entries::write_entry,
    group, groups::change,
};
use crate::{
    keeper::change::Change,
    keyspace::Place,
    streams::{Assigned, GroupChange, Pending, Progress, StreamId},
};

/// How many pending entries XAUTOCLAIM looks at for each that it may claim, as in Redis.
const LOOKS_A_CLAIM: usize = 10;

/// How many entries XAUTOCLAIM takes to claim: Redis keeps 16 bytes for each, and no process has room for more.
const CLAIM_COUNT_MAX: usize = (1 << 47) / 16;

/// What a claim does.
#[derive(Default)]
struct Claimed {
    entries: Vec<(Assigned, Place)>,
    /// Pending entries that are no longer there.
    gone: Vec<StreamId>,
}

/// The key, the group, and the consumer that gets what is claimed.
type Claimer<'a> = (&'a Bytes, &'a Bytes, &'a Bytes);

pub(super) fn claim(
    store: &mut Store,
    claimer: Claimer<'_>,
    claim: Result<Claim, BadArgument>,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let (stream, group) = group(store, claimer.0, claimer.1)?;
    let claim = claim.map_err(StreamError::from)?;
    let now = store.now;
    let at = delivered_at(claim.delivered, now);
    let mut claimed = Claimed::default();
    for id in claim.ids {
        let pending = group.pending(id).map(|(pending, _)| pending);
        let before = claimed.entries.iter().rev().find(|(entry, _)| entry.id == id).map(|(entry, _)| *entry);
        let Some(place) = stream.get(id) else {
            if pending.is_some() && !claimed.gone.contains(&id) {
                claimed.gone.push(id);
            }
            continue;
        };
        let count = match (before, pending) {
            // An id may be named twice.
            (Some(before), _) if is_idle(before.at, claim.idle_min, now) => before.count,
            (None, Some(pending)) if is_idle(pending.at, claim.idle_min, now) => pending.count,
            // Redis counts making it as a delivery.
            (None, None) if claim.force => 1,
            _ => continue,
        };
        let more = u32::from(!claim.just_ids);
        let count = claim.count.unwrap_or(count.saturating_add(more));
        claimed.entries.push((Assigned { id, at, count }, place));
    }
    let mut changes = claimed.changes(claimer, now);
    let progress = group.progress();
    if claim.last > progress.last {
        let progress = Progress { last: claim.last, ..progress };
        changes.insert(0, change(claimer.0, claimer.1, GroupChange::Moved(progress)));
    }
    claimed.write(store, claim.just_ids, writer)?;
    store.change(changes)
}

pub(super) fn claim_next(
    store: &mut Store,
    claimer: Claimer<'_>,
    claim: ClaimNext,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    let (stream, group) = group(store, claimer.0, claimer.1)?;
    if claim.count >= CLAIM_COUNT_MAX {
        return Err(StreamError::TooManyToClaim.into());
    }
    let now = store.now;
    let mut claimed = Claimed::default();
    let mut pending = group.pending_from(claim.start, StreamId::MAX);
    let mut looks = claim.count.saturating_mul(LOOKS_A_CLAIM);
    while looks > 0 && claimed.entries.len() + claimed.gone.len() < claim.count {
        let Some((id, Pending { at, count, .. }, _)) = pending.next() else { break };
        looks -= 1;
        match stream.get(id) {
            None => claimed.gone.push(id),
            Some(place) if is_idle(at, claim.idle_min, now) => {
                let count = count.saturating_add(u32::from(!claim.just_ids));
                claimed.entries.push((Assigned { id, at: now, count }, place));
            }
            Some(_) => {}
        }
    }
    let next = pending.next().map_or(StreamId::MIN, |(id, ..)| id);
    drop(pending);
    let changes = claimed.changes(claimer, now);
    writer.array(3);
    writer.bulk(next.text());
    claimed.write(store, claim.just_ids, writer)?;
    writer.array(claimed.gone.len());
    claimed.gone.iter().for_each(|id| writer.bulk(id.text()));
    store.change(changes)
}

fn is_idle(delivered_at: u64, idle_min: u64, now: u64) -> bool {
    idle_min == 0 || now as i64 - delivered_at as i64 >= i64::try_from(idle_min).unwrap_or(i64::MAX)
}

/// A time that makes no sense, such as one to come, counts as now.
fn delivered_at(delivered: Delivered, now: u64) -> u64 {
    let at = match delivered {
        Delivered::Now => return now,
        Delivered::Ago(millis) => (now as i64).wrapping_sub(millis),
        Delivered::At(at) => at,
    };
    u64::try_from(at).ok().filter(|at| *at <= now).unwrap_or(now)
}

impl Claimed {
    /// Whoever claims is a consumer from then on, even if there is nothing to claim.
    fn changes(&self, (key, group, consumer): Claimer<'_>, now: u64) -> Vec<Change> {
        let entries = self.entries.iter().map(|(entry, _)| *entry).collect();
        let consumer = consumer.clone();
        let mut changes =
            vec![change(key, group, GroupChange::Assigned { consumer, at: now, entries, is_claim: true })];
        if !self.gone.is_empty() {
            changes.push(change(key, group, GroupChange::Settled { ids: self.gone.clone() }));
        }
        changes
    }

    fn write(&self, store: &Store, just_ids: bool, writer: &mut Writer<'_>) -> Result<(), StoreError> {
        writer.array(self.entries.len());
        for (entry, place) in &self.entries {
            if just_ids {
                writer.bulk(entry.id.text());
            } else {
                write_entry(&store.journal, (entry.id, *place), writer)?;
            }
        }
        Ok(())
    }
}
