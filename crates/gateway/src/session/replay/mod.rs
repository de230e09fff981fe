//! Reading what a client has missed, and pushing it as ordinary publications.
//!
//! Who was away for a short time gets the changes of the ring in their order (`ring.rs`). Who was away for longer gets
//! conversation by conversation (`changed.rs`): until that is complete its pushes carry the offset it came with, so that a
//! cut in the middle starts there again, and repeats fall to (conversation, seq). Either reads spans of logs (`span.rs`).

use std::rc::Rc;

use naru_bus::BusError;
use naru_ledger::{
    Conversation, Epoch, Position, Seq,
    answer::{Entry, How, Page, Resumed},
    op::{From, History, Resume},
};
use tokio::{sync::SemaphorePermit, time::Instant};

mod changed;
mod ring;
mod span;
mod stay;

pub(super) use changed::Far;

use super::{Session, inbox::Trouble};
use crate::{
    codes::Disconnect,
    crossing,
    limits::REPLAY_POINTERS_MAX,
    protocol::data::{EntryData, turns},
    sabotage,
};

impl Session {
    /// Waits for its turn to read an inbox.
    pub(super) async fn replay_turn(&self) -> SemaphorePermit<'_> {
        let begun = Instant::now();
        let turn = self.shared().replays.acquire().await.expect("the semaphore is never closed");
        self.shared().metrics.replay_waits.add(begun.elapsed());
        turn
    }

    pub(super) async fn ask_resume(&self, epoch: &Epoch) -> Result<Resumed, BusError> {
        let member = self.member();
        let resume = Resume {
            user: member.user.clone(),
            device: member.device.clone(),
            from: Some(Position { epoch: epoch.clone(), useq: self.position() }),
            limit: REPLAY_POINTERS_MAX,
        };
        let _turn = self.replay_turn().await;
        self.shared().bus.resume(resume).await
    }

    /// Goes on with what the broker has said; if that is a long way, says where it begins.
    pub(super) async fn go_on(
        self: &Rc<Self>,
        resumed: &Resumed,
        epoch: &Epoch,
    ) -> Result<Option<Far>, Trouble> {
        // A store that has less than it had is another one, or an old copy of it.
        let is_other = resumed.how == How::Reset || resumed.epoch != *epoch || resumed.head < self.position();
        // Another connection of the same device has acknowledged what this one has not been pushed: that does not come any
        // more, and the client learns so when it comes back.
        if is_other || resumed.start > self.dealt_with() {
            return Err(Trouble::Ending(Disconnect::InsufficientState.into()));
        }
        if let Err(error) = self.follow(&resumed.channels).await {
            // After a pause: it may be refused again and again.
            self.must_compare();
            return Err(error.into());
        }
        // The client itself may have acknowledged more than it was pushed.
        self.advance(resumed.start);
        match resumed.how {
            How::Index => Ok(Some(Far { replayed: self.position(), head: resumed.head })),
            How::Ring | How::Reset => {
                if sabotage::is_due("forget-missed") {
                    self.advance(resumed.head);
                    return Ok(None);
                }
                self.replay_ring(&resumed.pointers).await?;
                if !resumed.more && resumed.pointers.is_empty() {
                    self.advance(resumed.head);
                }
                Ok(None)
            }
        }
    }

    /// Reads a piece of a log, as the server: what came into the inbox is the user's, whether or not they take part by now.
    async fn piece(
        &self,
        conversation: &Conversation,
        from: From,
        limit: usize,
        bytes: usize,
    ) -> Result<Page, BusError> {
        let conversation = conversation.clone();
        let _turn = self.replay_turn().await;
        self.shared()
            .bus
            .history(History { conversation, reader: None, from, limit, bytes: Some(bytes) })
            .await
    }

    /// The newest entry of a log, if there is one.
    pub(crate) async fn newest(&self, conversation: &Conversation) -> Result<Option<Entry>, BusError> {
        Ok(self.piece(conversation, From::Newest, 1, 1).await?.entries.pop())
    }

    /// Up to where the client has been pushed a conversation, as far as that is remembered.
    fn reached(&self, conversation: &Conversation) -> Seq {
        self.inbox.reached.borrow().get(conversation.into())
    }

    fn has_reached(&self, conversation: &Conversation, seq: Seq) {
        self.inbox.reached.borrow_mut().note(conversation.into(), seq);
    }

    fn push_entry(&self, entry: &Entry) {
        let user = &self.member().user;
        self.push(EntryData::from(entry));
        self.has_reached(&entry.conversation, entry.seq);
        crossing::deliver(&self.shared().server, user, entry, self.position(), 1, true);
        if turns(entry.kind(), &entry.sender, user) {
            self.compare_soon();
        }
    }
}
