use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use naru_fanout::{Asleep, CoreId, Directory, PeerId};
use naru_resp::{ReplyWriter, Version};
use naru_store::WriteError;
use tokio::sync::mpsc;

use super::{
    Asker, Job, Op, Task, Unblocked,
    ahead::{self, LOOKED_AT_TOGETHER},
    blocked::{Blocked, WAITED_FOR, Wait, Waiter},
    channels,
    counts::KeyCounts,
    held::{Announcement, Held, Release, Until},
    keys,
    ledger::{self, servers::Servers},
    lists,
    store::{Store, StoreError},
    streams, strings,
    upkeep::{LOOKS_AT_LEAST_EVERY, LOOKS_EVERY, Upkeep},
    usage,
};
use crate::{
    channels::Publication,
    keyspace::Kind,
    limits::{
        EXPIRED_RECORDS_A_TURN_MAX, IDLE_MARK_AFTER, JOBS_A_TURN_MAX, JOBS_GATHERED_MAX, JOBS_TOGETHER_MAX,
    },
    message::Message,
    profile::Profile,
    wire::{Answer, Mail, Reply, Resp},
};

/// What most replies fit into: an id, a number, a short status.
const REPLY_BYTES: usize = 32;

/// What became of an operation.
pub(super) enum Outcome {
    /// It is answered. This is to be published once the change counts, and the answer leaves then, or later.
    Answered(Vec<Announcement>, Until),
    /// It is answered when this is published, once that counts.
    Published(Box<Publication>),
    /// It would wait: so long, or for ever.
    Blocks(Wait, Option<Duration>),
}

impl Outcome {
    /// It is answered, and nothing else is to be done.
    pub(super) fn answered() -> Outcome {
        Outcome::Answered(Vec::new(), Until::Counts)
    }
}

/// The keeper at work.
pub(super) struct Turns {
    pub(super) store: Store,
    pub(super) upkeep: Upkeep,
    /// When there is more to do, whether anybody asks for something or not.
    pub(super) comes_again: Option<Instant>,
    /// When the keeper's thread comes back by itself, as it knows.
    pub(super) rests_until: Option<Instant>,
    /// When something was last asked for.
    pub(super) asked: Instant,
    /// The log says that all before is whole, and nothing came since.
    pub(super) is_marked: bool,
    /// Why nothing more can be done, which the keeper's thread has not seen yet.
    pub(super) failed: Option<WriteError>,
    /// How many keys it has, for others to read.
    pub(super) counts: Arc<KeyCounts>,
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) directory: Arc<Directory<Resp>>,
    pub(super) queue: VecDeque<Job>,
    pub(super) blocked: Blocked,
    pub(super) servers: Servers,
    pub(super) held: Held,
    /// Replies to be sent to each core at the end of the turn.
    pub(super) outgoing: Vec<Vec<Answer>>,
    /// Cores that have letters and sleep, until the end of the turn.
    pub(super) asleep: Asleep,
}

impl Turns {
    /// Until when nothing is to be done unless somebody asks for something, and whether jobs can be taken.
    pub(super) fn rest(&mut self) -> (Option<Instant>, bool) {
        self.rests_until = self.next_wake();
        (self.rests_until, self.queue.is_empty())
    }

    /// Whether there is something to do before the keeper's thread would come back by itself.
    pub(super) fn is_wanted_earlier(&mut self) -> bool {
        let is_stuck = self.failed.is_some() || (self.waits_for_room() && !self.is_batch_full());
        // Deadlines are given in milliseconds from now on.
        let is_earlier = |at: Instant, until: Instant| at + Duration::from_millis(2) < until;
        let next = self.next_wake();
        is_stuck || next.is_some_and(|at| self.rests_until.is_none_or(|until| is_earlier(at, until)))
    }

    fn next_wake(&mut self) -> Option<Instant> {
        // What cannot be recorded yet is done when it can.
        let expiry = if self.is_batch_full() { None } else { self.store.next_expiry() };
        let now = Instant::now();
        let deadline = self.blocked.next_deadline().into_iter().chain(expiry).min();
        let mark = (!self.is_marked).then(|| self.asked + IDLE_MARK_AFTER);
        [deadline.and_then(|after| now.checked_add(after)), self.comes_again, mark]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes jobs from where cores put them; whether any can still come.
    pub(super) fn poll_jobs(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let mut batch = Vec::new();
        let count = ready!(self.jobs.poll_recv_many(context, &mut batch, JOBS_A_TURN_MAX));
        self.enqueue(batch);
        Poll::Ready(count > 0)
    }

    fn enqueue(&mut self, jobs: impl IntoIterator<Item = Job>) {
        self.queue.extend(jobs);
        self.asked = Instant::now();
        self.is_marked = false;
    }

    /// Everything that can be done now, by the keeper's thread.
    pub(super) fn turn(&mut self) -> Result<(), WriteError> {
        self.expire();
        // Where no disk is waited for, who asked first is not kept waiting for all others: what they ask next is on its way beside
        // the rest.
        while self.queue.len() > JOBS_TOGETHER_MAX && self.store.syncs_later() && !self.is_batch_full() {
            self.do_jobs(JOBS_TOGETHER_MAX);
            self.finish(false)?;
            self.send_outgoing();
        }
        let done = self.do_jobs(usize::MAX);
        let comes_again = self.upkeep.go_on(&mut self.store);
        self.comes_again = comes_again.map(|after| Instant::now() + after);
        // Many come: while these are written the next can be done.
        let is_busy = done + self.queue.len() + self.jobs.len() >= JOBS_GATHERED_MAX;
        self.finish(!is_busy)?;
        if !self.is_marked && self.asked.elapsed() >= IDLE_MARK_AFTER {
            self.is_marked = true;
            self.mark();
        }
        self.send_outgoing();
        Ok(())
    }

    /// Whether others may do something now: what was asked for before is done, and what goes away by now has gone.
    pub(super) fn can_be_done_beside(&mut self) -> bool {
        let is_done = self.failed.is_none() && !self.waits_for_room() && self.jobs.is_empty();
        is_done && self.store.next_expiry().is_none_or(|after| !after.is_zero())
    }

    /// Whether there is something that could not be recorded yet.
    fn waits_for_room(&self) -> bool {
        !self.queue.is_empty() || !self.store.ready.is_empty()
    }

    /// As the end of a turn, by the log's own thread: what counts by now leaves, and what has gathered meanwhile goes to the log.
    pub(super) fn let_go(&mut self) {
        self.finish_beside(false);
        self.send_outgoing();
    }

    /// As [`Self::turn`], by the thread of a core that has these jobs, and without what takes long. Answers the answers to
    /// clients of that core.
    pub(super) fn turn_beside(&mut self, core: CoreId, jobs: impl Iterator<Item = Job>) -> Vec<Answer> {
        self.enqueue(jobs);
        let before = self.store.journal.last();
        self.do_jobs(usize::MAX);
        let is_more = self.store.journal.last() > before || self.store.journal.is_full();
        let after = if is_more { LOOKS_EVERY } else { LOOKS_AT_LEAST_EVERY };
        self.comes_again.get_or_insert_with(|| Instant::now() + after);
        self.finish_beside(true);
        let answers = std::mem::take(&mut self.outgoing[core.0]);
        self.send_outgoing();
        answers
    }

    /// Does what was asked for, at most so much and as far as there is room; how much that was.
    fn do_jobs(&mut self, jobs_max: usize) -> usize {
        self.store.follow_limits();
        // Who waited while there was no room goes before who comes now, and is served now.
        self.store.tick();
        self.wake();
        let mut done = 0;
        while done < jobs_max && !self.is_batch_full() {
            if done.is_multiple_of(LOOKED_AT_TOGETHER) && self.queue.len() > 1 {
                ahead::look(&self.store, self.queue.iter().take(LOOKED_AT_TOGETHER));
            }
            let Some(job) = self.queue.pop_front() else { break };
            self.perform(job);
            done += 1;
        }
        let now = Instant::now();
        while let Some(waiter) = self.blocked.expired(now) {
            self.answer_nothing(&waiter);
        }
        done
    }

    /// As [`Self::finish`]; a failure comes to light when the keeper's thread is back.
    fn finish_beside(&mut self, may_wait: bool) {
        if let Err(error) = self.finish(may_wait) {
            self.failed = Some(error);
        }
    }

    /// Has what was done recorded, and lets go what may leave.
    fn finish(&mut self, may_wait: bool) -> Result<(), WriteError> {
        self.go_on(may_wait).inspect_err(|error| self.give_up(error))
    }

    fn go_on(&mut self, may_wait: bool) -> Result<(), WriteError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.store.submit(may_wait)?;
        self.counts.note(&self.store);
        self.release();
        Ok(())
    }

    /// Nobody will ask for anything any more.
    pub(super) fn close(mut self) -> Result<(), WriteError> {
        // A failure comes to light with the rest of the log's.
        let _ = self.store.rest();
        self.store.journal.close()
    }

    /// Deletes keys whose time is over, and what is over in channels, a bounded number. A failure of the log comes to light when it is submitted to.
    fn expire(&mut self) {
        self.store.tick();
        for _ in 0..EXPIRED_RECORDS_A_TURN_MAX {
            if self.is_batch_full() || !matches!(self.store.expire_some(), Ok(true)) {
                break;
            }
        }
        for _ in 0..EXPIRED_RECORDS_A_TURN_MAX {
            if self.is_batch_full() || !matches!(self.store.expire_channels(), Ok(true)) {
                break;
            }
        }
        self.wake();
    }

    fn is_batch_full(&mut self) -> bool {
        self.store.journal.log().is_batch_full()
    }

    /// Notes in the log that all before is whole, so that damage to the last frame is told from a torn one. A failure
    /// of the log comes to light in the next turn.
    fn mark(&mut self) {
        let _ = self.store.journal.log().mark();
    }

    fn perform(&mut self, Job { asker, task }: Job) {
        match task {
            Task::Do(op) => self.answer_op(asker, op),
            Task::Exec(execution) => self.execute(asker, execution),
            Task::Watch { keys, profile } => {
                self.watch(asker, profile, keys);
            }
            Task::Unwatch(reply) => {
                self.store.watches.remove(asker.client);
                self.answer(asker, reply);
            }
            Task::Backup(begun) => {
                self.held.keep(self.store.journal.last(), Until::Counts, Release::Backup(begun))
            }
            Task::Gone => self.gone(asker.client),
        }
    }

    fn watch(&mut self, asker: Asker, profile: Arc<Profile>, keys: Vec<Bytes>) {
        self.store.tick();
        // That they go away from here on would be a change.
        let expired = self.store.expire(keys.clone());
        let watched = self.store.watches.add(profile, keys);
        self.answer_with(asker, |writer| match (expired, watched) {
            (Ok(()), Ok(())) => writer.simple("OK"),
            (Err(error), _) => writer.error(error.answer()),
            (_, Err(refused)) => writer.error(refused.to_string()),
        });
        self.wake();
    }

    fn answer_op(&mut self, asker: Asker, op: Op) {
        self.store.tick();
        let mut reply = Vec::with_capacity(REPLY_BYTES);
        match self.operate(asker, op, &mut ReplyWriter::new(&mut reply, asker.version)) {
            Ok(Outcome::Blocks(wait, timeout)) => {
                // A time beyond what the clock can say is for ever.
                let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                self.blocked.add(Waiter { asker, wait, until });
            }
            Ok(Outcome::Published(publication)) => {
                let release = Release::Publication(asker, publication);
                self.held.keep(self.store.journal.last(), Until::Counts, release);
            }
            Ok(Outcome::Answered(said, until)) => {
                self.say(said);
                self.hold(asker, until, Reply::Whole(reply));
            }
            Err(error) => self.answer_with(asker, |writer| writer.error(error.answer())),
        }
        self.wake();
    }

    /// Runs one operation. What it has for others is up to the caller, who knows when its changes are recorded.
    pub(super) fn operate(
        &mut self,
        asker: Asker,
        op: Op,
        writer: &mut ReplyWriter<'_, Vec<u8>>,
    ) -> Result<Outcome, StoreError> {
        match op {
            Op::Unblock { client, with } => {
                let was_blocked = self.unblock(client, with);
                writer.integer(i64::from(was_blocked));
            }
            Op::Usage { key } => match self.store.key(&key) {
                Some(key) => writer.integer(usage::bytes(key) as i64),
                None => writer.null(),
            },
            Op::Flush => {
                self.store.flush()?;
                self.store.ready.extend(self.blocked.keys().cloned());
                writer.simple("OK");
            }
            Op::Keys(op) => keys::run(&mut self.store, op, writer)?,
            Op::Text(op) => strings::run(&mut self.store, op, writer)?,
            Op::Ledger(op) => {
                let (said, until) =
                    ledger::run(&mut self.store, &mut self.servers, asker.client, op, writer)?;
                return Ok(Outcome::Answered(said, until));
            }
            Op::Channel(op) => return channels::run(&mut self.store, &op, writer),
            Op::Stream(op) => return streams::run(&mut self.store, op, writer),
            Op::List(op) => return lists::run(&mut self.store, op, writer),
        }
        Ok(Outcome::answered())
    }

    /// Holds messages for servers until what they tell of is durable.
    pub(super) fn say(&mut self, said: Vec<Announcement>) {
        for said in said {
            self.held.keep(self.store.journal.last(), Until::Counts, Release::Publish(said));
        }
    }

    /// Ends what is held for a client.
    fn gone(&mut self, client: PeerId) {
        if let Some(waiter) = self.blocked.remove(client) {
            self.answer_nothing(&waiter);
        }
        self.store.watches.remove(client);
        for run in self.servers.gone(client) {
            self.store.ledger.run_over(&run);
            self.store.present.over(&run);
        }
    }

    /// Ends a client's blocked command; whether it had one.
    fn unblock(&mut self, client: PeerId, with: Unblocked) -> bool {
        let Some(waiter) = self.blocked.remove(client) else { return false };
        match with {
            Unblocked::Nothing => self.answer_nothing(&waiter),
            Unblocked::Error => self.answer_with(waiter.asker, |writer| {
                writer.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
            }),
        }
        true
    }

    /// Tries the blocked commands again that wait for keys that have changed: key after key, for each those who have
    /// waited longest first. What they change is tried for too. While the log's batch is full they wait, and whoever asks
    /// for anything else behind them.
    pub(super) fn wake(&mut self) {
        if self.blocked.is_empty() {
            return self.store.ready.clear();
        }
        while !self.is_batch_full()
            && let Some(key) = self.store.ready.pop_front()
        {
            for family in WAITED_FOR {
                self.wake_family(&key, family);
            }
            if self.is_batch_full() {
                self.store.ready.push_front(key);
            }
        }
    }

    /// Tries those again that wait for something of one kind under `key`.
    fn wake_family(&mut self, key: &Bytes, family: Kind) {
        let mut before = None;
        while !self.is_batch_full()
            && let Some((place, client)) = self.blocked.next(key, family, before)
        {
            before = Some(place);
            let Some(Waiter { asker, wait, .. }) = self.blocked.get(client) else { continue };
            // Who came before may have taken the last of it, and the key with it.
            let kind = self.store.kind(key);
            if !wait.wants(kind) {
                if wait.is_lost(kind) {
                    break;
                }
                continue;
            }
            let asker = *asker;
            let mut reply = Vec::new();
            match wait.retry(&mut self.store, key, &mut ReplyWriter::new(&mut reply, asker.version)) {
                Ok(false) => continue,
                Ok(true) => self.answer(asker, reply),
                Err(error) => self.answer_with(asker, |writer| writer.error(error.answer())),
            }
            self.blocked.remove(client);
        }
    }

    /// What a blocked command gets that nothing came for.
    fn answer_nothing(&mut self, Waiter { asker, wait, .. }: &Waiter) {
        self.answer_with(*asker, |writer| wait.write_nothing(writer));
    }

    pub(super) fn answer_with(&mut self, asker: Asker, write: impl FnOnce(&mut ReplyWriter<'_, Vec<u8>>)) {
        let mut reply = Vec::new();
        write(&mut ReplyWriter::new(&mut reply, asker.version));
        self.answer(asker, reply);
    }

    fn answer(&mut self, asker: Asker, reply: Vec<u8>) {
        self.hold(asker, Until::Counts, Reply::Whole(reply));
    }

    /// Holds a reply until everything decided so far counts, or is on disk.
    pub(super) fn hold(&mut self, Asker { client, core, ticket, .. }: Asker, until: Until, reply: Reply) {
        if let Some(ticket) = ticket {
            let release = Release::Answer(core, Answer { client, ticket, reply });
            self.held.keep(self.store.journal.last(), until, release);
        }
    }

    /// Answers at the end of the turn, whatever is decided and does not count yet.
    fn answer_now(&mut self, Asker { client, core, ticket, .. }: Asker, reply: Reply) {
        self.outgoing[core.0].extend(ticket.map(|ticket| Answer { client, ticket, reply }));
    }

    /// Lets go what may leave by now: publishes at once, keeps replies for the end of the turn. What waits for a sync gets one.
    fn release(&mut self) {
        let (counts, synced) = (self.store.journal.durable(), self.store.journal.log().synced());
        let mut released = 0_usize;
        while let Some(release) = self.held.next(counts, synced) {
            // Who is to be woken is not kept waiting for all of very many.
            released += 1;
            if released.is_multiple_of(JOBS_TOGETHER_MAX) {
                self.asleep.wake();
            }
            match release {
                Release::Answer(core, answer) => self.outgoing[core.0].push(answer),
                Release::Execution(asker, until, mut execution) => {
                    self.publish_all(&mut execution);
                    let reply = Reply::Executed(execution);
                    if until == Until::Counts {
                        self.answer_now(asker, reply);
                    } else {
                        self.hold(asker, until, reply);
                    }
                }
                Release::Publication(asker, publication) => {
                    let message = || publication.message();
                    let receivers =
                        self.directory.publish_beside(publication.channel(), message, &mut self.asleep);
                    let mut reply = Vec::new();
                    publication.write_answer(receivers, &mut ReplyWriter::new(&mut reply, asker.version));
                    self.answer_now(asker, Reply::Whole(reply));
                }
                Release::Publish(Announcement { channel, payload }) => {
                    let message = || Message::new(&channel, &payload);
                    self.directory.publish_beside(&channel, message, &mut self.asleep);
                }
                Release::Backup(begun) => {
                    // Who asked may be gone.
                    let _ = begun.send(self.store.journal.log().begin_backup());
                }
            }
        }
        // Only now is it first who has not been synced.
        if self.held.wants_sync(counts, synced) {
            self.store.journal.log().sync();
        }
    }

    fn send_outgoing(&mut self) {
        for (core, answers) in self.outgoing.iter_mut().enumerate() {
            if !answers.is_empty() {
                let answers = Mail::Answers(std::mem::take(answers));
                self.directory.send_beside(CoreId(core), answers, &mut self.asleep);
            }
        }
        self.asleep.wake();
    }

    /// The log has failed: whoever waits for it is told that nothing is promised.
    fn give_up(&mut self, error: &WriteError) {
        let held: Vec<Release> = self.held.drain().collect();
        for release in held {
            let mut reply = Vec::new();
            // An error reads the same in both protocols.
            let text = format!("IOERR not stored, or not for sure: {error}");
            ReplyWriter::new(&mut reply, Version::Resp2).error(text);
            match release {
                Release::Answer(core, answer) => {
                    self.outgoing[core.0].push(Answer { reply: Reply::Whole(reply), ..answer });
                }
                Release::Execution(asker, ..) | Release::Publication(asker, _) => {
                    self.answer_now(asker, Reply::Whole(reply));
                }
                Release::Publish(_) | Release::Backup(_) => {}
            }
        }
        self.send_outgoing();
    }
}
