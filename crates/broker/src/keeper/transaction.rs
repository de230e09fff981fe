//! Transactions: all at once, in one record.

use naru_fanout::Publication;
use naru_resp::{ReplyWriter, Version};

use super::{
    Asker,
    held::{Announcement, Release, Until},
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
            return self.hold(asker, Until::Counts, Reply::Executed(execution));
        };
        self.store.begin();
        let (mut said, mut until) = (Vec::new(), Until::Counts);
        for step in steps {
            let (its, until_then) = self.take(asker, step);
            said.extend(its);
            until = until.max(until_then);
        }
        if let Err(error) = self.store.commit() {
            return self.answer_with(asker, |writer| writer.error(error.answer()));
        }
        self.say(said);
        self.held.keep(self.store.journal.last(), Until::Counts, Release::Execution(asker, until, execution));
        // Who waits sees what is there after all of it, as in Redis.
        self.wake();
    }

    /// Answers a step, if it is one for the keeper; what it has for others, and what its answer waits for.
    fn take(&mut self, asker: Asker, step: &mut Step) -> (Vec<Announcement>, Until) {
        let (op, version) = match std::mem::replace(&mut step.part, Part::Answered(Vec::new())) {
            Part::Keep(op, version) => (op, version),
            other => {
                step.part = other;
                return (Vec::new(), Until::Counts);
            }
        };
        let mut reply = Vec::new();
        let mut writer = ReplyWriter::new(&mut reply, version);
        let mut afterwards = (Vec::new(), Until::Counts);
        match self.operate(asker, op, &mut writer) {
            Ok(Outcome::Answered(said, until)) => afterwards = (said, until),
            Ok(Outcome::Published(publication)) => {
                step.part = Part::PublishKept(publication, version);
                return afterwards;
            }
            // Nothing waits in a transaction: it is answered as if it had not been asked to.
            Ok(Outcome::Blocks(wait, _)) => wait.write_empty(&mut writer),
            Err(error) => {
                reply.clear();
                ReplyWriter::new(&mut reply, version).error(error.answer());
            }
        }
        step.part = Part::Answered(reply);
        afterwards
    }

    /// Publishes what a transaction publishes, now that it counts.
    pub(super) fn publish_all(&self, execution: &mut Execution) {
        for step in execution.steps.iter_mut().flatten() {
            let mut reply = Vec::new();
            match std::mem::replace(&mut step.part, Part::Run) {
                Part::Publish { space, message } => {
                    let receivers = self.directory.publish_in(space, message.channel(), || message.clone());
                    // A number reads the same in both protocols.
                    ReplyWriter::new(&mut reply, Version::Resp2).integer(receivers as i64);
                }
                Part::PublishKept(publication, version) => {
                    let receivers = self.directory.publish(publication.channel(), || publication.message());
                    publication.write_answer(receivers, &mut ReplyWriter::new(&mut reply, version));
                }
                other => {
                    step.part = other;
                    continue;
                }
            }
            step.part = Part::Answered(reply);
        }
    }
}
