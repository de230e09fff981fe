//! What a client gets from its user's inbox: everything after its position, in order, once.
//!
//! The session keeps three things: the epoch, how far it has pushed, how far the inbox goes. What arrives live and is the
//! very next entry is pushed at once if the client keeps up. Anything else only moves the head, and is read from the
//! broker when the client has taken what waits for it. So a stalled reader costs no queue.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use naru_bus::BusError;
use naru_bus::first::{Entry, Page, Position, Resumed};
use tokio::{
    sync::{Notify, SemaphorePermit},
    time::{Duration, sleep},
};

use super::{Ending, Session, topic};
use crate::{
    channels::inbox_of,
    codes::Disconnect,
    crossing,
    limits::{PAUSE_BYTES, REPLAY_ENTRIES_MAX},
    publication,
};

/// How long to leave the broker alone after it did not answer a read. Its return is an event, so this is only for
/// what fails without one.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How far a session is with its inbox.
#[derive(Default)]
pub(super) struct Inbox {
    /// The channel's name, while its publications come in.
    channel: RefCell<Option<Arc<str>>>,
    /// Set when the connect command is answered: from here on entries are pushed.
    epoch: RefCell<Option<Arc<str>>>,
    /// The last offset pushed.
    position: Cell<u64>,
    /// The highest offset heard of.
    head: Cell<u64>,
    /// A page is being read: what arrives live may be in it.
    is_reading: Cell<bool>,
    /// The broker was away: what it has now has to be compared.
    must_compare: Cell<bool>,
    /// There may be something to read.
    changed: Notify,
}

impl Session {
    /// Starts listening, before the inbox is read.
    pub(super) fn join_inbox(self: &Rc<Self>, channel: &str) {
        self.inbox.channel.replace(Some(channel.into()));
        self.core.subscribe(self.id, topic(channel));
    }

    pub(super) fn leave_inbox(self: &Rc<Self>) {
        let channel = self.inbox.channel.take();
        if let Some(channel) = channel {
            self.core.unsubscribe(self.id, topic(&channel));
        }
    }

    /// Starts pushing, after the reply to connect, with what was read for it.
    pub(super) fn begin_inbox(&self, resumed: Resumed) {
        let inbox = &self.inbox;
        inbox.epoch.replace(Some(resumed.epoch.into()));
        inbox.position.set(resumed.start);
        inbox.raise_head(resumed.head);
        if let Err(ending) = self.push_all(&resumed.entries) {
            self.end(ending);
        }
        inbox.changed.notify_one();
    }

    /// An entry that has just come into the inbox.
    pub(super) fn deliver_inbox(&self, epoch: &Arc<str>, offset: u64, frame: &Bytes) {
        let inbox = &self.inbox;
        match &*inbox.epoch.borrow() {
            // The read that the connect command waits for is to reach this one.
            None => return inbox.raise_head(offset),
            Some(known) if known != epoch => return self.end(Disconnect::InsufficientState),
            Some(_) => {}
        }
        inbox.raise_head(offset);
        let is_next = offset == inbox.position.get() + 1;
        if is_next && !inbox.is_reading.get() && self.link.queued() <= PAUSE_BYTES {
            inbox.position.set(offset);
            self.send_frame(frame);
        } else {
            inbox.changed.notify_one();
        }
    }

    /// Compares with the broker, after it was away.
    pub(crate) fn compare_heads(&self) {
        self.inbox.must_compare.set(true);
        self.inbox.changed.notify_one();
    }

    /// Reads and pushes what cannot be pushed at once, for as long as the session lasts.
    pub(super) async fn keep_inbox(&self) -> Ending {
        loop {
            match self.catch_up().await {
                Ok(()) => self.inbox.changed.notified().await,
                Err(Trouble::Ending(ending)) => return ending,
                Err(Trouble::Bus(error)) => {
                    tracing::debug!(%error, "an inbox could not be read");
                    tokio::select! {
                        () = sleep(RETRY_PAUSE) => {}
                        () = self.inbox.changed.notified() => {}
                    }
                }
            }
        }
    }

    async fn catch_up(&self) -> Result<(), Trouble> {
        let inbox = &self.inbox;
        let mut entries_max = REPLAY_ENTRIES_MAX;
        while inbox.epoch.borrow().is_some()
            && (inbox.must_compare.get() || inbox.position.get() < inbox.head.get())
        {
            while self.link.queued() > PAUSE_BYTES {
                self.link.flushed().await;
            }
            inbox.is_reading.set(true);
            let read = self.read_page(entries_max).await;
            inbox.is_reading.set(false);
            let page = read?;
            inbox.raise_head(page.head);
            let entries = page.entries.len();
            let pushed = self.push_all(&page.entries)?;
            if entries == 0 && inbox.position.get() < inbox.head.get() {
                // The broker does not have what it told us of.
                return Err(Ending::from(Disconnect::InsufficientState).into());
            }
            // Of large messages only a few fit before the client has to be waited for; do not read more in vain.
            let next = if pushed < entries { pushed.max(1) } else { entries * 2 };
            entries_max = u32::try_from(next).unwrap_or(REPLAY_ENTRIES_MAX).clamp(1, REPLAY_ENTRIES_MAX);
        }
        Ok(())
    }

    /// Waits for its turn to read an inbox.
    pub(super) async fn replay_turn(&self) -> SemaphorePermit<'_> {
        self.shared().replays.acquire().await.expect("the semaphore is never closed")
    }

    async fn read_page(&self, entries_max: u32) -> Result<Page, Trouble> {
        let _turn = self.replay_turn().await;
        let inbox = &self.inbox;
        let member = self.member();
        let bus = &self.shared().bus;
        let offset = inbox.position.get();
        if !inbox.must_compare.get() {
            return Ok(bus.first_entries(&member.user, offset, entries_max).await?);
        }
        let epoch = inbox.epoch.borrow().as_deref().unwrap_or_default().to_owned();
        let position = Position { epoch: epoch.clone(), offset };
        let resumed = bus.first_resume(&member.user, &member.device, Some(position), entries_max).await?;
        if resumed.epoch != epoch || resumed.start != offset {
            return Err(Ending::from(Disconnect::InsufficientState).into());
        }
        inbox.must_compare.set(false);
        Ok(Page { head: resumed.head, entries: resumed.entries, more: resumed.more })
    }

    /// Pushes entries until the client has to be waited for; answers how many. Those left are read again.
    fn push_all(&self, entries: &[Entry]) -> Result<usize, Ending> {
        let inbox = &self.inbox;
        let epoch = inbox.epoch.borrow().clone().expect("entries are pushed after the connect was answered");
        let user = self.member().user.as_str();
        let channel = inbox_of(user);
        let mut pushed = 0;
        for entry in entries {
            if self.link.queued() > PAUSE_BYTES {
                break;
            }
            let offset = entry.offset.unwrap_or_default();
            if offset != inbox.position.get() + 1 {
                return Err(Disconnect::InsufficientState.into());
            }
            self.send_frame(&publication::inbox(&channel, &epoch, offset, entry).frame);
            inbox.position.set(offset);
            pushed += 1;
            crossing::deliver(&self.shared().server, user, entry, 1, true);
        }
        Ok(pushed)
    }
}

impl Inbox {
    fn raise_head(&self, offset: u64) {
        self.head.set(self.head.get().max(offset));
    }
}

/// Why catching up stopped.
enum Trouble {
    /// The session is over.
    Ending(Ending),
    /// The broker did not answer; it stays as it is.
    Bus(BusError),
}

impl From<Ending> for Trouble {
    fn from(ending: Ending) -> Trouble {
        Trouble::Ending(ending)
    }
}

impl From<BusError> for Trouble {
    fn from(error: BusError) -> Trouble {
        Trouble::Bus(error)
    }
}
