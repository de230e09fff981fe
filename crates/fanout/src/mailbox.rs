use std::{collections::VecDeque, sync::atomic::Ordering, task::Waker};

use crate::{
    Incoming, PeerId, Publication, Space, Topic, Wire,
    limits::{LETTER_BYTES, MAILBOX_BYTES_MAX},
    sync::{AtomicUsize, Mutex, Notify},
    topic::Name,
};

/// What can be sent to a core.
pub(crate) enum Letter<W: Wire> {
    Publish {
        space: Space,
        publication: W::Publication,
    },
    /// With the channel's name as it is kept; an empty one with a pattern.
    Join {
        peer: PeerId,
        topic: Topic,
        name: Name,
    },
    Leave {
        peer: PeerId,
        topic: Topic,
    },
    Accept(Incoming),
    Mail(W::Mail),
    Stop,
}

impl<W: Wire> Letter<W> {
    pub(crate) fn bytes(&self) -> usize {
        LETTER_BYTES
            + match self {
                Letter::Publish { publication, .. } => publication.bytes(),
                Letter::Mail(mail) => W::mail_bytes(mail),
                _ => 0,
            }
    }
}

struct Queue<W: Wire> {
    letters: VecDeque<Letter<W>>,
    /// Set while the core sleeps.
    waker: Option<Waker>,
}

/// Leads into one core. Publications are bounded in bytes: over [`MAILBOX_BYTES_MAX`] it is *congested*, and those
/// who would publish wait before they read their next commands. Everything else is bounded by the requests it answers.
pub(crate) struct Mailbox<W: Wire> {
    queue: Mutex<Queue<W>>,
    bytes: AtomicUsize,
    relieved: Notify,
}

impl<W: Wire> Mailbox<W> {
    pub(crate) fn new() -> Self {
        Mailbox {
            queue: Mutex::new(Queue { letters: VecDeque::new(), waker: None }),
            bytes: AtomicUsize::new(0),
            relieved: Notify::new(),
        }
    }

    pub(crate) fn push(&self, letter: Letter<W>) {
        if let Some(waker) = self.put(letter) {
            waker.wake();
        }
    }

    /// Pushes without waking the core; if it sleeps, it is the caller's to wake, and nobody else will.
    #[must_use]
    pub(crate) fn put(&self, letter: Letter<W>) -> Option<Waker> {
        self.bytes.fetch_add(letter.bytes(), Ordering::Relaxed);
        let mut queue = self.queue.lock();
        queue.letters.push_back(letter);
        queue.waker.take()
    }

    /// Takes all that waits into `batch`, which is empty. Its letters count as waiting until they are [`Self::handled`].
    pub(crate) fn take(&self, batch: &mut VecDeque<Letter<W>>) {
        debug_assert!(batch.is_empty());
        std::mem::swap(&mut self.queue.lock().letters, batch);
    }

    pub(crate) fn handled(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before > MAILBOX_BYTES_MAX && before - bytes <= MAILBOX_BYTES_MAX {
            self.relieved.notify_waiters();
        }
    }

    /// True if letters wait; else `waker` is woken by the next.
    pub(crate) fn wake_with(&self, waker: &Waker) -> bool {
        let mut queue = self.queue.lock();
        if queue.letters.is_empty() {
            queue.waker = Some(waker.clone());
            return false;
        }
        true
    }

    /// What waits, letters taken and not yet handled included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_congested(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > MAILBOX_BYTES_MAX
    }

    pub(crate) async fn relieved(&self) {
        loop {
            let relieved = self.relieved.notified();
            if !self.is_congested() {
                return;
            }
            relieved.await;
        }
    }
}
