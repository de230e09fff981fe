use std::{
    cell::{Cell, RefCell, RefMut},
    rc::Rc,
    sync::Arc,
    sync::atomic::Ordering,
};

use bytes::Bytes;
use naru_fanout::{Link, OutboxLimit, Peer, PeerId, Slow, Space, Topic};
use naru_resp::{ReplyWriter, Version};
use tokio::sync::Notify;

use crate::{
    acl::{Access, Acl, User},
    class::Class,
    config::Config,
    frame::Frame,
    limits::OUTBOX_BYTES_UNAUTHENTICATED_MAX,
    mute::Mute,
    profile::Profile,
    replies::{Replies, Ticket},
    subscriptions::Subscriptions,
    transaction::{Execution, Part, Transaction},
    weight::Weight,
    wire::Resp,
};

/// A connection, on its core.
pub(crate) struct Client {
    link: Rc<Link>,
    profile: Arc<Profile>,
    config: Arc<Config>,
    version: Cell<Version>,
    replies: RefCell<Replies>,
    subscriptions: RefCell<Subscriptions>,
    /// What was said since MULTI, if it was.
    transaction: RefCell<Option<Transaction>>,
    /// A command of a transaction is being executed: what it answers goes here.
    captured: RefCell<Option<Box<Captured>>>,
    /// A transaction that the keeper has done its part of, and the rest is the core's.
    half_done: RefCell<Option<(Ticket, Box<Execution>)>>,
    /// The keeper has been asked to note changes of keys, and not yet to stop.
    watching: Cell<bool>,
    /// Rung when a missing reply has come, or is the core's to make.
    answered: Notify,
    /// The keeper holds something of this client that must end with it.
    held_by_keeper: Cell<bool>,
    /// Subscriptions end without being confirmed.
    silent: Cell<bool>,
    mute: Cell<Mute>,
    last_command: Cell<&'static str>,
    access: Access,
    refused_passwords: Cell<u32>,
    /// Bytes that were read and are no complete command yet, or wait behind one; and the room they are in. Beyond what a
    /// `u32` can say, that.
    input_bytes: Cell<(u32, u32)>,
    /// What waited for it when that was last looked at, in the same way.
    queued_before: Cell<u32>,
}

/// What came of a command of a transaction.
pub(crate) struct Captured {
    capture: Capture,
    pub(crate) reply: Vec<u8>,
    /// What it would have the keeper do.
    pub(crate) part: Option<Part>,
}

/// What a command of a transaction is run for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    /// Its effect and its reply.
    Run,
    /// To learn what the keeper is to do for it.
    Plan,
}

impl Client {
    pub(crate) fn new(
        link: Rc<Link>,
        profile: Arc<Profile>,
        config: Arc<Config>,
        access: Access,
    ) -> Rc<Self> {
        profile.labels.lock().user = Some(access.user());
        Rc::new(Client {
            link,
            profile,
            config,
            version: Cell::default(),
            replies: RefCell::default(),
            subscriptions: RefCell::default(),
            transaction: RefCell::default(),
            captured: RefCell::default(),
            half_done: RefCell::default(),
            watching: Cell::new(false),
            answered: Notify::new(),
            held_by_keeper: Cell::new(false),
            silent: Cell::new(false),
            mute: Cell::default(),
            last_command: Cell::new(""),
            access,
            refused_passwords: Cell::new(0),
            input_bytes: Cell::default(),
            queued_before: Cell::new(0),
        })
    }

    pub(crate) fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Notes which command it is at, for `CLIENT LIST`; costs nothing while that stays the same.
    pub(crate) fn executes(&self, command: &'static str) {
        if self.last_command.replace(command) != command {
            self.profile.labels.lock().last_command = command;
        }
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.access.is_signed_in()
    }

    /// Who it is and what it may do.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn sign_in(&self, user: Arc<User>) {
        self.profile.labels.lock().user = Some(user.clone());
        self.access.sign_in(user);
    }

    pub(crate) fn sign_out(&self, acl: &Acl) {
        self.access.sign_out(acl);
        self.profile.labels.lock().user = Some(self.access.user());
    }

    /// Takes up what has become of its user; false if the connection has to end for it.
    pub(crate) fn follow(&self, acl: &Acl) -> bool {
        let stays = self.access.follow(acl, || self.topics());
        if !stays {
            tracing::info!(
                client = %self.profile.id, address = %self.profile.address,
                user = self.access.user().shown_name(),
                "closed: its user was deleted, or may no longer hear what it is subscribed to"
            );
        }
        stays
    }

    /// Counts a wrong password; how many that makes on this connection.
    pub(crate) fn password_refused(&self) -> u32 {
        self.refused_passwords.update(|count| count + 1);
        self.refused_passwords.get()
    }

    /// Wrong passwords on this connection so far.
    pub(crate) fn refused_passwords(&self) -> u32 {
        self.refused_passwords.get()
    }

    /// Notes how much input is kept for it, and in how much room.
    pub(crate) fn keeps_input(&self, input: &Vec<u8>) {
        self.input_bytes.set((saturated(input.len()), saturated(input.capacity())));
    }

    /// What is kept for it. What it shares with others counts for each.
    pub(crate) fn weight(&self) -> Weight {
        let (input, capacity) = self.input_bytes.get();
        let (input, capacity) = (input as usize, capacity as usize);
        Weight {
            input,
            input_free: capacity - input,
            transaction: self.transaction().as_ref().map_or(0, Transaction::bytes),
            held_back: self.owed().1,
            outbox: self.link.queued(),
            subscriptions: self.subscriptions.borrow().bytes(),
        }
    }

    /// Whether it has taken some of what waited for it since this was last asked.
    pub(crate) fn takes_output(&self) -> bool {
        let queued = saturated(self.link.queued());
        queued < self.queued_before.replace(queued)
    }

    pub(crate) fn version(&self) -> Version {
        self.version.get()
    }

    pub(crate) fn set_version(&self, version: Version) {
        self.version.set(version);
        self.profile.resp.store(if version == Version::Resp3 { 3 } else { 2 }, Ordering::Relaxed);
    }

    pub(crate) fn set_mute(&self, mute: Mute) {
        self.mute.set(mute);
    }

    /// The next command is not answered; nothing changes for whom no command is.
    pub(crate) fn skip_next_reply(&self) {
        if self.mute.get() != Mute::Always {
            self.mute.set(Mute::Next);
        }
    }

    /// The command at hand is done.
    pub(crate) fn executed(&self) {
        self.mute.set(self.mute.get().next());
    }

    /// Writes a reply behind everything the client is still owed, if it wants replies.
    pub(crate) fn reply(&self, write: impl FnOnce(&mut ReplyWriter<'_, Vec<u8>>)) {
        if self.mute.get().is_answered() {
            self.push(write);
        }
    }

    /// Writes a reply or a push, behind everything the client is still owed.
    pub(crate) fn push(&self, write: impl FnOnce(&mut ReplyWriter<'_, Vec<u8>>)) {
        if self.link.is_closed() {
            return;
        }
        let version = self.version.get();
        let encode = |out: &mut Vec<u8>| write(&mut ReplyWriter::new(out, version));
        let mut replies = self.replies.borrow_mut();
        if replies.is_empty() {
            // A transaction keeps the place of its reply while it runs, so nothing is being captured here.
            self.ended_if(self.link.write(|writer| writer.encode(encode)));
        } else if let Some(captured) = &mut *self.captured.borrow_mut() {
            encode(&mut captured.reply);
        } else {
            replies.append(encode);
        }
    }

    /// Keeps the place of a reply that the keeper will make.
    pub(crate) fn reserve(&self) -> Ticket {
        self.replies.borrow_mut().reserve(self.mute.get().is_answered())
    }

    /// Fills a place that was kept.
    pub(crate) fn answer(&self, ticket: Ticket, reply: Vec<u8>) {
        let mut written = Ok(());
        self.replies.borrow_mut().fill(ticket, reply, |bytes| {
            written = self.link.write(|writer| writer.copy(bytes)).and(written);
        });
        self.ended_if(written);
        self.answered.notify_waiters();
    }

    /// Leaves the rest of a transaction to who calls [`Self::take_half_done`].
    pub(crate) fn leave_half_done(&self, ticket: Ticket, execution: Box<Execution>) {
        *self.half_done.borrow_mut() = Some((ticket, execution));
        self.answered.notify_waiters();
    }

    /// Waits until every reply is there, or it is the core's to go on with a transaction: also when the connection has
    /// been closed meanwhile, since of a transaction the keeper's part must not happen alone.
    pub(crate) async fn settled(&self) {
        loop {
            let answered = self.answered.notified();
            if self.owed().0 == 0 || self.half_done.borrow().is_some() {
                return;
            }
            answered.await;
        }
    }

    pub(crate) fn take_half_done(&self) -> Option<(Ticket, Box<Execution>)> {
        self.half_done.take()
    }

    /// Waits until at most `most` slots wait for the keeper.
    pub(crate) async fn answered_down_to(&self, most: usize) {
        loop {
            let answered = self.answered.notified();
            if self.link.is_closed() || self.replies.borrow().waiting().0 <= most {
                return;
            }
            tokio::select! {
                () = answered => {}
                () = self.link.closed() => {}
            }
        }
    }

    /// What the client is owed: slots, and bytes that wait behind them.
    pub(crate) fn owed(&self) -> (usize, usize) {
        self.replies.borrow().waiting()
    }

    /// What was said since MULTI.
    pub(crate) fn transaction(&self) -> RefMut<'_, Option<Transaction>> {
        self.transaction.borrow_mut()
    }

    /// Ends the transaction; what was in it.
    pub(crate) fn take_transaction(&self) -> Option<Transaction> {
        self.show_queued(None);
        self.transaction.take()
    }

    /// How many commands of a transaction `CLIENT LIST` shows.
    pub(crate) fn show_queued(&self, count: Option<usize>) {
        self.profile.queued.store(count.map_or(-1, |count| count as i64), Ordering::Relaxed);
    }

    /// Runs a command of a transaction, whose reply is not the client's yet. Only while a place is kept for the whole.
    pub(crate) fn capture(&self, capture: Capture, run: impl FnOnce()) -> Captured {
        debug_assert!(self.owed().0 > 0);
        *self.captured.borrow_mut() = Some(Box::new(Captured { capture, reply: Vec::new(), part: None }));
        run();
        *self.captured.take().expect("it was put there above, and nothing else takes it")
    }

    /// What the command under way is run for, if it is one of a transaction.
    pub(crate) fn capturing(&self) -> Option<Capture> {
        self.captured.borrow().as_ref().map(|captured| captured.capture)
    }

    /// Notes what the command under way would have the keeper do. Only while [`Self::capturing`].
    pub(crate) fn capture_part(&self, part: Part) {
        if let Some(captured) = &mut *self.captured.borrow_mut() {
            captured.part = Some(part);
        }
    }

    /// Whether EXEC would change anything or be heard by others.
    pub(crate) fn has_queued_writes(&self) -> bool {
        self.transaction().as_ref().is_some_and(Transaction::writes)
    }

    pub(crate) fn start_watching(&self) {
        self.hold_in_keeper();
        self.watching.set(true);
    }

    /// From here on it watches nothing, once the keeper hears of it; whether it did.
    pub(crate) fn stop_watching(&self) -> bool {
        self.watching.replace(false)
    }

    pub(crate) fn hold_in_keeper(&self) {
        self.held_by_keeper.set(true);
    }

    pub(crate) fn is_held_by_keeper(&self) -> bool {
        self.held_by_keeper.get()
    }

    /// Adds a subscription; false if there was one.
    pub(crate) fn add(&self, topic: &Topic) -> bool {
        let fresh = self.subscriptions.borrow_mut().add(topic);
        self.subscriptions_changed();
        fresh
    }

    /// Takes a subscription away; false if there was none.
    pub(crate) fn forget(&self, topic: &Topic) -> bool {
        let known = self.subscriptions.borrow_mut().forget(topic);
        self.subscriptions_changed();
        known
    }

    pub(crate) fn channels(&self) -> Vec<Topic> {
        self.subscriptions.borrow().channels().collect()
    }

    pub(crate) fn shard_channels(&self) -> Vec<Topic> {
        self.subscriptions.borrow().shard_channels().collect()
    }

    pub(crate) fn patterns(&self) -> Vec<Topic> {
        self.subscriptions.borrow().patterns().collect()
    }

    pub(crate) fn pattern_count(&self) -> usize {
        self.subscriptions.borrow().patterns().len()
    }

    /// All subscriptions of every kind.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        [self.channels(), self.shard_channels(), self.patterns()].concat()
    }

    /// Under RESP2 a subscriber may only change its subscriptions, since replies could not be told from messages.
    pub(crate) fn is_in_subscribed_mode(&self) -> bool {
        self.version.get() == Version::Resp2 && !self.subscriptions.borrow().is_empty()
    }

    fn subscriptions_changed(&self) {
        let subscriptions = self.subscriptions.borrow();
        self.profile.channels.store(subscriptions.channels().len(), Ordering::Relaxed);
        self.profile.shard_channels.store(subscriptions.shard_channels().len(), Ordering::Relaxed);
        self.profile.patterns.store(subscriptions.patterns().len(), Ordering::Relaxed);
        drop(subscriptions);
        self.limit_output();
    }

    /// Has the limit on what waits for it follow its class and the configuration.
    pub(crate) fn limit_output(&self) {
        // Redis lets monitors fall behind for ever; here who only listens is held to what subscribers are.
        let class = if self.profile.is_monitor() { Class::Pubsub } else { self.profile.class() };
        let limit = self.config.output_limit(class);
        self.link.set_limit(if self.is_signed_in() { limit } else { for_strangers(limit) });
    }

    /// Takes a line about a command that was executed.
    pub(crate) fn watch(&self, line: &[u8]) {
        if self.link.is_closed() {
            return;
        }
        let version = self.version.get();
        let encode = |out: &mut Vec<u8>| ReplyWriter::new(out, version).simple(line);
        let mut replies = self.replies.borrow_mut();
        if replies.is_empty() {
            self.ended_if(self.link.write(|writer| writer.encode(encode)));
        } else {
            // Also while a transaction of its own runs, whose reply this is no part of.
            replies.append(encode);
            drop(replies);
            self.bound_what_waits();
        }
    }

    /// Ends the connection if more waits behind a missing reply than a subscriber may leave unread.
    fn bound_what_waits(&self) {
        if self.replies.borrow().waiting().1 > self.config.output_limit(Class::Pubsub).hard_bytes {
            self.ended_if(Err(Slow));
        }
    }

    /// Runs `change`, whose changes of the subscriptions are not confirmed.
    pub(crate) fn without_confirmations(&self, change: impl FnOnce()) {
        self.silent.set(true);
        change();
        self.silent.set(false);
    }

    /// Confirms one change of the subscriptions in a name space.
    pub(crate) fn confirm(&self, kind: &str, space: Space, name: Option<&Bytes>) {
        if self.silent.get() {
            return;
        }
        let count = self.subscriptions.borrow().counted(space);
        self.push(|writer| {
            writer.push(3);
            writer.bulk(kind);
            match name {
                Some(name) => writer.bulk(name),
                None => writer.null(),
            }
            writer.integer(count as i64);
        });
    }

    fn ended_if(&self, written: Result<(), Slow>) {
        if let Err(slow) = written {
            tracing::warn!(client = %self.profile.id, address = %self.profile.address, "closed: {slow}");
            self.link.close();
        }
    }
}

fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The limit of somebody who has not signed in.
fn for_strangers(limit: OutboxLimit) -> OutboxLimit {
    let hard_bytes = limit.hard_bytes.min(OUTBOX_BYTES_UNAUTHENTICATED_MAX);
    OutboxLimit { hard_bytes, soft_bytes: limit.soft_bytes.min(hard_bytes), ..limit }
}

impl Peer<Resp> for Client {
    fn id(&self) -> PeerId {
        self.profile.id
    }

    fn link(&self) -> &Rc<Link> {
        &self.link
    }

    fn deliver(&self, frame: &Frame<'_>) {
        if self.link.is_closed() {
            return;
        }
        let version = self.version.get();
        let mut replies = self.replies.borrow_mut();
        if replies.is_empty() {
            self.ended_if(self.link.deliver(|writer| frame.write(version, writer)));
        } else {
            replies.append(|out| frame.copy_to(version, out));
            drop(replies);
            self.bound_what_waits();
        }
    }

    fn subscribed(&self, topic: &Topic) {
        let kind = match topic {
            Topic::Channel(_) => "subscribe",
            Topic::ShardChannel(_) => "ssubscribe",
            Topic::Pattern(_) => "psubscribe",
        };
        self.confirm(kind, topic.space(), Some(topic.name()));
    }

    fn unsubscribed(&self, topic: &Topic) {
        let kind = match topic {
            Topic::Channel(_) => "unsubscribe",
            Topic::ShardChannel(_) => "sunsubscribe",
            Topic::Pattern(_) => "punsubscribe",
        };
        self.confirm(kind, topic.space(), Some(topic.name()));
    }
}
