//! Everything that is durable. Its fields are private to this file and `apply` alone changes them, so that a
//! replay cannot miss a change.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::conversation::Direct;
use crate::effect::Effect;
use crate::entry::Entry;
use crate::inbox::{Inbox, Pointer};
use crate::log::Log;
use crate::names::{Epoch, User};
use crate::position::{Millis, Seq, Useq};

/// An effect that does not follow from the ones before it: a record is missing, doubled, or not from this
/// ledger. The state is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record does not follow from those before it ({0}): some are missing, doubled or from elsewhere")]
pub struct Misfit(&'static str);

fn ensure(fits: bool, rule: &'static str) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(Misfit(rule)) }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    epoch: Epoch,
    logs: Vec<Log>,
    indexes: HashMap<Direct, usize>,
    inboxes: HashMap<User, Inbox>,
    /// The logs that are not fanned out to their head, by the time of the first message that is not.
    unfinished: BTreeSet<(Millis, usize)>,
}

impl State {
    pub(crate) fn new(epoch: Epoch) -> State {
        State {
            epoch,
            logs: Vec::new(),
            indexes: HashMap::new(),
            inboxes: HashMap::new(),
            unfinished: BTreeSet::new(),
        }
    }

    pub(crate) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// A conversation's log and its index.
    pub(crate) fn log(&self, conversation: &Direct) -> Option<(usize, &Log)> {
        let index = *self.indexes.get(conversation)?;
        Some((index, &self.logs[index]))
    }

    pub(crate) fn inbox(&self, user: &User) -> Option<&Inbox> {
        self.inboxes.get(user)
    }

    /// All logs, by their index.
    pub(crate) fn logs(&self) -> &[Log] {
        &self.logs
    }

    pub(crate) fn inboxes(&self) -> impl Iterator<Item = (&User, &Inbox)> {
        self.inboxes.iter()
    }

    /// The logs that have waited to be fanned out since before `before`, longest first.
    pub(crate) fn unfinished(&self, before: Millis) -> impl Iterator<Item = &Log> {
        self.unfinished.range(..(before, 0)).map(|(_, index)| &self.logs[*index])
    }

    /// What an inbox holds after `after`.
    pub(crate) fn entries(&self, inbox: &Inbox, after: Useq) -> impl Iterator<Item = Entry> {
        inbox.after(after).map(|(useq, pointer)| self.entry(pointer, Some(useq)))
    }

    /// What a pointer points to.
    pub(crate) fn entry(&self, pointer: Pointer, useq: Option<Useq>) -> Entry {
        let entry = self.logs[pointer.log].entry(pointer.seq, useq);
        entry.expect("a pointer is only made to a message that is in the log, and logs are kept")
    }

    /// Changes what an effect says is changed, or nothing if it does not fit.
    pub(crate) fn apply(&mut self, effect: &Effect) -> Result<(), Misfit> {
        match effect {
            Effect::Born { epoch } => {
                ensure(self.logs.is_empty() && self.inboxes.is_empty(), "born once, before all else")?;
                self.epoch = epoch.clone();
            }
            Effect::Appended { conversation, seq, sender, client_id, at, body } => {
                ensure(conversation.has(sender), "senders take part in the conversation")?;
                let index = match self.log(conversation) {
                    Some((index, log)) => {
                        ensure(*seq == log.head().next(), "messages are numbered without holes")?;
                        ensure(*at == log.next_at(*at), "a log's time does not go back")?;
                        index
                    }
                    None => {
                        ensure(seq.0 == 1, "messages are numbered from 1")?;
                        let index = self.logs.len();
                        self.logs.push(Log::new(conversation.clone()));
                        self.indexes.insert(conversation.clone(), index);
                        index
                    }
                };
                self.change(index, |log| log.push(sender, client_id, *at, body));
            }
            Effect::Delivered { user, useq, conversation, seq } => {
                let (index, log) = self.log(conversation).ok_or(Misfit("delivered from a log"))?;
                ensure(conversation.has(user), "recipients take part in the conversation")?;
                ensure(*seq <= log.head(), "delivered from a log")?;
                let (head, reached) = self
                    .inbox(user)
                    .map_or_else(Default::default, |inbox| (inbox.head(), inbox.reached(index)));
                ensure(*useq == head.next(), "inboxes are numbered without holes")?;
                ensure(*seq == reached.next(), "delivered in the order of the log")?;
                self.inbox_mut(user).push(Pointer { log: index, seq: *seq });
            }
            Effect::Done { conversation, seq } => {
                let (index, log) = self.log(conversation).ok_or(Misfit("done with a log"))?;
                ensure(log.fanned_out() < *seq && *seq <= log.head(), "done goes on, to the head at most")?;
                self.change(index, |log| log.finish(*seq));
            }
            Effect::Seen { user, device, at } => self.inbox_mut(user).see(device, *at),
            Effect::Acked { user, device, useq, at } => {
                let inbox = self.inbox(user).ok_or(Misfit("acknowledged from an inbox"))?;
                ensure(
                    inbox.cursor(device) < *useq && *useq <= inbox.head(),
                    "cursors go on, to the head at most",
                )?;
                self.inbox_mut(user).ack(device, *useq, *at);
            }
            Effect::Forgotten { user, device } => {
                let known = self.inbox(user).and_then(|inbox| inbox.device(device));
                ensure(known.is_some(), "forgotten is what was known")?;
                self.inbox_mut(user).forget(device);
            }
        }
        Ok(())
    }

    /// Whether all fits together.
    pub(crate) fn check(&self) -> Result<(), Misfit> {
        ensure(self.indexes.len() == self.logs.len(), "each conversation has a log")?;
        for (conversation, index) in &self.indexes {
            let log = self.logs.get(*index).ok_or(Misfit("each conversation has a log"))?;
            ensure(log.conversation() == conversation, "each conversation has its own log")?;
            ensure(
                log.is_sound(),
                "messages of a log are of its conversation, and fanned out to the head at most",
            )?;
        }
        for inbox in self.inboxes.values() {
            let is_in_log = |log: usize, seq: Seq| self.logs.get(log).is_some_and(|log| seq <= log.head());
            let points = |pointer: &Pointer| pointer.seq > Seq::ZERO && is_in_log(pointer.log, pointer.seq);
            ensure(inbox.pointers().all(points), "pointers are to messages")?;
            let mut reached = inbox.all_reached();
            ensure(reached.all(|(log, seq)| is_in_log(log, seq)), "what an inbox has reached is in a log")?;
            ensure(inbox.is_sound(), "an inbox has come from its logs, and cursors are at the head at most")?;
        }
        let unfinished: BTreeSet<_> =
            (0..).zip(&self.logs).filter_map(|(index, log)| Some((log.unfinished_since()?, index))).collect();
        ensure(unfinished == self.unfinished, "logs that are not fanned out are noted")
    }

    /// Changes a log and keeps its place among the unfinished ones true.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut Log)) {
        let log = &mut self.logs[index];
        let before = log.unfinished_since();
        change(log);
        let after = log.unfinished_since();
        if before != after {
            if let Some(since) = before {
                self.unfinished.remove(&(since, index));
            }
            if let Some(since) = after {
                self.unfinished.insert((since, index));
            }
        }
    }

    fn inbox_mut(&mut self, user: &User) -> &mut Inbox {
        self.inboxes.entry(user.clone()).or_default()
    }
}
