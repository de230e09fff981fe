use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use naru_fanout::{CoreId, Directory, PeerId};
use naru_resp::{ReplyWriter, Version};
use naru_store::{Lsn, WriteError};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use super::{
    Job, Op,
    blocked::{Blocked, Waiter},
    held::{Held, Release},
    ledger::{self, Servers, server_channel},
    store::Store,
    streams::{self, Outcome},
};
use crate::{
    limits::{IDLE_MARK_AFTER, JOBS_A_TURN_MAX},
    message::Message,
    replies::Ticket,
    wire::{Answer, Mail, Resp},
};

/// The keeper at work.
pub(super) struct Turns {
    pub(super) store: Store,
    /// How many keys it has, for others to read.
    pub(super) key_count: Arc<AtomicUsize>,
    pub(super) jobs: mpsc::Receiver<Job>,
    /// Rung by the log when more is durable, or when it has failed.
    pub(super) durable: watch::Receiver<Result<Lsn, WriteError>>,
    pub(super) directory: Arc<Directory<Resp>>,
    pub(super) queue: VecDeque<Job>,
    pub(super) blocked: Blocked,
    pub(super) servers: Servers,
    pub(super) held: Held,
    /// Replies to be sent to each core at the end of the turn.
    pub(super) outgoing: Vec<Vec<Answer>>,
}

impl Turns {
    /// Works until nobody can send jobs any more, and the log is closed; or until the log fails.
    pub(super) async fn run(mut self) -> Result<(), WriteError> {
        let mut batch = Vec::new();
        let mut is_marked = true;
        loop {
            let deadline = self.blocked.next_deadline();
            let wants_jobs = self.queue.is_empty();
            tokio::select! {
                biased;
                Ok(()) = self.durable.changed() => {}
                count = self.jobs.recv_many(&mut batch, JOBS_A_TURN_MAX), if wants_jobs => {
                    if count == 0 {
                        break;
                    }
                    self.queue.extend(batch.drain(..));
                    is_marked = false;
                }
                () = sleep(deadline.unwrap_or_default()), if deadline.is_some() => {}
                () = sleep(IDLE_MARK_AFTER), if !is_marked => {
                    is_marked = true;
                    self.mark();
                }
            }
            if let Err(error) = self.turn() {
                self.give_up(&error);
                return Err(error);
            }
        }
        match self.store.into_log() {
            Some(log) => log.close(),
            None => Ok(()),
        }
    }

    /// Everything that can be done now.
    fn turn(&mut self) -> Result<(), WriteError> {
        self.durable.borrow_and_update().clone()?;
        while !self.is_batch_full() {
            let Some(job) = self.queue.pop_front() else { break };
            self.perform(job);
        }
        let now = Instant::now();
        while let Some(waiter) = self.blocked.expired(now) {
            self.answer_nothing(&waiter.job);
        }
        if let Some(log) = self.store.log() {
            log.submit()?;
        }
        self.key_count.store(self.store.stream_count(), Ordering::Relaxed);
        self.release();
        self.send_outgoing();
        Ok(())
    }

    fn is_batch_full(&mut self) -> bool {
        self.store.log().is_some_and(|log| log.is_batch_full())
    }

    /// Notes in the log that all before is whole, so that damage to the last frame is told from a torn one. A failure
    /// of the log comes to light in the next turn.
    fn mark(&mut self) {
        if let Some(log) = self.store.log() {
            let _ = log.mark();
        }
    }

    fn perform(&mut self, job: Job) {
        let Job { client, core, version, ticket, op } = job;
        let mut reply = Vec::new();
        let mut writer = ReplyWriter::new(&mut reply, version);
        let outcome = match op {
            Op::Gone => {
                self.gone(client);
                return;
            }
            Op::Keys(op) => streams::keys(&mut self.store, &op, &mut writer),
            Op::Ledger(op) => {
                let told = ledger::run(&mut self.store, &mut self.servers, client, op, &mut writer);
                told.map(|told| {
                    for message in told {
                        let channel = server_channel(&message.server).into();
                        self.held
                            .keep(self.store.last(), Release::Publish { channel, payload: message.payload });
                    }
                })
            }
            Op::Stream(op) => {
                let job = Job { client, core, version, ticket, op: Op::Gone };
                match streams::run(&mut self.store, &mut self.blocked, &job, &op, &mut writer) {
                    Ok(Outcome::Blocked) => return,
                    Ok(Outcome::Answered) => Ok(()),
                    Ok(Outcome::Added(key)) => {
                        self.answer(client, core, ticket, reply);
                        return self.wake(&key);
                    }
                    Err(error) => Err(error),
                }
            }
        };
        if let Err(error) = outcome {
            reply.clear();
            ReplyWriter::new(&mut reply, version).error(error.to_string());
        }
        self.answer(client, core, ticket, reply);
    }

    /// Ends what is held for a client.
    fn gone(&mut self, client: PeerId) {
        if let Some(waiter) = self.blocked.remove(client) {
            self.answer_nothing(&waiter.job);
        }
        if let Some(server) = self.servers.gone(client) {
            self.store.ledger.server_gone(&server);
        }
    }

    /// Runs the commands again that wait for `key`, longest first.
    fn wake(&mut self, key: &Bytes) {
        for client in self.blocked.waiting_for(key) {
            let Some(Waiter { job, .. }) = self.blocked.get(client) else { continue };
            let Op::Stream(op) = &job.op else { continue };
            let mut reply = Vec::new();
            let mut writer = ReplyWriter::new(&mut reply, job.version);
            if streams::read_now(&self.store, op, &mut writer)
                && let Some(Waiter { job, .. }) = self.blocked.remove(client)
            {
                self.answer(job.client, job.core, job.ticket, reply);
            }
        }
    }

    /// What a blocked command gets that nothing came for.
    fn answer_nothing(&mut self, job: &Job) {
        let mut reply = Vec::new();
        ReplyWriter::new(&mut reply, job.version).null_array();
        self.answer(job.client, job.core, job.ticket, reply);
    }

    fn answer(&mut self, client: PeerId, core: CoreId, ticket: Option<Ticket>, reply: Vec<u8>) {
        if let Some(ticket) = ticket {
            self.held.keep(self.store.last(), Release::Answer(core, Answer { client, ticket, reply }));
        }
    }

    /// Lets go what is durable by now: publishes at once, keeps replies for the end of the turn.
    fn release(&mut self) {
        let durable = self.store.durable();
        while let Some(release) = self.held.next(durable) {
            match release {
                Release::Answer(core, answer) => self.outgoing[core.0].push(answer),
                Release::Publish { channel, payload } => {
                    self.directory.publish(&channel, || {
                        let message = Message::new(&channel, &payload);
                        (message.channel(), message)
                    });
                }
            }
        }
    }

    fn send_outgoing(&mut self) {
        for (core, answers) in self.outgoing.iter_mut().enumerate() {
            if !answers.is_empty() {
                self.directory.send(CoreId(core), Mail::Answers(std::mem::take(answers)));
            }
        }
    }

    /// The log has failed: whoever waits for it is told that nothing is promised.
    fn give_up(&mut self, error: &WriteError) {
        for release in self.held.drain() {
            if let Release::Answer(core, mut answer) = release {
                answer.reply.clear();
                // An error reads the same in both protocols.
                let text = format!("IOERR not stored, or not for sure: {error}");
                ReplyWriter::new(&mut answer.reply, Version::Resp2).error(text);
                self.outgoing[core.0].push(answer);
            }
        }
        self.send_outgoing();
    }
}
