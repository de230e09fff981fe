use naru_ledger::answer::PointerKind;
use naru_ledger::{Follow, Kind, Mode, Seq, Useq};

use super::super::Part;

/// How far a conversation has come in an inbox, and how far it is read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) head: Seq,
    pub(crate) count: u64,
    pub(crate) read: u64,
    /// Those that are unread, rising, none above the head.
    pub(crate) mentions: Vec<Seq>,
    /// Of the last change.
    pub(crate) useq: Useq,
    pub(crate) follow: Follow,
}

/// An entry that comes into an inbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) seq: Seq,
    pub(crate) count: u64,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) part: Part,
}

/// What a ring says of a change: entries after one and up to another, and what about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) after: Seq,
    pub(crate) seq: Seq,
    pub(crate) kind: PointerKind,
}

impl Record {
    /// An entry arrives; what that is to the ring, or none if it changes nothing.
    pub(super) fn arrive(&mut self, arrival: &Arrival, mentions_kept_max: usize) -> Option<Span> {
        let Arrival { seq, count, kind, mode, part } = *arrival;
        let (bound, part) = (part.after().min(Seq(seq.0.saturating_sub(1))), part.plain());
        let is_own = part == Part::Sender;
        let before = self.head.max(bound);
        let is_news = seq > self.head;
        if is_news {
            self.head = seq;
            self.count = count;
            self.follow = match (kind, mode) {
                (Kind::Leave, _) if is_own => Follow::Left,
                (Kind::Broadcast, _) | (_, Mode::Broadcast) => Follow::Channel,
                (_, Mode::FanOut) => Follow::Inbox,
            };
        }
        let is_changed = match part {
            Part::Sender => self.read(seq, count),
            Part::Mentioned if count > self.read => self.mention(seq, mentions_kept_max),
            _ => false,
        };
        let is_alone = mode == Mode::Broadcast || kind == Kind::Join && is_own;
        let (after, kind) = match (is_news, is_own) {
            (true, _) if is_alone => (Seq(seq.0 - 1), PointerKind::Entry(kind)),
            (true, _) => (before, PointerKind::Entry(kind)),
            (false, _) if !is_changed => return None,
            (false, true) => (seq, PointerKind::Read),
            (false, false) => (seq, PointerKind::Mention),
        };
        Some(Span { after, seq, kind })
    }

    /// After which number the news begin when the first entry arrives of a conversation.
    pub(crate) fn after_none(arrival: &Arrival) -> Seq {
        let span = Record::default().arrive(arrival, usize::MAX);
        span.expect("entries are above 0").after
    }

    /// Whether it was not so before.
    pub(super) fn read(&mut self, seq: Seq, count: u64) -> bool {
        let unread = self.mentions.partition_point(|mention| *mention <= seq);
        let is_changed = count > self.read || unread > 0;
        self.read = self.read.max(count);
        self.mentions.drain(..unread);
        is_changed
    }

    /// Whether it was not so before. Of more than are kept the lowest go, which may be this one.
    fn mention(&mut self, seq: Seq, kept_max: usize) -> bool {
        let found = self.mentions.binary_search(&seq);
        if let Err(at) = found {
            self.mentions.insert(at, seq);
        }
        let surplus = self.mentions.len().saturating_sub(kept_max);
        self.mentions.drain(..surplus);
        match found {
            Ok(_) => surplus > 0,
            Err(at) => surplus != 1 || at > 0,
        }
    }
}
