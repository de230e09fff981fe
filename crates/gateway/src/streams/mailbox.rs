use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::limits::{MAILBOX_BYTES_MAX, MAILBOX_FRAMES_MAX};

/// Commands of a session that have come apart from its connection and are not taken yet: at most [`MAILBOX_FRAMES_MAX`]
/// frames, of [`MAILBOX_BYTES_MAX`] together. What finds no room is given back, and the session ends.
pub(crate) struct Mailbox {
    /// By what it is found.
    secret: Box<str>,
    frames: RefCell<VecDeque<Bytes>>,
    /// The sum of the frames' lengths.
    bytes: Cell<usize>,
    came: Notify,
}

/// A client posts faster than its commands are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Mailbox {
    /// With what the connection has begun with.
    pub(crate) fn new(secret: Box<str>, first: Bytes) -> Mailbox {
        let bytes = Cell::new(first.len());
        Mailbox { secret, frames: RefCell::new(VecDeque::from([first])), bytes, came: Notify::new() }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn put(&self, frame: Bytes) -> Result<(), Full> {
        let mut frames = self.frames.borrow_mut();
        let bytes = self.bytes.get() + frame.len();
        if frames.len() >= MAILBOX_FRAMES_MAX || bytes > MAILBOX_BYTES_MAX {
            return Err(Full);
        }
        self.bytes.set(bytes);
        frames.push_back(frame);
        self.came.notify_one();
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.borrow().is_empty()
    }

    pub(super) fn take(&self) -> Option<Bytes> {
        let mut frames = self.frames.borrow_mut();
        let frame = frames.pop_front()?;
        self.bytes.set(self.bytes.get() - frame.len());
        if frames.is_empty() {
            // A silent client has no room kept for it.
            frames.shrink_to(0);
        }
        Some(frame)
    }

    /// Waits until there is one to take that is so, while none is taken. Dropping the future loses nothing.
    pub(super) async fn has(&self, is_so: impl Fn(&Bytes) -> bool) {
        let mut seen = 0;
        while !self.frames.borrow().iter().skip(seen).any(&is_so) {
            seen = self.frames.borrow().len();
            self.came.notified().await;
        }
    }

    /// Waits until there may be something to take. Dropping the future loses nothing.
    pub(super) async fn filled(&self) {
        while self.is_empty() {
            self.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_gives_frames_in_order_and_takes_no_more_than_its_bounds() {
        let mailbox = Mailbox::new("s".into(), Bytes::from_static(b"first"));
        let frame = Bytes::from(vec![b'x'; MAILBOX_BYTES_MAX / 4]);
        for _ in 0..3 {
            assert_eq!(mailbox.put(frame.clone()), Ok(()));
        }
        assert_eq!(mailbox.put(frame.clone()), Err(Full), "by bytes");
        assert_eq!(mailbox.take().as_deref(), Some(b"first".as_slice()));
        assert_eq!(mailbox.put(frame.clone()), Ok(()), "there is room again");
        for _ in 0..4 {
            assert_eq!(mailbox.take(), Some(frame.clone()));
        }
        assert_eq!(mailbox.take(), None);
        for _ in 0..MAILBOX_FRAMES_MAX {
            assert_eq!(mailbox.put(Bytes::from_static(b"{}")), Ok(()));
        }
        assert_eq!(mailbox.put(Bytes::from_static(b"{}")), Err(Full), "by number");
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_a_frame() {
        let mailbox = Mailbox::new("s".into(), Bytes::from_static(b"first"));
        mailbox.filled().await;
        mailbox.take();
        let put = async {
            tokio::task::yield_now().await;
            mailbox.put(Bytes::from_static(b"second")).unwrap();
        };
        tokio::join!(mailbox.filled(), put);
        assert_eq!(mailbox.take().as_deref(), Some(b"second".as_slice()));
    }
}
