//! One conversation: its messages, in the one order there is.

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::conversation::Direct;
use crate::dedupe::Dedupe;
use crate::entry::Entry;
use crate::names::{ClientId, User};
use crate::position::{Millis, Seq, Useq};

/// The messages of a conversation, which of them a retry would repeat, and how far they are fanned out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Log {
    conversation: Direct,
    /// The message with seq `n` is at `n - 1`.
    messages: Vec<Message>,
    dedupe: Dedupe,
    /// Every message up to here is in the inboxes of all participants. Never beyond the head.
    fanned_out: Seq,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Message {
    sender: User,
    client_id: ClientId,
    at: Millis,
    body: Body,
}

impl Log {
    pub(crate) fn new(conversation: Direct) -> Log {
        Log { conversation, messages: Vec::new(), dedupe: Dedupe::default(), fanned_out: Seq::ZERO }
    }

    pub(crate) fn conversation(&self) -> &Direct {
        &self.conversation
    }

    /// The last message's number.
    pub(crate) fn head(&self) -> Seq {
        Seq(self.messages.len() as u64)
    }

    pub(crate) fn fanned_out(&self) -> Seq {
        self.fanned_out
    }

    /// When a message given now is said to be: a clock that stepped back does not take the log with it.
    pub(crate) fn next_at(&self, now: Millis) -> Millis {
        self.messages.last().map_or(now, |last| last.at.max(now))
    }

    /// When the message was appended.
    pub(crate) fn at(&self, seq: Seq) -> Option<Millis> {
        self.message(seq).map(|message| message.at)
    }

    /// The message that a retry of `client_id` at this moment would repeat, and when it was appended.
    pub(crate) fn repeated(&self, sender: &User, client_id: &ClientId, now: Millis) -> Option<(Seq, Millis)> {
        let seq = self.dedupe.find(sender, client_id, self.next_at(now))?;
        Some((seq, self.at(seq)?))
    }

    /// When the first message was appended that is not fanned out.
    pub(crate) fn unfinished_since(&self) -> Option<Millis> {
        self.at(self.fanned_out.next())
    }

    /// What a device sees of a message. `useq` is its place in that device's inbox, if it is read from there.
    pub(crate) fn entry(&self, seq: Seq, useq: Option<Useq>) -> Option<Entry> {
        let message = self.message(seq)?;
        Some(Entry {
            useq,
            conversation: self.conversation.clone(),
            seq,
            from: message.sender.clone(),
            to: self.conversation.other(&message.sender).clone(),
            id: message.client_id.clone(),
            at: message.at,
            body: message.body.clone(),
        })
    }

    /// Adds the next message. `at` is not before the last one's.
    pub(crate) fn push(&mut self, sender: &User, client_id: &ClientId, at: Millis, body: &Body) {
        // The conversation's own copy of the name: a replay brings a new one with every message.
        let sender = self.conversation.participants().iter().find(|user| *user == sender).unwrap_or(sender);
        let message =
            Message { sender: sender.clone(), client_id: client_id.clone(), at, body: body.clone() };
        let seq = self.head().next();
        self.dedupe.insert(message.sender.clone(), message.client_id.clone(), seq, at);
        self.messages.push(message);
    }

    /// Notes that everything up to `seq`, which is not beyond the head, is fanned out.
    pub(crate) fn finish(&mut self, seq: Seq) {
        self.fanned_out = seq;
    }

    /// Whether it can have come to be as logs do.
    pub(crate) fn is_sound(&self) -> bool {
        let mut messages = self.messages.iter();
        self.fanned_out <= self.head() && messages.all(|message| self.conversation.has(&message.sender))
    }

    fn message(&self, seq: Seq) -> Option<&Message> {
        let index = usize::try_from(seq.0.checked_sub(1)?).ok()?;
        self.messages.get(index)
    }
}
