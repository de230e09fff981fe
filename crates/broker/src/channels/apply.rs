use naru_ledger::channel::{Channel, Version};

use super::{ChannelChange, Channels, Kept, kept::Stream};
use crate::{
    keyspace::{Body, Place},
    numbered::Number,
};

/// A change that does not follow from what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offsets of a channel that do not follow each other")]
pub(crate) struct Misfit;

impl Channels {
    /// Whether a change can have been made here. What is made in vain, of a channel that goes later, can be anything.
    pub(crate) fn check(&self, name: &Channel, change: &ChannelChange) -> Result<(), Misfit> {
        let fits = match change {
            ChannelChange::Published { offset, first, .. } => {
                let top = self.get(name.as_str().as_bytes()).and_then(Kept::standing).map(|(top, ..)| top);
                *first >= 1 && *first <= *offset && top.is_none_or(|top| top + 1 == *offset)
            }
            ChannelChange::Begun { top, .. } => *top < u64::MAX / 2,
            _ => true,
        };
        if fits { Ok(()) } else { Err(Misfit) }
    }

    /// Makes a change, whose record begins at the address given, and tells which bodies are no longer needed.
    pub(crate) fn apply(
        &mut self,
        name: &Channel,
        change: ChannelChange,
        record: u64,
        gone: &mut dyn FnMut(Place),
    ) {
        let is_made = matches!(change, ChannelChange::Begun { .. } | ChannelChange::Noted { .. });
        let number = match self.slab.find(name.as_str().as_bytes()) {
            Some(number) => number,
            None if is_made => self.slab.insert(Kept::new(name.clone())),
            None => return,
        };
        let is_passed = matches!(change, ChannelChange::Passed { .. });
        let Some(kept) = self.slab.get_mut(number) else { return };
        let (before, sooner) = (kept.size(), of_once(&change));
        make(kept, change, record, gone);
        let (after, is_empty) = (kept.size(), kept.is_empty());
        self.size.remove(before);
        self.size.add(after);
        if is_empty {
            self.remove(name.as_str().as_bytes());
        } else if is_passed {
            self.look_at(number, true);
        } else {
            self.look_at(number, false);
            self.look_by(number, sooner);
        }
    }

    /// The channel is looked at no later than this.
    fn look_by(&mut self, number: Number, at: u64) {
        let Some(kept) = self.slab.get_mut(number).filter(|kept| at < kept.looked_at) else { return };
        self.due.remove(&(kept.looked_at, number));
        kept.looked_at = at;
        self.due.insert((at, number));
    }
}

/// When what a change notes is to be forgotten.
fn of_once(change: &ChannelChange) -> u64 {
    match change {
        ChannelChange::Noted { first, .. } => first.forgotten_at(),
        _ => u64::MAX,
    }
}

fn make(kept: &mut Kept, change: ChannelChange, record: u64, gone: &mut dyn FnMut(Place)) {
    match change {
        ChannelChange::Begun { epoch, generation, top } => {
            if let Some(mut before) = kept.stream.replace(Stream::new(epoch, generation, top)) {
                before.cut_before(u64::MAX, gone);
            }
        }
        ChannelChange::Noted { key, first } => drop(kept.once.insert(key, first)),
        ChannelChange::Passed { at } => pass(kept, at, gone),
        change => {
            if let Some(stream) = &mut kept.stream {
                make_in(stream, change, record, gone);
            }
        }
    }
}

fn make_in(stream: &mut Stream, change: ChannelChange, record: u64, gone: &mut dyn FnMut(Place)) {
    match change {
        ChannelChange::Published {
            offset,
            body: Body::Recorded(spot),
            first,
            kept_until,
            remembered_until,
        } => {
            if offset != stream.top + 1 {
                // What is in between is lost, and so is what is before it: what is kept has no gap.
                stream.cut_before(u64::MAX, gone);
            }
            stream.top = offset;
            stream.push(spot.in_record(record));
            stream.cut_before(first, gone);
            stream.kept_until = kept_until;
            stream.remembered_until = remembered_until;
        }
        ChannelChange::Used { remembered_until } => stream.remembered_until = remembered_until,
        ChannelChange::Moved { offset, body: Body::Recorded(spot) } => {
            let at = offset.checked_sub(stream.first()).and_then(|at| usize::try_from(at).ok());
            if let Some(place) = at.and_then(|at| stream.kept.get_mut(at)) {
                let moved = spot.in_record(record);
                stream.bytes = stream.bytes - u64::from(place.bytes) + u64::from(moved.bytes);
                gone(std::mem::replace(place, moved));
            }
        }
        ChannelChange::Versioned { number, epoch } => {
            stream.version = Some(Box::new(Version { number, epoch: epoch.into_string() }));
        }
        ChannelChange::Cleared { through } => stream.cut_before(through.saturating_add(1), gone),
        // The others are about more than that, or without a record.
        _ => {}
    }
}

fn pass(kept: &mut Kept, at: u64, gone: &mut dyn FnMut(Place)) {
    kept.once.retain(|_, first| at < first.until);
    let Some(stream) = &mut kept.stream else { return };
    if at >= stream.kept_until || at >= stream.remembered_until {
        stream.cut_before(u64::MAX, gone);
    }
    if at >= stream.remembered_until {
        kept.stream = None;
    }
}
