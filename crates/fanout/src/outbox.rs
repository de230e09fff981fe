use std::{
    collections::VecDeque,
    io::IoSlice,
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    OutboxLimit, Slow,
    limits::{SHARED_BYTES_MIN, SPARE_BUFFER_BYTES_MAX, SPARE_BYTES_MAX, SPARE_OUTBOXES_MAX},
    pages::{Pages, SharedBytes},
};

/// What outboxes of a core do not need right now.
#[derive(Default)]
pub(crate) struct Spares {
    buffers: Vec<Vec<u8>>,
    /// The sum of their capacities.
    bytes: usize,
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    waiting: Vec<Box<Waiting>>,
}

impl Spares {
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if bytes <= SPARE_BUFFER_BYTES_MAX && self.bytes + bytes <= SPARE_BYTES_MAX {
            buffer.clear();
            self.buffers.push(buffer);
            self.bytes += bytes;
        }
    }

    fn take_waiting(&mut self) -> Box<Waiting> {
        self.waiting.pop().unwrap_or_default()
    }

    fn put_waiting(&mut self, mut waiting: Box<Waiting>) {
        if self.waiting.len() < SPARE_OUTBOXES_MAX {
            waiting.over_soft_since = None;
            waiting.stuck = None;
            self.waiting.push(waiting);
        }
    }
}

enum Chunk {
    Copied(Vec<u8>),
    Shared(Bytes),
    /// Only of a socket that takes pages.
    Paged(Rc<Pages>),
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Chunk::Copied(bytes) => bytes.len(),
            Chunk::Shared(bytes) => bytes.len(),
            Chunk::Paged(pages) => pages.len(),
        }
    }

    /// What it holds, unless that is in pages.
    fn as_slice(&self) -> Option<&[u8]> {
        match self {
            Chunk::Copied(bytes) => Some(bytes),
            Chunk::Shared(bytes) => Some(bytes),
            Chunk::Paged(_) => None,
        }
    }
}

/// Chunks in order. A single one, as it is nearly always, takes no memory of its own.
#[derive(Default)]
struct Chunks {
    first: Option<Chunk>,
    /// Empty while there is no first.
    others: VecDeque<Chunk>,
}

impl Chunks {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    fn first(&self) -> Option<&Chunk> {
        self.first.as_ref()
    }

    fn last_mut(&mut self) -> Option<&mut Chunk> {
        self.others.back_mut().or(self.first.as_mut())
    }

    fn iter(&self) -> impl Iterator<Item = &Chunk> {
        self.first.iter().chain(&self.others)
    }

    fn push(&mut self, chunk: Chunk) {
        match self.first {
            None => self.first = Some(chunk),
            Some(_) => self.others.push_back(chunk),
        }
    }

    fn pop(&mut self) -> Option<Chunk> {
        std::mem::replace(&mut self.first, self.others.pop_front())
    }
}

/// Bytes waiting for one peer. Small writes are copied into one contiguous buffer, large ones are shared. While there are none, as
/// nearly always, it takes no more than a pointer.
#[derive(Default)]
pub struct Outbox(Option<Box<Waiting>>);

/// `queued` is the sum of what is in `chunks` less `written`, the bytes of the front chunk that have left already.
#[derive(Default)]
struct Waiting {
    chunks: Chunks,
    written: usize,
    queued: usize,
    /// See [`OutboxLimit::soft_bytes`].
    over_soft_since: Option<Instant>,
    /// None if something has left since the last look.
    stuck: Option<Stuck>,
}

/// Looks have found that the peer takes nothing.
#[derive(Clone, Copy)]
struct Stuck {
    since: Instant,
    /// What the kernel has held of what had left, at each of them.
    in_kernel: Option<usize>,
}

impl Outbox {
    /// Bytes that wait.
    pub fn queued(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.queued)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queued() == 0
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.0.iter().flat_map(|waiting| waiting.chunks.iter())
    }

    /// What of the first chunk has left.
    fn written(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.written)
    }

    /// `takes_pages`: of the socket that all this is for.
    pub(crate) fn writer<'a>(&'a mut self, spares: &'a mut Spares, takes_pages: bool) -> Writer<'a> {
        let waiting = self.0.get_or_insert_with(|| spares.take_waiting());
        Writer { waiting, spares, takes_pages }
    }

    /// What to write next up to pages, as one slice or several; how many.
    pub(crate) fn slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let (mut skip, mut count) = (self.written(), 0);
        for (slot, slice) in into.iter_mut().zip(self.chunks().map_while(Chunk::as_slice)) {
            *slot = IoSlice::new(&slice[skip..]);
            (skip, count) = (0, count + 1);
        }
        count
    }

    /// Whether behind so many slices there are pages.
    pub(crate) fn pages_follow(&self, count: usize) -> bool {
        matches!(self.chunks().nth(count), Some(Chunk::Paged(_)))
    }

    /// What to write next, if it is of pages: these, and which of their bytes.
    pub(crate) fn front_pages(&self) -> Option<(&Pages, Range<usize>)> {
        match self.chunks().next()? {
            Chunk::Paged(pages) => Some((pages, self.written()..pages.len())),
            Chunk::Copied(_) | Chunk::Shared(_) => None,
        }
    }

    /// What to write next, as one slice; none if there is nothing, or it is of pages.
    pub(crate) fn front(&self) -> Option<&[u8]> {
        self.chunks().next().and_then(Chunk::as_slice).map(|slice| &slice[self.written()..])
    }

    pub(crate) fn is_single(&self) -> bool {
        self.0.as_ref().is_some_and(|waiting| waiting.chunks.len() == 1)
    }

    /// Forgets the first `count` bytes: they have been written.
    pub(crate) fn advance(&mut self, count: usize, spares: &mut Spares) {
        debug_assert!(count <= self.queued());
        let Some(mut waiting) = self.0.take() else { return };
        waiting.queued -= count;
        waiting.written += count;
        if count > 0 {
            waiting.stuck = None;
        }
        while let Some(front) = waiting.chunks.first() {
            let len = front.len();
            if waiting.written < len {
                self.0 = Some(waiting);
                return;
            }
            waiting.written -= len;
            if let Some(Chunk::Copied(buffer)) = waiting.chunks.pop() {
                spares.put(buffer);
            }
        }
        spares.put_waiting(waiting);
    }

    /// Forgets all but what is missing of a message of which a part has left; whether it could. `end` is given the chunk with that
    /// message, of which so much has left, maybe nothing, and says where in it the message ends, or what has to come before any other.
    /// Chunks begin with a message.
    pub(crate) fn keep_begun(
        &mut self,
        spares: &mut Spares,
        end: impl FnOnce(&[u8], usize) -> Option<usize>,
    ) -> bool {
        let written = self.written();
        let rest = match self.chunks().next() {
            Some(Chunk::Paged(_)) if written == 0 => Some(Bytes::new()),
            Some(chunk) => chunk.as_slice().and_then(|bytes| {
                let rest =
                    written..end(bytes, written).filter(|end| (written..=bytes.len()).contains(end))?;
                Some(match chunk {
                    Chunk::Shared(shared) => shared.slice(rest),
                    Chunk::Copied(_) | Chunk::Paged(_) => Bytes::copy_from_slice(&bytes[rest]),
                })
            }),
            None => Some(Bytes::new()),
        };
        let Some(rest) = rest else { return false };
        self.clear(spares);
        if !rest.is_empty() {
            self.writer(spares, false).share(&rest);
        }
        true
    }

    /// For how long looks such as this one have found that nothing leaves, and that the kernel gets rid of nothing that has left.
    pub(crate) fn stuck_for(&mut self, in_kernel: Option<usize>, now: Instant) -> Duration {
        let Some(waiting) = &mut self.0 else { return Duration::ZERO };
        let known = waiting.stuck.filter(|stuck| stuck.in_kernel == in_kernel);
        let Stuck { since, .. } = *waiting.stuck.insert(known.unwrap_or(Stuck { since: now, in_kernel }));
        now.duration_since(since)
    }

    pub(crate) fn clear(&mut self, spares: &mut Spares) {
        let queued = self.queued();
        self.advance(queued, spares);
    }
}

/// Appends to an [`Outbox`].
pub struct Writer<'a> {
    waiting: &'a mut Waiting,
    spares: &'a mut Spares,
    takes_pages: bool,
}

impl Writer<'_> {
    /// Copies `bytes` to the end.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.encode(|buffer| buffer.extend_from_slice(bytes));
    }

    /// Lets `encode` append to the contiguous buffer at the end. It must not touch what is there already.
    pub fn encode(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        if !matches!(self.waiting.chunks.last_mut(), Some(Chunk::Copied(_))) {
            self.waiting.chunks.push(Chunk::Copied(self.spares.take()));
        }
        let Some(Chunk::Copied(buffer)) = self.waiting.chunks.last_mut() else { return };
        let before = buffer.len();
        encode(buffer);
        self.waiting.queued += buffer.len() - before;
    }

    /// Adds `bytes` without copying them if they are many.
    pub fn share(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.copy(bytes);
        }
        self.waiting.chunks.push(Chunk::Shared(bytes.clone()));
        self.waiting.queued += bytes.len();
    }

    /// As [`Self::share`], for what goes to many.
    pub fn share_with_many(&mut self, shared: &SharedBytes) {
        let pages = if self.takes_pages { shared.pages() } else { None };
        let Some(pages) = pages else { return self.share(shared.bytes()) };
        self.waiting.queued += pages.len();
        self.waiting.chunks.push(Chunk::Paged(pages));
    }

    /// Whether what waits, with what was just added, is still within its limit.
    pub(crate) fn check(&mut self, limit: &OutboxLimit) -> Result<(), Slow> {
        if self.waiting.queued <= limit.soft_bytes {
            self.waiting.over_soft_since = None;
            return Ok(());
        }
        if self.waiting.queued > limit.hard_bytes {
            return Err(Slow);
        }
        let now = Instant::now();
        let since = *self.waiting.over_soft_since.get_or_insert(now);
        if now.duration_since(since) > limit.soft_time { Err(Slow) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(outbox: &mut Outbox, spares: &mut Spares, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = outbox.slices(&mut slices);
            let before = all.len();
            all.extend(slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(step));
            outbox.advance(all.len() - before, spares);
        }
        all
    }

    #[test]
    fn bytes_leave_in_the_order_they_came_whatever_the_write_sizes() {
        for step in [1, 7, 1000, 40_000, usize::MAX] {
            let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
            let large = Bytes::from(vec![b'L'; SHARED_BYTES_MIN]);
            let mut expected = Vec::new();
            for round in 0..3u8 {
                let mut writer = outbox.writer(&mut spares, false);
                writer.copy(&[round; 10]);
                writer.share(&large);
                writer.encode(|buffer| buffer.push(round));
                expected.extend_from_slice(&[round; 10]);
                expected.extend_from_slice(&large);
                expected.push(round);
            }
            assert_eq!(outbox.queued(), expected.len());
            assert_eq!(drained(&mut outbox, &mut spares, step), expected);
        }
    }

    #[test]
    fn a_message_of_which_a_part_has_left_is_kept_to_its_end_and_nothing_else_is() {
        // Messages of ten bytes, copied or shared.
        let end = |_: &[u8], written: usize| Some(written.next_multiple_of(10));
        let large = Bytes::from(b"0123456789".repeat(SHARED_BYTES_MIN / 10 + 1));
        for (written, expected) in
            [(0, 0), (10, 0), (13, 7), (19, 1), (30, 0), (31, 9), (30 + large.len() - 2, 2)]
        {
            let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
            let mut writer = outbox.writer(&mut spares, false);
            (0..3).for_each(|_| writer.copy(b"0123456789"));
            writer.share(&large);
            writer.copy(b"0123456789");
            outbox.advance(written, &mut spares);
            assert!(outbox.keep_begun(&mut spares, end));
            assert_eq!(outbox.queued(), expected, "{written}");
            assert_eq!(drained(&mut outbox, &mut spares, 3), b"0123456789"[10 - expected..], "{written}");
        }
    }

    #[test]
    fn what_has_to_come_before_any_other_is_kept_if_nothing_has_left() {
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        outbox.writer(&mut spares, false).copy(b"head:0123456789");
        assert!(outbox.keep_begun(&mut spares, |_, written| Some(written + 5)));
        assert_eq!(drained(&mut outbox, &mut spares, 3), b"head:");
    }

    #[test]
    fn where_no_end_is_found_everything_is_kept() {
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        outbox.writer(&mut spares, false).copy(b"0123456789");
        outbox.advance(1, &mut spares);
        assert!(!outbox.keep_begun(&mut spares, |_, _| None));
        assert!(!outbox.keep_begun(&mut spares, |_, _| Some(11)));
        assert_eq!(outbox.queued(), 9);
    }

    #[test]
    fn an_outbox_is_stuck_as_long_as_nothing_leaves_it_nor_the_kernel() {
        let (mut outbox, mut spares, second) = (Outbox::default(), Spares::default(), Duration::from_secs(1));
        let mut now = Instant::now();
        let mut look = |outbox: &mut Outbox, in_kernel| {
            now += second;
            outbox.stuck_for(Some(in_kernel), now)
        };
        assert_eq!(look(&mut outbox, 7), Duration::ZERO);
        outbox.writer(&mut spares, false).copy(b"0123456789");
        let stuck = [7, 7, 7, 6, 6, 6].map(|in_kernel| look(&mut outbox, in_kernel));
        assert_eq!(stuck, [0, 1, 2, 0, 1, 2].map(|seconds| second * seconds));
        // As much has left as the kernel got rid of.
        outbox.advance(3, &mut spares);
        assert_eq!(look(&mut outbox, 6), Duration::ZERO);
        outbox.writer(&mut spares, false).copy(b"more");
        outbox.advance(0, &mut spares);
        assert_eq!(look(&mut outbox, 6), second);
        // What comes next begins anew.
        outbox.clear(&mut spares);
        outbox.writer(&mut spares, false).copy(b"again");
        assert_eq!(look(&mut outbox, 6), Duration::ZERO);
    }

    #[test]
    fn an_empty_outbox_holds_no_buffer_and_the_next_one_reuses_it() {
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        outbox.writer(&mut spares, false).copy(b"hello");
        outbox.clear(&mut spares);
        assert!(outbox.0.is_none());
        assert_eq!((spares.buffers.len(), spares.waiting.len()), (1, 1));
        outbox.writer(&mut spares, false).copy(b"again");
        assert!(spares.buffers.is_empty() && spares.bytes == 0 && spares.waiting.is_empty());
    }

    #[test]
    fn a_buffer_that_grew_large_is_freed() {
        let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
        outbox.writer(&mut spares, false).copy(&vec![0; SPARE_BUFFER_BYTES_MAX + 1]);
        outbox.clear(&mut spares);
        assert!(spares.buffers.is_empty() && spares.bytes == 0);
    }
}
