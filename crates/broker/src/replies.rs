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
    Missing {
        ticket: Ticket,
        /// False if the reply is dropped when it comes (`CLIENT REPLY`).
        is_wanted: bool,
    },
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

    /// Keeps the place of a reply, which is dropped when it comes unless it is wanted.
    pub(crate) fn reserve(&mut self, is_wanted: bool) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.slots.push_back(Slot::Missing { ticket, is_wanted });
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
        let is_it = |slot: &Slot| matches!(slot, Slot::Missing { ticket: missing, .. } if *missing == ticket);
        let Some(place) = self.slots.iter().position(is_it) else { return };
        let is_wanted = matches!(self.slots[place], Slot::Missing { is_wanted: true, .. });
        let reply = if is_wanted { reply } else { Vec::new() };
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
        let first = replies.reserve(true);
        replies.append(|bytes| bytes.extend_from_slice(b"b"));
        replies.append(|bytes| bytes.extend_from_slice(b"c"));
        let second = replies.reserve(true);
        replies.append(|bytes| bytes.extend_from_slice(b"e"));
        replies.fill(second, b"d".to_vec(), |bytes| out.extend_from_slice(bytes));
        assert!(out.is_empty());
        replies.fill(first, b"a".to_vec(), |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"abcde");
        assert!(replies.is_empty());
        assert_eq!(replies.waiting(), (0, 0));
    }

    #[test]
    fn a_reply_that_is_not_wanted_is_dropped_and_does_not_hold_up_what_is_behind() {
        let mut replies = Replies::default();
        let mut out = Vec::new();
        let muted = replies.reserve(false);
        replies.append(|bytes| bytes.extend_from_slice(b"push"));
        replies.fill(muted, b"+OK\r\n".to_vec(), |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"push");
        assert!(replies.is_empty());
    }
}
