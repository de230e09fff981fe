//! The ledger's operations, asked on whatever line there is.

use std::sync::Arc;

use naru_ledger::answer::{Appended, Changed, Members, Page, Present, Refused, Resumed, Rows, Unread};
use naru_ledger::op::{Ack, Append, Delete, Edit, From, History, Membership, Read, Resume};
use naru_ledger::{Answer, Conversation, Device, Level, Op, Seq, Useq, User};

use crate::bus::Bus;
use crate::error::BusError;
use crate::reply::other_answer;

/// Somebody may give up on what is asked on their own task. Then it is asked once more where the link lives, since it may not
/// have left: sent twice, it is stored once.
struct GivenUp<'a>(Option<(&'a Bus, &'a Append)>);

impl GivenUp<'_> {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some((bus, append)) = self.0 {
            let append = Arc::new(append.clone());
            bus.finish(|bus| async move { drop(bus.send_to_the_end(append).await) });
        }
    }
}

/// What an answer has to be.
macro_rules! expect {
    ($answer:expr, $variant:ident) => {
        match $answer {
            Answer::$variant(answer) => Ok(answer),
            _ => Err(other_answer()),
        }
    };
}

impl Bus {
    /// Asks an operation of the ledger, that step alone. Where the link is lost under it, it is asked again on the next one;
    /// every operation is safe to repeat.
    pub async fn ask(&self, op: &Op) -> Result<Answer, BusError> {
        self.call_safely(|line| async move { line.ask(op).await }).await
    }

    /// What a message survives, by what the broker is like, without it having to wait for more than it does anyway: what to
    /// send with if nobody wants more, or less. `memory` while there is no broker.
    pub fn level(&self) -> Level {
        self.current_line().map_or(Level::Memory, |line| line.level())
    }

    /// Appends and brings it into all inboxes it is for. Sent twice, it is stored once. [`BusError::Uncertain`] where it does not
    /// get as safe as is asked for in time; where it never could, it is refused and nothing is stored.
    pub async fn send(&self, append: &Append) -> Result<Appended, BusError> {
        let level = append.level;
        let line = self.current_line().ok_or(BusError::Unreachable)?;
        if line.sends_in_one_step() {
            let given_up = GivenUp(Some((self, append)));
            let sent = self.call_in_order(|line| async move {
                line.check_level(level)?;
                line.send(append).await
            });
            let sent = sent.await;
            given_up.answered();
            if let Some(sent) = sent {
                return safe(sent?, level);
            }
        }
        // Apart: nearly nobody needs as much.
        safe(Box::pin(self.send_to_the_end(Arc::new(append.clone()))).await?, level)
    }

    async fn send_to_the_end(&self, append: Arc<Append>) -> Result<Appended, BusError> {
        let sent = self.call_to_the_end(move |line| {
            let append = Arc::clone(&append);
            async move {
                line.check_level(append.level)?;
                line.send(&append).await
            }
        });
        sent.await
    }

    /// Edits, and tells everybody. As [`Bus::send`].
    pub async fn edit(&self, edit: &Edit) -> Result<Appended, BusError> {
        let level = edit.level;
        let edit = Arc::new(edit.clone());
        let edited = self.call_to_the_end(move |line| {
            let edit = Arc::clone(&edit);
            async move {
                line.check_level(level)?;
                line.edit(&edit).await
            }
        });
        safe(edited.await?, level)
    }

    /// Deletes, and tells everybody. As [`Bus::send`].
    pub async fn delete(&self, delete: &Delete) -> Result<Appended, BusError> {
        let level = delete.level;
        let delete = Arc::new(delete.clone());
        let deleted = self.call_to_the_end(move |line| {
            let delete = Arc::clone(&delete);
            async move {
                line.check_level(level)?;
                line.delete(&delete).await
            }
        });
        safe(deleted.await?, level)
    }

    /// Changes who takes part in a room, and tells everybody. Whether it may be is the caller's to decide.
    pub async fn membership(&self, membership: &Membership) -> Result<Changed, BusError> {
        let membership = Arc::new(membership.clone());
        let changed = self.call_to_the_end(move |line| {
            let membership = Arc::clone(&membership);
            async move { line.membership(&membership).await }
        });
        changed.await
    }

    /// A device comes back.
    pub async fn resume(&self, resume: Resume) -> Result<Resumed, BusError> {
        expect!(self.ask(&Op::Resume(resume)).await?, Resumed)
    }

    /// The conversations that changed after a useq, in the order of their last change.
    pub async fn changed(
        &self,
        user: &User,
        device: &Device,
        after: Useq,
        limit: usize,
    ) -> Result<Rows, BusError> {
        let op = Op::Changed { user: user.clone(), device: device.clone(), after, limit };
        expect!(self.ask(&op).await?, Rows)
    }

    /// A user's conversations, the one that changed last first.
    pub async fn conversations(
        &self,
        user: &User,
        before: Option<Useq>,
        limit: usize,
    ) -> Result<Rows, BusError> {
        expect!(self.ask(&Op::Conversations { user: user.clone(), before, limit }).await?, Rows)
    }

    /// A device has what came up to a useq; answers where its cursor stands.
    pub async fn ack(&self, ack: Ack) -> Result<Useq, BusError> {
        expect!(self.ask(&Op::Ack(ack)).await?, Acked)
    }

    /// A user has read a conversation up to this, or to the last entry before it if there is none of that number. What is told
    /// of them to the others follows, if it can.
    pub async fn read(&self, user: &User, conversation: &Conversation, seq: Seq) -> Result<Unread, BusError> {
        let last = History {
            conversation: conversation.clone(),
            reader: Some(user.clone()),
            from: From::Before(Seq(seq.0.saturating_add(1))),
            limit: 1,
            bytes: Some(1),
        };
        let entry = self.history(last).await?.entries.pop().ok_or(Refused::NoSuchMessage)?;
        let (user, conversation, seq) = (user.clone(), conversation.clone(), entry.seq);
        let read = Read { user: user.clone(), conversation: conversation.clone(), seq, count: entry.count };
        let unread = expect!(self.ask(&Op::Read(read)).await?, Unread)?;
        if let Err(error) = self.ask(&Op::Mark { conversation, user, seq }).await {
            tracing::debug!(%error, "the others are not told how far a user has read");
        }
        Ok(unread)
    }

    /// A page of a conversation.
    pub async fn history(&self, history: History) -> Result<Page, BusError> {
        expect!(self.ask(&Op::History(history)).await?, Page)
    }

    /// Who takes part in a conversation, from after this one on.
    pub async fn members(
        &self,
        conversation: &Conversation,
        after: Option<User>,
        limit: usize,
    ) -> Result<Members, BusError> {
        let op = Op::Members { conversation: conversation.clone(), after, limit };
        expect!(self.ask(&op).await?, Members)
    }

    /// Which of these users are connected, and where.
    pub async fn presence(&self, users: Vec<User>) -> Result<Vec<Present>, BusError> {
        expect!(self.ask(&Op::Presence { users }).await?, Present)
    }
}

fn safe(appended: Appended, level: Level) -> Result<Appended, BusError> {
    if appended.level < level { Err(BusError::only_reached(appended.level)) } else { Ok(appended) }
}
