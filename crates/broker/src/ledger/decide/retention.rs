//! Which of a log's oldest entries have to go.

use naru_ledger::{Millis, Seq};

use super::append::Next;
use super::{Bodies, Deciding, Decision, LedgerChange, readable};
use crate::{
    keyspace::Place,
    ledger::{Conversation, conversation::Log},
    numbered::Number,
};

impl<B: Bodies> Deciding<'_, B> {
    /// Has the oldest entries removed while there are too many with the new ones, they are too large or too old; never the
    /// newest. Up to which, if any are.
    pub(super) fn trim(
        &mut self,
        number: Number,
        conversation: Option<&Conversation>,
        new: &[&Next],
    ) -> Decision<Option<Seq>, B> {
        let Some(newest) = new.last() else { return Ok(None) };
        let log = conversation.map(Conversation::log);
        let old = log.map_or(0, Log::len);
        let (too_old, first_at) = match log {
            Some(log) => self.too_old(log, newest.at)?,
            None => (0, None),
        };
        let too_many = (old + new.len()).saturating_sub(self.limits.log_entries_max);
        let surplus = too_many.max(self.too_large(log, new)).max(too_old).min(old + new.len() - 1);
        let through = match (surplus.checked_sub(1), log) {
            (None, _) => None,
            (Some(last), Some(log)) if last < old => log.nth(last).map(|(seq, _)| seq),
            (Some(last), _) => new.get(last - old).map(|next| next.seq),
        };
        if through.is_some() || first_at.is_some() {
            let trimmed = log.map_or(Seq::ZERO, Log::trimmed);
            let through = through.unwrap_or(trimmed);
            self.changes.push(LedgerChange::Trimmed { conversation: number, through, first_at });
        }
        Ok(through)
    }

    /// How many have to go so that the rest is not too large.
    fn too_large(&self, log: Option<&Log>, new: &[&Next]) -> usize {
        let mut bytes = log.map_or(0, Log::bytes) + new.iter().map(|next| next.bytes).sum::<u64>();
        let old = log.into_iter().flat_map(|log| log.up(log.trimmed()));
        let sizes = old.map(|(_, place)| u64::from(place.bytes)).chain(new.iter().map(|next| next.bytes));
        let goes = |size: &u64| {
            let is_too_large = bytes > self.limits.log_bytes_max;
            bytes -= if is_too_large { *size } else { 0 };
            is_too_large
        };
        sizes.take_while(goes).count()
    }

    /// How many are too old beside one that is stored now, and when the first was stored that is not, if that had to be looked up.
    fn too_old(&mut self, log: &Log, now: Millis) -> Decision<(usize, Option<Millis>), B> {
        let age_max = self.limits.log_age_max;
        let is_too_old = |at: Millis| now.since(at) > age_max;
        let Some((before, within)) = log.aged(is_too_old) else { return Ok((0, None)) };
        let place = |n| log.nth(before + n).map(|(_, place)| place);
        let (too_old, first_at) = self.too_old_within(place, within, is_too_old)?;
        Ok((before + too_old, first_at))
    }

    /// How many of the entries that a chunk has are too old, and when the first was stored that is not. What cannot be read
    /// is as old as the next that can: retention fails for none of them, or nothing could be written any more.
    fn too_old_within(
        &mut self,
        place: impl Fn(usize) -> Option<Place>,
        len: usize,
        is_too_old: impl Fn(Millis) -> bool,
    ) -> Decision<(usize, Option<Millis>), B> {
        let (mut low, mut high, mut first_at) = (0, len, None);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut next = None;
            for (n, place) in (middle..high).filter_map(|n| Some((n, place(n)?))) {
                next = readable(self.content(place))?.map(|content| (n, content.at));
                if next.is_some() {
                    break;
                }
            }
            match next {
                Some((n, at)) if is_too_old(at) => low = n + 1,
                Some((_, at)) => (high, first_at) = (middle, Some(at)),
                None => high = middle,
            }
        }
        Ok((low, first_at))
    }
}
