use std::collections::{BTreeMap, VecDeque};

use naru_ledger::{
    Epoch,
    channel::{Channel, StreamPosition, Version},
};
use serde::{Deserialize, Serialize};

use super::First;
use crate::{keyspace::Place, numbered::Named};

/// What is remembered of a channel. The order of the fields is the format of checkpoints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    name: Channel,
    pub(super) stream: Option<Stream>,
    /// By the keys of what was published once.
    pub(super) once: BTreeMap<Box<str>, First>,
    /// When it is looked at next.
    #[serde(skip)]
    pub(super) looked_at: u64,
}

/// Where a channel stands, and what it keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) epoch: EpochNumber,
    /// The generation of the store in which the epoch began.
    pub(super) generation: u32,
    /// The offset of the last publication.
    pub(super) top: u64,
    /// Unix milliseconds, as all times here.
    pub(super) remembered_until: u64,
    pub(super) kept_until: u64,
    /// Where the last ones are, up to the top.
    pub(super) kept: VecDeque<Place>,
    /// That of the last publication with one.
    pub(super) version: Option<Box<Version>>,
    /// Of those that are kept.
    #[serde(skip)]
    pub(super) bytes: u64,
}

/// A channel as builds wrote it whose publications had no versions.
#[derive(Deserialize)]
pub(crate) struct Unversioned {
    name: Channel,
    stream: Option<(EpochNumber, u32, u64, u64, u64, VecDeque<Place>)>,
    once: BTreeMap<Box<str>, First>,
}

impl From<Unversioned> for Kept {
    fn from(Unversioned { name, stream, once }: Unversioned) -> Kept {
        let stream = stream.map(|(epoch, generation, top, remembered_until, kept_until, kept)| Stream {
            remembered_until,
            kept_until,
            kept,
            ..Stream::new(epoch, generation, top)
        });
        Kept { stream, once, ..Kept::new(name) }
    }
}

/// The epoch of a channel, which is written as sixteen hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EpochNumber(pub(crate) u64);

impl EpochNumber {
    pub(crate) fn position(self, offset: u64) -> StreamPosition {
        let epoch = Epoch::parse(&format!("{:016x}", self.0)).expect("sixteen digits are an epoch");
        StreamPosition { offset, epoch }
    }
}

/// How much a channel holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) publications: u64,
    pub(super) bytes: u64,
    pub(super) once: u64,
}

impl Size {
    pub(super) fn add(&mut self, more: Size) {
        self.publications += more.publications;
        self.bytes += more.bytes;
        self.once += more.once;
    }

    pub(super) fn remove(&mut self, less: Size) {
        self.publications -= less.publications;
        self.bytes -= less.bytes;
        self.once -= less.once;
    }
}

impl Stream {
    pub(super) fn new(epoch: EpochNumber, generation: u32, top: u64) -> Stream {
        let (remembered_until, kept_until) = (0, 0);
        Stream {
            epoch,
            generation,
            top,
            remembered_until,
            kept_until,
            kept: VecDeque::new(),
            version: None,
            bytes: 0,
        }
    }

    /// The offset of the first that is kept; behind the top if none is.
    pub(super) fn first(&self) -> u64 {
        self.top - self.kept.len() as u64 + 1
    }

    /// What is kept from this offset on, with its offsets.
    pub(super) fn from(&self, offset: u64) -> impl DoubleEndedIterator<Item = (u64, Place)> + '_ {
        let first = self.first();
        let without =
            usize::try_from(offset.saturating_sub(first)).unwrap_or(usize::MAX).min(self.kept.len());
        (without..self.kept.len()).map(move |at| (first + at as u64, self.kept[at]))
    }

    pub(super) fn push(&mut self, place: Place) {
        self.bytes += u64::from(place.bytes);
        self.kept.push_back(place);
    }

    /// Keeps nothing before this offset any more.
    pub(super) fn cut_before(&mut self, offset: u64, gone: &mut dyn FnMut(Place)) {
        while !self.kept.is_empty()
            && self.first() < offset
            && let Some(place) = self.kept.pop_front()
        {
            self.bytes -= u64::from(place.bytes);
            gone(place);
        }
        if self.kept.is_empty() {
            self.kept_until = 0;
        }
    }
}

impl Kept {
    pub(super) fn new(name: Channel) -> Kept {
        Kept { name, stream: None, once: BTreeMap::new(), looked_at: u64::MAX }
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.name
    }

    /// Where it stands, if that is remembered: offset, epoch and the generation it began in.
    pub(crate) fn standing(&self) -> Option<(u64, EpochNumber, u32)> {
        self.stream.as_ref().map(|stream| (stream.top, stream.epoch, stream.generation))
    }

    /// The version of the last publication with one.
    pub(crate) fn version(&self) -> Option<&Version> {
        self.stream.as_ref()?.version.as_deref()
    }

    /// Up to when it is remembered where it stands, and up to when it keeps what it keeps.
    pub(crate) fn times(&self) -> (u64, u64) {
        self.stream.as_ref().map_or((0, 0), |stream| (stream.remembered_until, stream.kept_until))
    }

    /// The publications it keeps from this offset on.
    pub(crate) fn publications(&self, from: u64) -> impl DoubleEndedIterator<Item = (u64, Place)> + '_ {
        self.stream.iter().flat_map(move |stream| stream.from(from))
    }

    /// The first answers it knows.
    pub(crate) fn once(&self) -> impl Iterator<Item = (&str, First)> {
        self.once.iter().map(|(key, first)| (&**key, *first))
    }

    /// How many things it holds.
    pub(crate) fn held(&self) -> usize {
        self.once.len() + self.stream.as_ref().map_or(0, |stream| stream.kept.len())
    }

    /// Whether one that was read back can have come to be: what it says of itself is relied on from here.
    pub(crate) fn is_sound(&self) -> bool {
        let is_sound = |stream: &Stream| stream.kept.len() as u64 <= stream.top && stream.top < u64::MAX;
        self.stream.as_ref().is_none_or(is_sound)
    }

    /// Whether something of it is over.
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.next_over(true) <= now
    }

    /// When the next of it is over. Not exactly: as far as that is known without looking at everything, which is sooner or when it
    /// was before.
    pub(super) fn next_over(&self, exactly: bool) -> u64 {
        let of_stream = self.stream.as_ref().map_or(u64::MAX, |stream| {
            let kept = if stream.kept.is_empty() { u64::MAX } else { stream.kept_until };
            kept.min(stream.remembered_until)
        });
        let of_once = if exactly { self.once.values().map(|first| first.forgotten_at()).min() } else { None };
        of_once.unwrap_or(u64::MAX).min(of_stream)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stream.is_none() && self.once.is_empty()
    }

    pub(super) fn size(&self) -> Size {
        let (publications, bytes) =
            self.stream.as_ref().map_or((0, 0), |stream| (stream.kept.len() as u64, stream.bytes));
        Size { publications, bytes, once: self.once.len() as u64 }
    }

    /// Counts what is not written down.
    pub(super) fn count(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.bytes = stream.kept.iter().map(|place| u64::from(place.bytes)).sum();
        }
        self.looked_at = u64::MAX;
    }
}

impl Named for Kept {
    fn name(&self) -> &[u8] {
        self.name.as_str().as_bytes()
    }
}
