use std::time::Duration;

use naru_ledger::channel::{
    Channel, History, Once, Op, Publish, Refused, StreamPosition, Version, read_meta_ttl, remembered_for,
};

use super::{Bounds, ChannelChange, Channels, EpochNumber, First, Kept, kept::Stream};
use crate::keyspace::Place;

/// When something is asked, and what it is decided by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Unix milliseconds.
    pub(crate) now: u64,
    /// That of the store.
    pub(crate) generation: u32,
    pub(crate) bounds: Bounds,
    /// For a channel that begins an epoch.
    pub(crate) epoch: EpochNumber,
}

/// What an operation comes to.
pub(crate) struct Decided {
    pub(crate) changes: Vec<ChannelChange>,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    /// It is to be published, with this position.
    Publish(Option<StreamPosition>),
    /// It was, with this one.
    Repeat(Option<StreamPosition>),
    /// What is kept: bodies at these places.
    Page {
        top: StreamPosition,
        publications: Vec<(u64, Place)>,
    },
    Ok,
}

/// A channel as it is at a moment, and what changes by then.
struct Now<'a> {
    kept: Option<&'a Kept>,
    /// None where it is not remembered any more, or of an older generation.
    stream: Option<&'a Stream>,
    changes: Vec<ChannelChange>,
    moment: Moment,
}

impl Channels {
    /// What an operation on what is kept comes to; of one about who is present, nothing.
    pub(crate) fn decide(&self, op: &Op, moment: Moment) -> Result<Decided, Refused> {
        match op {
            Op::Publish(publish) => self.publish(publish, moment),
            Op::History(history) => self.history(history, moment),
            Op::Remove { channel } => {
                let mut at = self.now(channel, moment);
                if let Some(stream) = at.stream.filter(|stream| !stream.kept.is_empty()) {
                    at.changes.push(ChannelChange::Cleared { through: stream.top });
                }
                Ok(Decided { changes: at.changes, outcome: Outcome::Ok })
            }
            Op::Enter(_) | Op::Leave(_) | Op::Presence { .. } | Op::Stats { .. } => {
                Ok(Decided { changes: Vec::new(), outcome: Outcome::Ok })
            }
        }
    }

    fn publish(&self, publish: &Publish, moment: Moment) -> Result<Decided, Refused> {
        let Publish { channel, payload, keep, once, version } = publish;
        let mut at = self.now(channel, moment);
        if let Some(first) = once.as_ref().and_then(|once| at.first(&once.key)) {
            let position = first.position.map(|(offset, epoch)| epoch.position(offset));
            return Ok(Decided { changes: Vec::new(), outcome: Outcome::Repeat(position) });
        }
        if keep.size == 0 && once.is_none() {
            return Ok(Decided { changes: Vec::new(), outcome: Outcome::Publish(None) });
        }
        if keep.size > 0 && version.as_ref().is_some_and(|version| at.is_behind(version)) {
            let (top, epoch) = at.begin();
            let position = Some(epoch.position(top));
            return Ok(Decided { changes: at.only_used(keep.meta_ttl), outcome: Outcome::Repeat(position) });
        }
        self.make_room(&at, once.as_ref())?;
        let mut position = None;
        if keep.size > 0 {
            let (top, epoch) = at.begin();
            let (offset, bytes) = (top + 1, payload.len() as u64);
            let bytes_max = moment.bounds.bytes_max;
            let first = at.first_beside(u64::from(keep.size) - 1, bytes_max.checked_sub(bytes));
            at.changes.push(ChannelChange::Published {
                offset,
                body: payload.clone().into(),
                first,
                kept_until: after(moment.now, keep.ttl),
                remembered_until: at.remembered_until(keep.meta_ttl),
            });
            if let Some(Version { number, epoch }) = version {
                let epoch = epoch.as_str().into();
                at.changes.push(ChannelChange::Versioned { number: *number, epoch });
            }
            position = Some((offset, epoch));
        }
        if let Some(Once { key, window }) = once {
            let first = First { until: after(moment.now, *window), position };
            at.changes.push(ChannelChange::Noted { key: key.as_str().into(), first });
        }
        let position = position.map(|(offset, epoch)| epoch.position(offset));
        Ok(Decided { changes: at.changes, outcome: Outcome::Publish(position) })
    }

    fn history(&self, history: &History, moment: Moment) -> Result<Decided, Refused> {
        let History { channel, meta_ttl, since, limit, bytes, reverse } = history;
        let mut at = self.now(channel, moment);
        self.make_room(&at, None)?;
        let (top, epoch) = at.begin();
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        let bytes_max = bytes.unwrap_or(u64::MAX);
        let publications: Vec<(u64, Place)> = if *reverse {
            let before = since.unwrap_or(u64::MAX);
            let before = at.publications(0).rev().skip_while(|(offset, _)| *offset >= before);
            within(before.take(limit), bytes_max).collect()
        } else {
            let from = since.map_or(0, |since| since.saturating_add(1));
            within(at.publications(from).take(limit), bytes_max).collect()
        };
        let top = epoch.position(top);
        let changes = at.only_used(read_meta_ttl(*meta_ttl, top.offset));
        Ok(Decided { changes, outcome: Outcome::Page { top, publications } })
    }

    fn now(&self, channel: &Channel, moment: Moment) -> Now<'_> {
        let kept = self.get(channel.as_str().as_bytes());
        let stream = kept.and_then(|kept| kept.stream.as_ref());
        let is_remembered =
            |stream: &&Stream| moment.now < stream.remembered_until && moment.generation <= stream.generation;
        let is_over = kept.is_some_and(|kept| kept.looked_at <= moment.now && kept.is_over(moment.now));
        let changes = is_over.then_some(ChannelChange::Passed { at: moment.now }).into_iter().collect();
        Now { kept, stream: stream.filter(is_remembered), changes, moment }
    }

    /// Refuses what there is no room for.
    fn make_room(&self, at: &Now<'_>, once: Option<&Once>) -> Result<(), Refused> {
        let Bounds { channels_max, once_max, .. } = at.moment.bounds;
        if at.kept.is_none() && self.slab.len() as u64 >= channels_max {
            let parameter = "channel-count-max";
            return Err(Refused::Full { what: "channels", most: channels_max, parameter });
        }
        if once.is_some() && at.kept.map_or(0, |kept| kept.once.len() as u64) >= once_max {
            let (what, parameter) = ("keys of ONCE in a channel", "channel-once-max");
            return Err(Refused::Full { what, most: once_max, parameter });
        }
        Ok(())
    }
}

impl Now<'_> {
    /// The first answer to what was published once, as long as it is recognised.
    fn first(&self, key: &str) -> Option<First> {
        let first = self.kept?.once.get(key)?;
        (self.moment.now < first.until).then_some(*first)
    }

    /// Where the channel stands, where it stood or where it now begins to.
    fn begin(&mut self) -> (u64, EpochNumber) {
        match self.stream {
            Some(stream) => (stream.top, stream.epoch),
            None => {
                let Moment { epoch, generation, .. } = self.moment;
                self.changes.push(ChannelChange::Begun { epoch, generation, top: 0 });
                (0, epoch)
            }
        }
    }

    /// Up to when that is remembered when it is used now. Most often it is for long enough already.
    fn remembered_until(&self, meta_ttl: Duration) -> u64 {
        let known = self.stream.map_or(0, |stream| stream.remembered_until);
        let now = self.moment.now;
        if known < after(now, meta_ttl) { after(now, remembered_for(meta_ttl)) } else { known }
    }

    /// Whether something as new as this was the last with a version.
    fn is_behind(&self, version: &Version) -> bool {
        let last = self.stream.and_then(|stream| stream.version.as_deref());
        last.is_some_and(|last| version.is_behind(last))
    }

    /// What changes when nothing but that is that it is used now.
    fn only_used(mut self, meta_ttl: Duration) -> Vec<ChannelChange> {
        let remembered_until = self.remembered_until(meta_ttl);
        if self.stream.is_some_and(|stream| stream.remembered_until == remembered_until) {
            // Nothing is written for who only reads.
            return Vec::new();
        }
        self.changes.push(ChannelChange::Used { remembered_until });
        self.changes
    }

    /// From which offset on what is kept stays beside one that comes, where it is so many and has so many bytes at most; none: it
    /// is alone. The oldest make room, and no others are looked at.
    fn first_beside(&self, count_max: u64, bytes_max: Option<u64>) -> u64 {
        let now = self.moment.now;
        let Some(stream) = self.stream else { return 1 };
        let behind = stream.top + 1;
        let (Some(bytes_max), true) = (bytes_max, now < stream.kept_until) else { return behind };
        let mut left = stream.bytes;
        let mut first = stream.first();
        for place in &stream.kept {
            if behind - first <= count_max && left <= bytes_max {
                break;
            }
            left -= u64::from(place.bytes);
            first += 1;
        }
        first
    }

    /// What is kept from this offset on.
    fn publications(&self, from: u64) -> impl DoubleEndedIterator<Item = (u64, Place)> + use<'_> {
        let now = self.moment.now;
        let stream = self.stream.filter(|stream| now < stream.kept_until);
        stream.into_iter().flat_map(move |stream| stream.from(from))
    }
}

/// The first, and what fits beside it.
fn within(
    publications: impl Iterator<Item = (u64, Place)>,
    bytes_max: u64,
) -> impl Iterator<Item = (u64, Place)> {
    let mut sum = 0;
    publications.enumerate().map_while(move |(number, publication)| {
        sum += u64::from(publication.1.bytes);
        (number == 0 || sum <= bytes_max).then_some(publication)
    })
}

fn after(now: u64, duration: Duration) -> u64 {
    now.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
