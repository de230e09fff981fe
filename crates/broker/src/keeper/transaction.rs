//! Transactions: all at once, in one record.

use naru_fanout::Publication;
use naru_resp::{ReplyWriter, Version};

use super::{
    Asker, Op,
    tell::Notice,
    turn::{Outcome, Turns},
};
use crate::{
    transaction::{Execution, Part, Step},
    wire::Reply,
};

impl Turns {
    /// Executes a transaction, or nothing of it if a key that the client watches has changed.
    pub(super) fn execute(&mut self, asker: Asker, mut execution: Box<Execution>) {
        self.store.tick();
        let expired = self.store.expire_watched(asker.client);
        if self.store.watches.remove(asker.client) || expired.is_err() {
            execution.steps = None;
        }
        let Some(steps) = &mut execution.steps else {
            return self.hold(asker, Reply::Executed(execution));
        };
        self.store.begin();
        let told: Vec<Notice> = steps.iter_mut().flat_map(|step| self.take(asker, step)).collect();
        if let Err(error) = self.store.commit() {
            return self.answer_with(asker, |writer| writer.error(error.to_string()));
        }
        self.tell(told);
        self.hold(asker, Reply::Executed(execution));
        // Who waits sees what is there after all of it, as in Redis.
        self.wake();
    }

    /// Answers a step, if it is one for the keeper; what it has for others.
    fn take(&mut self, asker: Asker, step: &mut Step) -> Vec<Notice> {
        let (op, version) = match std::mem::replace(&mut step.part, Part::Answered(Vec::new())) {
            Part::Keep(op, version) => (op, version),
            other => {
                step.part = other;
                return Vec::new();
            }
        };
        let mut reply = Vec::new();
        let mut writer = ReplyWriter::new(&mut reply, version);
        let mut told = Vec::new();
        let room = if matches!(op, Op::Ledger(_)) { self.store.check_room() } else { Ok(()) };
        match room.and_then(|()| self.operate(asker, op, &mut writer)) {
            Ok(Outcome::Answered(its)) => told = its,
            // Nothing waits in a transaction: it is answered as if it had not been asked to.
            Ok(Outcome::Blocks(wait, _)) => wait.write_empty(&mut writer),
            Err(error) => {
                reply.clear();
                ReplyWriter::new(&mut reply, version).error(error.to_string());
            }
        }
        step.part = Part::Answered(reply);
        told
    }

    /// Publishes what a transaction publishes, now that it is durable.
    pub(super) fn publish_all(&self, execution: &mut Execution) {
        for step in execution.steps.iter_mut().flatten() {
            let Part::Publish { space, message } = &step.part else { continue };
            let receivers = self.directory.publish_in(*space, message.channel(), || message.clone());
            let mut reply = Vec::new();
            // A number reads the same in both protocols.
            ReplyWriter::new(&mut reply, Version::Resp2).integer(receivers as i64);
            step.part = Part::Answered(reply);
        }
    }
}
