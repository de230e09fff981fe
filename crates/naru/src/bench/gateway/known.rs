//! Messages of one channel, recognised by their bytes: all of one publisher's look the same but for the stamp. The first
//! is read strictly, and every one that looks different.

use memchr::memmem::Finder;

use super::payload::{HEAD_BYTES, MARK, read_stamp};
use crate::bench::frame::Stamp;

/// What all messages of one publisher look like.
struct Look {
    head: Box<[u8]>,
    tail: Box<[u8]>,
}

/// How the messages of one channel look, by their publisher.
pub(super) struct Known {
    finder: Finder<'static>,
    looks: Vec<Option<Look>>,
}

impl Known {
    pub(super) fn new(publishers: u32) -> Self {
        Known { finder: Finder::new(MARK), looks: (0..publishers).map(|_| None).collect() }
    }

    /// The stamp of a message that looks like one before it.
    pub(super) fn recognise(&self, part: &[u8]) -> Option<Stamp> {
        let at = self.finder.find(part)?;
        let stamp = read_stamp(&part[at + MARK.len()..])?;
        let Look { head, tail } = self.looks.get(stamp.publisher as usize)?.as_ref()?;
        (part[..at] == **head && part[at + HEAD_BYTES..] == **tail).then_some(stamp)
    }

    /// Remembers how a message looks that was found to be right, if its payload stands in it as it is.
    pub(super) fn learn(&mut self, part: &[u8], stamp: Stamp) {
        let Some(at) = self.finder.find(part) else { return };
        if read_stamp(&part[at + MARK.len()..]) != Some(stamp) {
            return;
        }
        if let Some(look) = self.looks.get_mut(stamp.publisher as usize) {
            *look = Some(Look { head: part[..at].into(), tail: part[at + HEAD_BYTES..].into() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::Payload;
    use super::*;

    fn message(publisher: u32, sequence: u64) -> (Stamp, Vec<u8>) {
        let stamp = Stamp { publisher, sequence, sent_ns: 9 };
        let part = [b"{\"data\":", Payload::new(64).stamped(stamp), b",\"x\":1}"].concat();
        (stamp, part)
    }

    #[test]
    fn what_looks_the_same_but_for_the_stamp_is_recognised() {
        let mut known = Known::new(2);
        let (first, part) = message(1, 0);
        assert_eq!(known.recognise(&part), None);
        known.learn(&part, first);
        let (second, part) = message(1, 1);
        assert_eq!(known.recognise(&part), Some(second));
        assert_eq!(known.recognise(&message(0, 0).1), None, "of another publisher");
    }

    #[test]
    fn a_wrong_byte_anywhere_but_in_the_stamp_is_not_recognised() {
        let mut known = Known::new(1);
        let (stamp, part) = message(0, 0);
        known.learn(&part, stamp);
        let mark = part.windows(MARK.len()).position(|it| it == MARK).unwrap();
        for at in (0..mark + MARK.len()).chain(mark + HEAD_BYTES..part.len()) {
            let mut wrong = part.clone();
            wrong[at] ^= 1;
            assert_eq!(known.recognise(&wrong), None, "byte {at}");
        }
    }
}
