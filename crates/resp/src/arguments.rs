use std::ops::Range;

/// Offsets kept for the next command; what a larger one needed is given back.
const KEPT_BOUNDS_MAX: usize = 2 * 1024;
/// Room made at once, at least.
const BOUNDS_MIN: usize = 16;

/// Where the arguments of a command lie in its bytes, which are at most 4 GiB. An argument may be as short as six
/// bytes on the wire, and a stranger may send a million of them: so an offset takes four bytes, and room grows by a
/// quarter, not by doubling.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    /// Of bulk strings, where each starts and ends; of words, which lie side by side, where each ends.
    bounds: Vec<u32>,
    side_by_side: bool,
}

impl Arguments {
    /// Forgets what it held, and the memory it took if that was much, for bulk strings to come.
    pub(crate) fn start_bulks(&mut self) {
        self.bounds.clear();
        self.bounds.shrink_to(KEPT_BOUNDS_MAX);
        self.side_by_side = false;
    }

    /// The same, for at most `count` words.
    pub(crate) fn start_words(&mut self, count: usize) {
        self.start_bulks();
        self.bounds.reserve_exact(count);
        self.side_by_side = true;
    }

    pub(crate) fn push_bulk(&mut self, bytes: Range<u32>) {
        if self.bounds.capacity() < self.bounds.len() + 2 {
            self.bounds.reserve_exact(BOUNDS_MIN.max(self.bounds.len() / 4));
        }
        self.bounds.extend([bytes.start, bytes.end]);
    }

    /// The next word ends here, below 4 GiB.
    pub(crate) fn push_word(&mut self, end: usize) {
        debug_assert!(self.side_by_side);
        self.bounds.push(u32::try_from(end).expect("words lie in less than 4 GiB"));
    }

    pub(crate) fn len(&self) -> usize {
        if self.side_by_side { self.bounds.len() } else { self.bounds.len() / 2 }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Range<usize>> {
        let bound = |index: usize| self.bounds.get(index).map(|bound| *bound as usize);
        if !self.side_by_side {
            let first = index.checked_mul(2)?;
            return Some(bound(first)?..bound(first + 1)?);
        }
        let end = bound(index)?;
        Some(index.checked_sub(1).and_then(bound).unwrap_or(0)..end)
    }

    pub(crate) fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = Range<usize>> + DoubleEndedIterator + Clone + use<'_> {
        (0..self.len()).map(|index| self.get(index).expect("indices are below the count"))
    }

    /// What it has allocated.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bounds.capacity() * size_of::<u32>()
    }
}
