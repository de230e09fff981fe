//! The frames of all segments that count, the whole ones and what is left of the others.

use std::ops::Range;
use std::path::Path;

use super::segments::{Foot, Segment};
use super::{Rescue, Salvaged, lenient, loose};
use crate::address::Address;
use crate::checkpoint::Summary;
use crate::error::Damage;
use crate::frame::{BadFrame, Frame, HEADER_BYTES, Header, Kind, Record, TRAILER_BYTES, find_header};
use crate::lsn::Lsn;
use crate::segment::{HEAD_BYTES, file_name};
use crate::vfs::Vfs;

/// Goes over the segments, hands records on, and notes what is missing.
pub(super) struct Walk<'a> {
    fs: &'a dyn Vfs,
    found: Salvaged,
    /// The checkpoint knows all up to here.
    from: Lsn,
    /// The next record there should be.
    next: Lsn,
    /// Records up to here were on disk.
    proven: Lsn,
    /// Records may be lost behind the last one, nobody knows how many.
    is_open_ended: bool,
}

/// One segment in memory.
struct Contents<'a> {
    path: &'a Path,
    salt: u64,
    /// The address of the first byte of `frames` behind the head.
    start: Address,
    /// The file up to where its frames end, or may end.
    frames: &'a [u8],
    /// Where zeros stand for what could not be read.
    unreadable: &'a [Range<u64>],
    /// The first record of the next segment, if that is known; then the frames end where `frames` does.
    end: Option<Lsn>,
    /// Nothing was written behind it.
    is_tail: bool,
    is_restored: bool,
}

/// A frame found behind a bad place.
struct Later {
    at: usize,
    header: Header,
}

impl<'a> Walk<'a> {
    pub(super) fn new(fs: &'a dyn Vfs, used: Option<Summary>, found: Salvaged) -> Self {
        let from = used.map_or(Lsn::ZERO, |used| used.lsn);
        let proven = used.map_or(Lsn::ZERO, |used| used.end);
        Self { fs, found, from, next: from.plus(1), proven, is_open_ended: false }
    }

    pub(super) fn all(&mut self, shard: &Path, segments: &[Segment], load: &mut dyn Rescue) {
        if segments.is_empty() {
            self.damage(&shard.join(file_name(1)), 0, None, "no segment is there that can be read");
            self.is_open_ended = true;
        }
        let mut bytes = Vec::new();
        let mut is_first = true;
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1);
            if next.is_some_and(|next| next.head.first.before() <= self.from) {
                continue;
            }
            let before = segment.head.first.before();
            if std::mem::take(&mut is_first) && before > self.from {
                let missing = shard.join(file_name(segment.head.number.saturating_sub(1)));
                let what = "the segment is missing, though what was in it is needed";
                self.damage(&missing, 0, Some((self.next, before)), what);
            }
            bytes.resize(segment.head.bytes as usize, 0);
            let unreadable = match self.fs.open_to_read(&segment.path) {
                Ok(file) => lenient::read(&*file, &mut bytes),
                Err(_) => std::iter::once(0..segment.head.bytes).collect(),
            };
            self.segment(shard, segment, next, &bytes, &unreadable, load);
        }
    }

    fn segment(
        &mut self,
        shard: &Path,
        segment: &Segment,
        next: Option<&Segment>,
        bytes: &[u8],
        unreadable: &[Range<u64>],
        load: &mut dyn Rescue,
    ) {
        for range in unreadable {
            self.damage(&segment.path, range.start, None, "bytes of the file are missing or cannot be read");
        }
        self.successor(shard, segment, next);
        let contents = Contents::of(segment, next, bytes, unreadable);
        self.proven = self.proven.max(segment.head.first.before());
        self.frames(&contents, segment.head.first, load);
    }

    /// Notes what is wrong between a segment and the one behind it.
    fn successor(&mut self, shard: &Path, segment: &Segment, next: Option<&Segment>) {
        if segment.foot == Foot::Damaged || next.is_some() && segment.foot == Foot::Blank {
            let what = "the foot of the segment is unreadable";
            self.damage(&segment.path, segment.head.frames_end(), None, what);
        }
        let number = segment.head.number + 1;
        let is_missed = match next {
            Some(next) => next.head.number != number && next.head.first.before() > self.from,
            None => segment.foot.whole().is_some(),
        };
        if is_missed {
            let missing = shard.join(file_name(number));
            self.damage(&missing, 0, None, "the segment is missing or its head is unreadable");
            self.is_open_ended |= next.is_none();
        }
    }

    fn frames(&mut self, contents: &Contents<'_>, first: Lsn, load: &mut dyn Rescue) {
        let Contents { frames, salt, .. } = *contents;
        let (mut at, mut next) = (HEAD_BYTES, first);
        loop {
            let header = Header::decode(&frames[at..], salt).filter(|header| header.first >= next);
            let decoded = match header {
                Some(header) => Frame::decode(&frames[at..], salt, header.first, header.chain),
                None => Err(BadFrame::Header),
            };
            if let Ok(frame) = decoded {
                if frame.header.first > next {
                    let records = Some((next, frame.header.first.before()));
                    self.damage(contents.path, at as u64, records, "records before this place are missing");
                }
                self.proven = self.proven.max(frame.header.durable);
                for record in frame.records() {
                    self.hand_on(contents.address(at + record.at), record, load);
                }
                next = frame.header.first.plus(u64::from(frame.header.count));
                at += frame.header.length as usize;
                continue;
            }
            if frames[at..].iter().all(|byte| *byte == 0) {
                return self.end(contents, at, next);
            }
            match self.bad_place(contents, at, next, load) {
                Some(place) => (at, next) = place,
                None => return,
            }
        }
    }

    /// Hands on what there is of a frame that is damaged, or of some, and answers where to go on, and with which record.
    fn bad_place(
        &mut self,
        contents: &Contents<'_>,
        at: usize,
        next: Lsn,
        load: &mut dyn Rescue,
    ) -> Option<(usize, Lsn)> {
        let Contents { frames, salt, .. } = *contents;
        let header = Header::decode(&frames[at..], salt);
        // No crash leaves an older frame there.
        let is_older = header.is_some_and(|header| header.first < next);
        let later = later(frames, at, salt, next);
        if later.is_none() && !is_older && self.is_torn(contents, at, next) {
            self.found.torn = Some((contents.path.to_owned(), at as u64));
            return None;
        }
        let header = header.filter(|header| !is_older && fits(header, &frames[at..]));
        if let Some(header) = header {
            if header.first > next {
                self.unreadable(contents, at, next, Some(header.first));
            }
            let end = at + header.length as usize;
            self.loose(contents, at..end, header.first, Some(u64::from(header.count)), load);
            return Some((end, header.first.plus(u64::from(header.count))));
        }
        if let Some(Later { at: end, header }) = later {
            self.loose(contents, at..end, next, Some(header.first.number() - next.number()), load);
            return Some((end, header.first));
        }
        if at > HEAD_BYTES {
            let count = contents.end.map(|end| end.number().saturating_sub(next.number()));
            self.loose(contents, at..frames.len(), next, count, load);
        } else {
            // That these are this segment's bytes only its frames could prove.
            self.unreadable(contents, at, next, contents.end);
        }
        self.is_open_ended |= contents.is_tail;
        None
    }

    /// Nothing but zeros from here on: the end, unless they stand for what could not be read.
    fn end(&mut self, contents: &Contents<'_>, at: usize, next: Lsn) {
        let header = at as u64..(at + HEADER_BYTES) as u64;
        let is_unreadable =
            contents.unreadable.iter().any(|range| range.start < header.end && range.end > header.start);
        self.is_open_ended |= contents.is_tail && (is_unreadable || contents.is_restored && at == HEAD_BYTES);
        if contents.end.is_some_and(|end| end > next) {
            self.unreadable(contents, at, next, contents.end);
        }
    }

    /// Whether a crash may have left this, at the end of everything, so that nobody was promised what was in it. Where
    /// there are frames behind it, a start may cut these as well, and here they are kept.
    fn is_torn(&self, contents: &Contents<'_>, at: usize, next: Lsn) -> bool {
        let is_read = contents.unreadable.iter().all(|range| range.end <= at as u64);
        contents.is_tail && self.proven < next && is_read
    }

    /// Hands on the records of a damaged frame, or of several, that are whole.
    fn loose(
        &mut self,
        contents: &Contents<'_>,
        place: Range<usize>,
        first: Lsn,
        count: Option<u64>,
        load: &mut dyn Rescue,
    ) {
        let records = place.start + HEADER_BYTES..place.end.saturating_sub(TRAILER_BYTES);
        let bytes = contents.frames.get(records.clone()).unwrap_or_default();
        let noted = self.found.damages.count();
        let mut expected = first;
        for loose::Loose { lsn, kind, body, at } in loose::records(bytes, first, count) {
            let at = records.start + at;
            if lsn > expected {
                self.unreadable(contents, place.start, expected, Some(lsn));
            }
            expected = lsn.plus(1);
            match kind {
                Some(kind) => {
                    let record = Record { lsn, kind, body, at };
                    self.hand_on(contents.address(at), record, load);
                }
                None => {
                    self.unreadable(contents, at, lsn, Some(expected));
                    if lsn > self.from {
                        load.lost_record(lsn, body);
                    }
                }
            }
        }
        match count.map(|count| first.plus(count)) {
            Some(end) if end <= expected && self.found.damages.count() == noted => {
                let what = "a frame is damaged, though all records in it are whole";
                self.damage(contents.path, place.start as u64, None, what);
            }
            Some(end) if end <= expected => {}
            end => self.unreadable(contents, place.start, expected, end),
        }
    }

    fn hand_on(&mut self, address: Address, record: Record<'_>, load: &mut dyn Rescue) {
        let Record { lsn, kind, body, .. } = record;
        if lsn < self.next {
            return;
        }
        self.lose_before(lsn);
        self.next = lsn.plus(1);
        if kind == Kind::Data {
            self.found.records += 1;
            load.record(lsn, address, body);
        }
    }

    fn lose_before(&mut self, lsn: Lsn) {
        if lsn > self.next {
            self.found.lost.push((self.next, Some(lsn.before())));
        }
    }

    /// Records from `first` to before `end` are unreadable here.
    fn unreadable(&mut self, contents: &Contents<'_>, at: usize, first: Lsn, end: Option<Lsn>) {
        let records = end.map(Lsn::before).filter(|last| first <= *last).map(|last| (first, last));
        self.damage(contents.path, at as u64, records, "records are unreadable");
    }

    fn damage(&mut self, path: &Path, offset: u64, records: Option<(Lsn, Lsn)>, what: &'static str) {
        self.found.damages.push(Damage { path: path.to_owned(), offset, records, what });
    }

    pub(super) fn finish(mut self) -> Salvaged {
        self.lose_before(self.proven.plus(1));
        self.next = self.next.max(self.proven.plus(1));
        if self.is_open_ended {
            self.found.lost.push((self.next, None));
        }
        self.found
    }
}

impl<'a> Contents<'a> {
    fn of(
        segment: &'a Segment,
        next: Option<&Segment>,
        bytes: &'a [u8],
        unreadable: &'a [Range<u64>],
    ) -> Self {
        let head = &segment.head;
        let behind = next.filter(|next| next.head.number == head.number + 1 && !next.is_restored);
        let foot = behind.map(|next| next.head.foot_before()).or(segment.foot.whole());
        let end = foot.and_then(|foot| foot.end.since(head.start)).map(|frames| HEAD_BYTES as u64 + frames);
        let end = end.filter(|end| *end <= head.frames_end());
        Contents {
            path: &segment.path,
            salt: head.salt,
            start: head.start,
            frames: &bytes[..end.unwrap_or(head.frames_end()) as usize],
            unreadable,
            end: foot.filter(|_| end.is_some()).map(|foot| foot.next_first),
            is_tail: next.is_none() && segment.foot.whole().is_none(),
            is_restored: segment.is_restored,
        }
    }

    /// The address of a byte of the file.
    fn address(&self, at: usize) -> Address {
        self.start.plus((at - HEAD_BYTES) as u64)
    }
}

/// Whether what a header says of its frame can be so.
fn fits(header: &Header, bytes: &[u8]) -> bool {
    let length = header.length as usize;
    (HEADER_BYTES + TRAILER_BYTES..=bytes.len()).contains(&length)
        && header.count > 0
        && header.first.checked_add(u64::from(header.count)).is_some()
}

/// The next place behind a bad one where a frame of this segment begins that comes later.
fn later(frames: &[u8], at: usize, salt: u64, next: Lsn) -> Option<Later> {
    let mut from = at + 1;
    while let Some((found, header)) = frames.get(from..).and_then(|rest| find_header(rest, salt)) {
        let place = from + found;
        if header.first > next && fits(&header, &frames[place..]) {
            return Some(Later { at: place, header });
        }
        from = place + 1;
    }
    None
}
