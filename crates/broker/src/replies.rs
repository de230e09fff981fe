use std::collections::VecDeque;

/// Names one reply that is to come. Tickets of a client rise by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The order of one client's replies while some of them are still being made elsewhere. Whatever is written after a
/// reply that is still missing waits here behind it.
#[derive(Default)]
pub(crate) struct Replies {
    /// The first slot is the oldest missing reply: it is never `Ready`.
    slots: VecDeque<Slot>,
    /// Tickets given so far.
    next: u64,
    bytes: usize,
}

enum Slot {
    Missing(Ticket),
    Ready(Vec<u8>),
}

impl Replies {
    /// Nothing is missing: what is written may leave at once.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Replies that are still to come, and the bytes that wait behind them.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.slots.len(), self.bytes)
    }

    /// Keeps the place of a reply.
    pub(crate) fn reserve(&mut self) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.slots.push_back(Slot::Missing(ticket));
        ticket
    }

    /// Appends to what waits behind the last missing reply. Only while one is missing.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        debug_assert!(!self.is_empty());
        if !matches!(self.slots.back(), Some(Slot::Ready(_))) {
            self.slots.push_back(Slot::Ready(Vec::new()));
        }
        if let Some(Slot::Ready(bytes)) = self.slots.back_mut() {
            let before = bytes.len();
            write(bytes);
            self.bytes += bytes.len() - before;
        }
    }

    /// Fills a place, and gives everything that may leave now to `release`, in order.
    pub(crate) fn fill(&mut self, ticket: Ticket, reply: Vec<u8>, mut release: impl FnMut(&[u8])) {
        let place =
            self.slots.iter().position(|slot| matches!(slot, Slot::Missing(missing) if *missing == ticket));
        let Some(place) = place else { return };
        self.bytes += reply.len();
        self.slots[place] = Slot::Ready(reply);
        while let Some(Slot::Ready(bytes)) = self.slots.front() {
            self.bytes -= bytes.len();
            release(bytes);
            self.slots.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_leave_in_the_order_of_their_commands() {
        let mut replies = Replies::default();
        let mut out = Vec::new();
        let first = replies.reserve();
        replies.append(|bytes| bytes.extend_from_slice(b"b"));
        replies.append(|bytes| bytes.extend_from_slice(b"c"));
        let second = replies.reserve();
        replies.append(|bytes| bytes.extend_from_slice(b"e"));
        replies.fill(second, b"d".to_vec(), |bytes| out.extend_from_slice(bytes));
        assert!(out.is_empty());
        replies.fill(first, b"a".to_vec(), |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"abcde");
        assert!(replies.is_empty());
        assert_eq!(replies.waiting(), (0, 0));
    }
}
