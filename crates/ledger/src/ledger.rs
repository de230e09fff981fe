//! The operations: each decides, then records what it has decided.

use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::conversation::Direct;
use crate::effect::Effect;
use crate::entry::{Batch, Entry, Portion};
use crate::inbox::{Inbox, Pointer};
use crate::limits::{
    BATCH_ENTRIES_MAX, BODY_BYTES_MAX, DEVICE_TTL, DEVICES_MAX, PAGE_BYTES_MAX, PAGE_ENTRIES_MAX, SEEN_EVERY,
};
use crate::log::Log;
use crate::names::{ClientId, Device, Epoch, Server, User};
use crate::past;
use crate::position::{Millis, Position, Seq, Useq};
use crate::routes::Routes;
use crate::state::{Misfit, State};

/// All conversations and inboxes of one store.
///
/// Operations that change something push what they changed onto `effects`. The caller makes those durable
/// before it answers; one call's effects belong together and are best written as one record, though every
/// prefix of them is a state that can be gone on from.
///
/// Two ledgers are equal when their durable states are: routes do not count. Nor are they serialized; what is read back
/// must have been written by this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ledger {
    state: State,
    #[serde(skip)]
    routes: Routes,
}

/// A message to be appended.
#[derive(Debug, Clone)]
pub struct Append {
    /// Where it is said.
    pub conversation: Direct,
    /// Who says it.
    pub sender: User,
    /// What the sender's client calls it; a second one of this name from this sender is the same message.
    pub client_id: ClientId,
    /// What is said, at most [`BODY_BYTES_MAX`] bytes.
    pub body: Body,
}

/// Where a message stands in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub seq: Seq,
    /// When it was stored. Never before the message before it.
    pub at: Millis,
    /// Whether it was there already: this is the first answer again, and nothing was stored.
    pub duplicate: bool,
}

/// A message that has just come into an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Whose inbox.
    pub user: User,
    /// Its number there.
    pub useq: Useq,
    /// Which servers hold a connection of this user; none when they are away.
    pub servers: Vec<Server>,
    /// The message as this user's devices see it.
    pub entry: Entry,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Where it was said.
    pub conversation: Direct,
    /// Its number there.
    pub seq: Seq,
    /// When it was stored.
    pub at: Millis,
    /// Whether it was there already.
    pub duplicate: bool,
    /// What came into inboxes by this. Usually this message, for both participants. None for a repeat, unless
    /// the first attempt ended half-way; with earlier messages before it if those ended half-way.
    pub deliveries: Vec<Delivery>,
}

/// A conversation whose messages are not in all inboxes yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Which one.
    pub conversation: Direct,
    /// Its last message: deliver up to here, then say done.
    pub seq: Seq,
}

/// What a device that comes back is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The life of this ledger; goes with every useq.
    pub epoch: Epoch,
    /// What the device has acknowledged.
    pub cursor: Useq,
    /// The last number in the inbox.
    pub head: Useq,
    /// The entries are those after this.
    pub start: Useq,
    /// Whether the position the client gave was honoured without a hole. False when it gave none.
    pub recovered: bool,
    /// The first portion of what is to be replayed.
    pub entries: Vec<Entry>,
    /// Whether there is more: read on with [`Ledger::entries`] after the last of these.
    pub more: bool,
}

/// Why an operation was not done. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The user takes no part in the conversation. The answer is the same whether or not it exists.
    #[error("only its participants may read or write in a conversation")]
    NotAMember,
    /// The client's fault: the body is too large.
    #[error("a message body has at most {BODY_BYTES_MAX} bytes; this one has {bytes}")]
    BodyTooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// The caller's fault: it speaks of a message that was not appended.
    #[error("the conversation has no such message")]
    NoSuchMessage,
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Ledger) -> bool {
        self.state == other.state
    }
}

impl Ledger {
    /// An empty ledger. If it is a new one, [`Ledger::birth`] is the first thing to store; if effects are
    /// replayed into it, the epoch among those counts and this one does not.
    pub fn new(epoch: Epoch) -> Ledger {
        Ledger { state: State::new(epoch), routes: Routes::default() }
    }

    /// The effect that makes a replay keep this ledger's epoch.
    pub fn birth(&self) -> Effect {
        Effect::Born { epoch: self.epoch().clone() }
    }

    /// The life of this ledger.
    pub fn epoch(&self) -> &Epoch {
        self.state.epoch()
    }

    /// Replays one effect. An error means that the log it came from is not whole; nothing was changed.
    pub fn apply(&mut self, effect: &Effect) -> Result<(), Misfit> {
        self.state.apply(effect)
    }

    /// Whether one that was read back can have been written by this. What it says is relied on from here.
    pub fn check(&self) -> Result<(), Misfit> {
        self.state.check()
    }

    /// Visits effects that make a ledger of this life like this one. It may have dropped pointers that every device has
    /// acknowledged.
    pub fn past(&self, epoch: &Epoch, each: &mut dyn FnMut(Effect)) {
        each(Effect::Born { epoch: epoch.clone() });
        past::of(&self.state, each);
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Sends a direct message: append, deliver to both participants and done, in one step.
    pub fn send(&mut self, append: Append, now: Millis, effects: &mut Vec<Effect>) -> Result<Sent, Refused> {
        let conversation = append.conversation.clone();
        let Appended { seq, at, duplicate } = self.append(append, now, effects)?;
        let deliveries = if self.fanned_out(&conversation) < seq {
            let deliveries = self.deliver(&conversation, seq, conversation.participants(), effects)?;
            self.done(&conversation, seq, effects)?;
            deliveries
        } else {
            Vec::new()
        };
        Ok(Sent { conversation, seq, at, duplicate, deliveries })
    }

    /// Gives a message its place in the conversation's log, and leaves the conversation [pending] until it is
    /// fanned out. A client id that this sender has used here lately gets the first answer again.
    ///
    /// [pending]: Ledger::pending
    pub fn append(
        &mut self,
        append: Append,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Appended, Refused> {
        let Append { conversation, sender, client_id, body } = append;
        if !conversation.has(&sender) {
            return Err(Refused::NotAMember);
        }
        let bytes = body.as_bytes().len();
        if bytes > BODY_BYTES_MAX {
            return Err(Refused::BodyTooLarge { bytes });
        }
        let (seq, at) = match self.state.log(&conversation) {
            Some((_, log)) => {
                if let Some((seq, at)) = log.repeated(&sender, &client_id, now) {
                    return Ok(Appended { seq, at, duplicate: true });
                }
                (log.head().next(), log.next_at(now))
            }
            None => (Seq(1), now),
        };
        self.record(Effect::Appended { conversation, seq, sender, client_id, at, body }, effects);
        Ok(Appended { seq, at, duplicate: false })
    }

    /// Sees to it that the conversation has reached `seq` in the inboxes of `users`. Returns what came into
    /// them by this: nothing where it was there already, the earlier messages first where those were missing.
    pub fn deliver(
        &mut self,
        conversation: &Direct,
        seq: Seq,
        users: &[User],
        effects: &mut Vec<Effect>,
    ) -> Result<Vec<Delivery>, Refused> {
        let index = self.log_with(conversation, seq)?.0;
        if !users.iter().all(|user| conversation.has(user)) {
            return Err(Refused::NotAMember);
        }
        let mut deliveries = Vec::new();
        for user in users {
            let inbox = self.state.inbox(user);
            let reached = inbox.map_or(Seq::ZERO, |inbox| inbox.reached(index));
            let mut useq = inbox.map_or(Useq::ZERO, Inbox::head);
            for seq in (reached.0 + 1..=seq.0).map(Seq) {
                useq = useq.next();
                let (to, conversation) = (user.clone(), conversation.clone());
                self.record(Effect::Delivered { user: to, useq, conversation, seq }, effects);
                let entry = self.state.entry(Pointer { log: index, seq }, Some(useq));
                let servers = self.servers(user).to_vec();
                deliveries.push(Delivery { user: user.clone(), useq, servers, entry });
            }
        }
        Ok(deliveries)
    }

    /// Notes that every participant's inbox has reached `seq`. Below what is noted already it does nothing.
    pub fn done(
        &mut self,
        conversation: &Direct,
        seq: Seq,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refused> {
        let (_, log) = self.log_with(conversation, seq)?;
        if log.fanned_out() < seq {
            self.record(Effect::Done { conversation: conversation.clone(), seq }, effects);
        }
        Ok(())
    }

    /// At most `limit` conversations that have waited to be fanned out since before `older_than`, longest first.
    pub fn pending(&self, older_than: Millis, limit: usize) -> Vec<Pending> {
        let unfinished = self.state.unfinished(older_than).take(limit);
        unfinished.map(|log| Pending { conversation: log.conversation().clone(), seq: log.head() }).collect()
    }

    /// What a device that comes back has to be told, from where it says it stood, else from its cursor.
    ///
    /// A position is a place to read from, not an acknowledgement, so it may be below the cursor: two windows
    /// of one browser share a device, and one may be ahead. One of another epoch or beyond the head means
    /// nothing here. One below what the inbox has kept is moved up to that; a device the ledger knows has
    /// acknowledged what is skipped, for one it had forgotten that is a hole and `recovered` says so.
    ///
    /// Registers the device, and notes that it was seen if that is not known well enough.
    pub fn resume(
        &mut self,
        user: &User,
        device: &Device,
        from: Option<&Position>,
        portion: Portion,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Resume {
        let standing = self.state.inbox(user).and_then(|inbox| inbox.device(device));
        if standing.is_none_or(|standing| now.since(standing.seen) >= SEEN_EVERY) {
            self.record(Effect::Seen { user: user.clone(), device: device.clone(), at: now }, effects);
            self.forget_devices(user, device, now, effects);
        }

        let epoch = self.epoch().clone();
        let inbox = self.state.inbox(user).expect("it is there: the device was known or has been recorded");
        let (cursor, head, trimmed) = (inbox.cursor(device), inbox.head(), inbox.trimmed());
        let (start, recovered) = match from {
            Some(from) if from.epoch == epoch && from.useq <= head => {
                (from.useq.max(trimmed), from.useq >= trimmed || standing.is_some())
            }
            _ => (cursor, false),
        };
        let Batch { entries, more } = self.entries(user, start, portion);
        Resume { epoch, cursor, head, start, recovered, entries, more }
    }

    /// The last number in a user's inbox.
    pub fn head(&self, user: &User) -> Useq {
        self.state.inbox(user).map_or(Useq::ZERO, Inbox::head)
    }

    /// Reads on in an inbox. If entries after `after` are gone, the first one read is not `after + 1`: whoever
    /// reads for a device of its own sees that only after that device has acknowledged them or was forgotten.
    pub fn entries(&self, user: &User, after: Useq, portion: Portion) -> Batch {
        let portion = Portion { entries_max: portion.entries_max.min(BATCH_ENTRIES_MAX), ..portion };
        match self.state.inbox(user) {
            Some(inbox) => Batch::fill(self.state.entries(inbox, after), portion),
            None => Batch::default(),
        }
    }

    /// Moves a device's cursor up to `useq`, to the head at most, and never back. Returns where it stands.
    /// What every device has acknowledged may leave the inbox now.
    pub fn ack(
        &mut self,
        user: &User,
        device: &Device,
        useq: Useq,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Useq {
        let Some(inbox) = self.state.inbox(user) else { return Useq::ZERO };
        let cursor = inbox.cursor(device);
        let useq = useq.min(inbox.head());
        if useq <= cursor {
            return cursor;
        }
        self.record(Effect::Acked { user: user.clone(), device: device.clone(), useq, at: now }, effects);
        self.forget_devices(user, device, now, effects);
        useq
    }

    /// A page of a conversation: the `limit` messages before `before`, or the last ones; oldest first in the
    /// page. `more` means that there are older ones. `limit` is taken as 1 to [`PAGE_ENTRIES_MAX`]; a page of
    /// long messages ends earlier, at [`PAGE_BYTES_MAX`].
    pub fn history(
        &self,
        user: &User,
        conversation: &Direct,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Batch, Refused> {
        if !conversation.has(user) {
            return Err(Refused::NotAMember);
        }
        let Some((_, log)) = self.state.log(conversation) else { return Ok(Batch::default()) };
        let last = before.map_or(log.head().0, |before| before.0.saturating_sub(1).min(log.head().0));
        let backwards = (1..=last).rev().filter_map(|seq| log.entry(Seq(seq), None));
        let portion = Portion { entries_max: limit.min(PAGE_ENTRIES_MAX), bytes_max: PAGE_BYTES_MAX };
        let mut page = Batch::fill(backwards, portion);
        page.entries.reverse();
        Ok(page)
    }

    /// A server holds a connection of this user. Saying it twice is saying it once.
    pub fn route(&mut self, user: &User, server: &Server) {
        self.routes.insert(user, server);
    }

    /// A server holds no connection of this user any more.
    pub fn unroute(&mut self, user: &User, server: &Server) {
        self.routes.remove(user, server);
    }

    /// A server holds nobody any more.
    pub fn server_gone(&mut self, server: &Server) {
        self.routes.remove_server(server);
    }

    /// The servers that hold a connection of this user.
    pub fn servers(&self, user: &User) -> &[Server] {
        self.routes.servers(user)
    }

    /// Forgets devices that were away too long, and the longest unseen of too many; never `but`, which is here.
    fn forget_devices(&mut self, user: &User, but: &Device, now: Millis, effects: &mut Vec<Effect>) {
        let Some(inbox) = self.state.inbox(user) else { return };
        let mut others: Vec<_> =
            inbox.devices().iter().filter(|(device, _)| *device != but).map(|(d, s)| (s.seen, d)).collect();
        others.sort();
        let surplus = (others.len() + 1).saturating_sub(DEVICES_MAX);
        let forgotten = others.into_iter().enumerate();
        let forgotten: Vec<Device> = forgotten
            .filter(|(rank, (seen, _))| *rank < surplus || now.since(*seen) > DEVICE_TTL)
            .map(|(_, (_, device))| device.clone())
            .collect();
        for device in forgotten {
            self.record(Effect::Forgotten { user: user.clone(), device }, effects);
        }
    }

    fn fanned_out(&self, conversation: &Direct) -> Seq {
        self.state.log(conversation).map_or(Seq::ZERO, |(_, log)| log.fanned_out())
    }

    /// The log of a conversation that has got as far as `seq`, and its index.
    fn log_with(&self, conversation: &Direct, seq: Seq) -> Result<(usize, &Log), Refused> {
        self.state.log(conversation).filter(|(_, log)| seq <= log.head()).ok_or(Refused::NoSuchMessage)
    }

    /// The one way an operation changes anything.
    fn record(&mut self, effect: Effect, effects: &mut Vec<Effect>) {
        self.state.apply(&effect).expect("an effect decided on this state fits it");
        effects.push(effect);
    }
}
