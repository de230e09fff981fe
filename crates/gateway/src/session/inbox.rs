//! What a client gets from its user's inbox: everything after its position, in order, once.
//!
//! The session keeps three things: the epoch, how far it has pushed, how far the inbox goes. What arrives live and is the
//! very next change is pushed at once if the client keeps up. Anything else only moves the head, and is read from the
//! broker (`replay/`) when the client has taken what waits for it. So a stalled reader costs no queue.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use naru_bus::BusError;
use naru_ledger::{Epoch, Useq, answer::Resumed};
use serde::Serialize;
use tokio::{
    select,
    time::{Duration, sleep},
};

use super::{Chore, Ending, Moment, Session, replay::Far, topic};
use crate::{
    channels::inbox_of,
    limits::{COMPARE_EVERY, COMPARE_PAUSE, PAUSE_BYTES},
    protocol::{json, message, push::Push},
    publication::{Change, Publication},
    reached::Reached,
    sabotage,
};

/// How long to leave the broker alone after it did not answer a read. Its return is an event, so this is only for
/// what fails without one.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How far a session is with its inbox.
#[derive(Default)]
pub(super) struct Inbox {
    /// Its publications come in.
    is_joined: Cell<bool>,
    /// Set when the connect command is answered: from here on changes are pushed.
    epoch: OnceCell<Epoch>,
    /// Everything up to here is pushed. What is pushed of a change before the last of it carries this.
    position: Cell<Useq>,
    /// The highest number this client has acknowledged.
    acknowledged: Cell<Useq>,
    /// The highest number heard of since the broker was asked last.
    head: Cell<Useq>,
    /// What was read for the connect command, to be gone on with.
    begun: RefCell<Option<Box<Resumed>>>,
    /// How far what is pushed has come in each conversation.
    pub(super) reached: RefCell<Reached>,
    /// Something is being read: what arrives live may be in it.
    is_reading: Cell<bool>,
    /// What the broker has has to be compared: it was away, or something may be otherwise now.
    must_compare: Cell<bool>,
    /// A number was heard that had been pushed. Often it comes late; but it may be of another store.
    is_in_doubt: Cell<bool>,
    /// When the broker was asked last.
    compared: Cell<Moment>,
}

/// Why catching up stopped.
pub(super) enum Trouble {
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

impl Session {
    /// Starts listening, before the inbox is read.
    pub(super) fn join_inbox(self: &Rc<Self>, channel: &str) {
        self.inbox.is_joined.set(true);
        self.core.subscribe(self.id, topic(channel));
    }

    pub(super) fn leave_inbox(self: &Rc<Self>) {
        if self.inbox.is_joined.take() {
            self.core.unsubscribe(self.id, topic(&inbox_of(self.steered.user())));
        }
    }

    /// Starts pushing, after the reply to connect, with what was read for it.
    pub(super) fn begin_inbox(&self, resumed: Resumed) {
        let inbox = &self.inbox;
        inbox.position.set(resumed.start);
        if inbox.epoch.set(self.shared().epoch.shared(&resumed.epoch)).is_err() {
            unreachable!("a session connects once");
        }
        inbox.begun.replace(Some(Box::new(resumed)));
        self.compared();
        self.look_soon();
    }

    /// A change that has just come into the inbox.
    pub(super) fn deliver_inbox(&self, change: Change, publication: &Publication) {
        let inbox = &self.inbox;
        let Change { useq, conversation, seq, is_whole, turns } = change;
        if useq == Useq::ZERO {
            inbox.must_compare.set(true);
        } else if useq <= inbox.position.get() {
            inbox.is_in_doubt.set(true);
        }
        inbox.raise_head(useq);
        let is_begun = inbox.epoch.get().is_some() && inbox.begun.borrow().is_none();
        let is_next = useq == inbox.position.get().next() && is_begun && !inbox.is_reading.get();
        if is_next && is_whole && !inbox.must_compare.get() && self.link.queued() <= PAUSE_BYTES {
            inbox.position.set(useq);
            inbox.reached.borrow_mut().note(conversation, seq);
            self.push_live(publication);
            inbox.must_compare.set(turns);
            if !turns {
                return;
            }
        }
        self.look_soon();
    }

    fn push_live(&self, publication: &Publication) {
        let Some(frame) = publication.frame(self.flavour) else { return };
        if sabotage::is_due("drop-push") {
            return;
        }
        if sabotage::is_due("push-twice") {
            self.send_frame(frame);
        }
        self.send_frame(frame);
    }

    /// Compares with the broker, after it was away.
    pub(crate) fn compare_heads(&self) {
        self.rooms_behind();
        self.compare_soon();
        self.compare_positions();
    }

    /// Compares with the broker, as something may be otherwise now.
    pub(super) fn compare_soon(&self) {
        self.must_compare();
        self.look_soon();
    }

    /// Compares with the broker when it is looked next.
    pub(super) fn must_compare(&self) {
        self.inbox.must_compare.set(true);
    }

    /// The client says that it has everything up to here.
    pub(crate) fn acknowledges(&self, useq: Useq) {
        let acknowledged = &self.inbox.acknowledged;
        acknowledged.set(acknowledged.get().max(useq));
    }

    /// Up to where the client has been pushed everything, or has acknowledged it by itself.
    pub(super) fn dealt_with(&self) -> Useq {
        self.position().max(self.inbox.acknowledged.get())
    }

    /// There may be something to read.
    pub(super) fn look_soon(&self) {
        self.bells.ring(Chore::Inbox);
    }

    /// Reads and pushes what cannot be pushed at once, for as long as the session lasts.
    pub(super) async fn keep_inbox(self: &Rc<Self>) -> Ending {
        let mut far: Option<Box<Far>> = None;
        loop {
            self.bells.rung(Chore::Inbox).await;
            loop {
                let inbox = &self.inbox;
                inbox.is_reading.set(true);
                // Apart, as it takes much more memory than waiting for the next time.
                let caught_up = Box::pin(self.catch_up(&mut far)).await;
                inbox.is_reading.set(false);
                match caught_up {
                    Ok(()) if inbox.is_in_doubt.get() => Box::pin(self.rest_in_doubt()).await,
                    Ok(()) => break,
                    Err(Trouble::Ending(ending)) => return ending,
                    Err(Trouble::Bus(error)) => {
                        tracing::debug!(%error, "an inbox could not be read");
                        Box::pin(self.rest_for(RETRY_PAUSE)).await;
                    }
                }
            }
        }
    }

    /// What is in doubt is looked into at once, but not again and again.
    async fn rest_in_doubt(&self) {
        let since = self.now().since_start().saturating_sub(self.inbox.compared.get().since_start());
        if self.rest_for(COMPARE_PAUSE.saturating_sub(since)).await {
            self.compare_in_time();
        }
    }

    /// Whether it was left alone for so long.
    async fn rest_for(&self, pause: Duration) -> bool {
        select! {
            () = self.bells.rung_again(Chore::Inbox) => false,
            () = sleep(pause) => true,
        }
    }

    /// It is time to ask the broker, though nothing was heard that is to be read.
    pub(super) fn compare_in_time(&self) {
        self.some_room_behind();
        self.compare_soon();
    }

    /// The broker is asked.
    fn compared(&self) {
        let now = self.now();
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        self.inbox.compared.set(now);
        self.clock.look_at(now + COMPARE_EVERY.mul_f64(0.5 + random / 2.0));
    }

    /// Reads until there is nothing to read, at the pace at which the client takes it.
    async fn catch_up(self: &Rc<Self>, far: &mut Option<Box<Far>>) -> Result<(), Trouble> {
        let Some(epoch) = self.inbox.epoch.get() else { return Ok(()) };
        loop {
            self.drained().await;
            if let Some(behind) = far {
                if self.replay_changed(behind).await? {
                    *far = None;
                }
            } else if let Some(resumed) = self.resumed(epoch).await? {
                *far = self.go_on(&resumed, epoch).await?.map(Box::new);
            } else if !self.push_head().await? {
                return Ok(());
            }
        }
    }

    /// What the broker says of the inbox, if it has to be asked.
    async fn resumed(&self, epoch: &Epoch) -> Result<Option<Resumed>, Trouble> {
        let inbox = &self.inbox;
        if let Some(begun) = inbox.begun.take() {
            inbox.raise_head(begun.head);
            return Ok(Some(*begun));
        }
        if !inbox.must_compare.get() && inbox.head.get() <= inbox.position.get() {
            return Ok(None);
        }
        // What is heard from here on may not be in the answer.
        let heard = inbox.head.replace(inbox.position.get());
        inbox.must_compare.set(false);
        inbox.is_in_doubt.set(false);
        self.compared();
        match self.ask_resume(epoch).await {
            Ok(resumed) => {
                inbox.raise_head(resumed.head);
                Ok(Some(resumed))
            }
            Err(error) => {
                inbox.raise_head(heard);
                inbox.must_compare.set(true);
                Err(error.into())
            }
        }
    }

    /// Waits until the client may be pushed something.
    pub(super) async fn drained(&self) {
        while self.link.queued() > PAUSE_BYTES {
            self.link.flushed().await;
        }
    }

    /// Everything up to here is pushed, or about to be by what is pushed next.
    pub(super) fn advance(&self, useq: Useq) {
        let position = &self.inbox.position;
        position.set(position.get().max(useq));
    }

    pub(super) fn position(&self) -> Useq {
        self.inbox.position.get()
    }

    /// Pushes into the inbox what leaves nothing open up to where the session is.
    pub(super) fn push(&self, data: impl Serialize) {
        let channel = inbox_of(self.member().user.as_str());
        let (data, offset) = (json::payload_of(&data), self.position().0);
        let publication = message::Publication { data, offset, ..Default::default() };
        self.send(&Push::publication(channel, publication).into());
    }
}

impl Inbox {
    fn raise_head(&self, useq: Useq) {
        self.head.set(self.head.get().max(useq));
    }
}
