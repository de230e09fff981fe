//! Channels that keep their last publications, and who is present in them: pure. What is asked is decided on here
//! ([`Channels::decide`]); what that changes is made by [`Channels::apply`], the same when it is made and when it is taken back in. They
//! stand beside the key space as the ledger does: no command about keys sees them, and FLUSHALL leaves them alone.
//!
//! A publication's payload is in the log, by its place. Offsets of what is kept follow each other without a gap, so only
//! that of the last is noted. Time is in what is recorded ([`ChannelChange::Passed`]): what a start takes in does not depend on
//! when it does. Who is [`Present`] is recorded nowhere.

mod apply;
mod bounds;
mod change;
mod decide;
mod kept;
mod present;
mod publication;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use apply::Misfit;
pub(crate) use bounds::{Bounds, ChannelBounds};
pub(crate) use change::{ChannelChange, First};
pub(crate) use decide::{Decided, Moment, Outcome};
pub(crate) use kept::{EpochNumber, Kept, Unversioned};
pub(crate) use present::Present;
pub(crate) use publication::Publication;

use crate::numbered::{Number, Slab};
use kept::Size;

/// All channels of which anything is remembered.
#[derive(Default)]
pub(crate) struct Channels {
    slab: Slab<Kept>,
    /// When each is looked at next, in Unix milliseconds: something of it may be over then.
    due: BTreeSet<(u64, Number)>,
    size: Size,
}

/// How much there is of what is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChannelTotals {
    pub(crate) channels: u64,
    pub(crate) publications: u64,
    /// Of their payloads.
    pub(crate) bytes: u64,
    pub(crate) once: u64,
    pub(crate) present: u64,
}

impl Channels {
    /// One more than the highest number a channel has, or had: for those who walk through them.
    pub(crate) fn numbers(&self) -> usize {
        self.slab.numbers()
    }

    pub(crate) fn at(&self, number: usize) -> Option<&Kept> {
        self.slab.get(Number::of(number)?)
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Kept> {
        self.slab.get(self.slab.find(name)?)
    }

    pub(crate) fn number(&self, name: &[u8]) -> Option<usize> {
        self.slab.find(name).map(Number::index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Kept> {
        (0..self.numbers()).filter_map(|number| self.at(number))
    }

    pub(crate) fn totals(&self) -> ChannelTotals {
        let Size { publications, bytes, once } = self.size;
        ChannelTotals { channels: self.slab.len() as u64, publications, bytes, once, present: 0 }
    }

    /// When something may be over next, in Unix milliseconds.
    pub(crate) fn next_over(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The names of some of which something is over at this moment. Of the others that were to be looked at it is noted when
    /// to look again.
    pub(crate) fn over(&mut self, now: u64, count_max: usize) -> Vec<naru_ledger::channel::Channel> {
        let due: Vec<Number> = self
            .due
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(count_max)
            .map(|(_, number)| *number)
            .collect();
        let mut over = Vec::new();
        for number in due {
            match self.slab.get(number) {
                Some(kept) if kept.is_over(now) => over.push(kept.channel().clone()),
                _ => self.look_at(number, true),
            }
        }
        over
    }

    /// Notes when the channel of this number is to be looked at: exactly, or if that is sooner than it is anyway.
    fn look_at(&mut self, number: Number, exactly: bool) {
        let Some(kept) = self.slab.get_mut(number) else { return };
        let at = kept.next_over(exactly);
        if at < kept.looked_at || exactly {
            self.due.remove(&(kept.looked_at, number));
            kept.looked_at = at;
            self.due.insert((at, number));
        }
    }

    /// Puts back a channel as it was, in place of the one of its name; its number.
    pub(crate) fn restore(&mut self, mut kept: Kept) -> usize {
        let name = kept.channel().clone();
        self.remove(name.as_str().as_bytes());
        kept.count();
        self.size.add(kept.size());
        let number = self.slab.insert(kept);
        self.look_at(number, true);
        number.index()
    }

    fn remove(&mut self, name: &[u8]) {
        let Some(number) = self.slab.find(name) else { return };
        if let Some(kept) = self.slab.remove(name) {
            self.due.remove(&(kept.looked_at, number));
            self.size.remove(kept.size());
        }
    }
}
