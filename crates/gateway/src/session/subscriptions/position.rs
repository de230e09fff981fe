//! Where a subscription stands in its channel, and what comes next to it.

use naru_bus::{StreamPage, StreamPosition};
use naru_ledger::Epoch;

use crate::limits::HISTORY_PUBLICATIONS_MAX;

/// Everything up to here is the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) offset: u64,
    pub(super) epoch: Epoch,
}

/// What a publication is to who stands somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Next,
    /// It was delivered before.
    Old,
    /// One before it was not heard.
    Ahead,
    /// The numbering has begun anew.
    Elsewhere,
}

impl Standing {
    pub(super) fn hear(&self, position: &StreamPosition) -> Heard {
        if position.epoch != self.epoch {
            Heard::Elsewhere
        } else if position.offset <= self.offset {
            Heard::Old
        } else if position.offset == self.offset + 1 {
            Heard::Next
        } else {
            Heard::Ahead
        }
    }
}

/// Where a client says it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) offset: u64,
    /// Empty for any.
    pub(crate) epoch: String,
}

impl Wanted {
    fn fits(&self, epoch: &Epoch) -> bool {
        self.epoch.is_empty() || self.epoch == epoch.as_str()
    }

    /// Whether all that was missed can be had, after what is kept was read from the position on.
    pub(super) fn is_recovered(&self, read: &StreamPage) -> bool {
        let top = read.top.offset;
        let missed = top.checked_sub(self.offset);
        let is_next =
            read.publications.first().is_some_and(|(first, _)| Some(*first) == self.offset.checked_add(1));
        let is_whole =
            missed == Some(0) || (is_next && missed.is_some_and(|missed| missed <= HISTORY_PUBLICATIONS_MAX));
        self.fits(&read.top.epoch) && is_whole
    }

    /// Whether the newest publication can be had, or the client has it: after that was read.
    pub(super) fn is_recovered_to_newest(&self, read: &StreamPage) -> bool {
        let is_kept = read.publications.first().is_some_and(|(newest, _)| *newest == read.top.offset);
        is_kept || self.stands_at(&read.top)
    }

    pub(super) fn stands_at(&self, top: &StreamPosition) -> bool {
        self.fits(&top.epoch) && self.offset == top.offset
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn at(offset: u64, epoch: &str) -> StreamPosition {
        StreamPosition { offset, epoch: Epoch::parse(epoch).unwrap() }
    }

    #[test]
    fn the_next_is_delivered_what_was_is_not_and_a_gap_is_seen() {
        let standing = Standing { offset: 7, epoch: Epoch::parse("e").unwrap() };
        assert_eq!(standing.hear(&at(8, "e")), Heard::Next);
        for offset in [1, 6, 7] {
            assert_eq!(standing.hear(&at(offset, "e")), Heard::Old);
        }
        assert_eq!(standing.hear(&at(9, "e")), Heard::Ahead);
        for offset in [1, 8, 9] {
            assert_eq!(standing.hear(&at(offset, "f")), Heard::Elsewhere);
        }
    }

    fn page(top: u64, offsets: impl IntoIterator<Item = u64>) -> StreamPage {
        let publications = offsets.into_iter().map(|offset| (offset, Bytes::new())).collect();
        StreamPage { top: at(top, "e"), publications }
    }

    #[test]
    fn recovered_is_who_gets_everything_after_their_position() {
        let wanted = |offset, epoch: &str| Wanted { offset, epoch: epoch.into() };
        assert!(wanted(7, "e").is_recovered(&page(7, [])), "nothing was missed");
        assert!(wanted(7, "").is_recovered(&page(7, [])), "an empty epoch is any");
        assert!(wanted(7, "e").is_recovered(&page(9, [8, 9])));
        assert!(wanted(0, "e").is_recovered(&page(0, [])));
        assert!(wanted(0, "").is_recovered(&page(2, [1, 2])));
        assert!(!wanted(7, "f").is_recovered(&page(7, [])), "of another epoch");
        assert!(!wanted(7, "_").is_recovered(&page(9, [8, 9])));
        assert!(!wanted(7, "e").is_recovered(&page(9, [9])), "the first is trimmed");
        assert!(!wanted(7, "e").is_recovered(&page(9, [])), "all are");
        assert!(!wanted(9, "e").is_recovered(&page(7, [])), "ahead of all there is");
        assert!(!wanted(u64::MAX, "e").is_recovered(&page(7, [])));
        let most = HISTORY_PUBLICATIONS_MAX;
        assert!(wanted(7, "e").is_recovered(&page(7 + most, [8])));
        assert!(!wanted(7, "e").is_recovered(&page(8 + most, [8])), "too many");
    }

    #[test]
    fn the_newest_is_recovered_if_it_is_kept_or_not_missed() {
        let wanted = |offset, epoch: &str| Wanted { offset, epoch: epoch.into() };
        assert!(wanted(0, "").is_recovered_to_newest(&page(9, [9])));
        assert!(wanted(7, "another").is_recovered_to_newest(&page(9, [9])));
        assert!(wanted(9, "e").is_recovered_to_newest(&page(9, [])));
        assert!(!wanted(8, "e").is_recovered_to_newest(&page(9, [])));
        assert!(!wanted(9, "f").is_recovered_to_newest(&page(9, [])));
    }
}
