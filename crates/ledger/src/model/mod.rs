//! The ledger as it is meant: what every store is tested against.

mod append;
mod devices;
mod fan_out;
mod history;
mod index;
mod log;
mod members;
mod person;
mod resume;
mod routes;
mod tracing;

use std::collections::BTreeMap;

use crate::answer::{Answer, Refused};
use crate::limits::Limits;
use crate::names::{Epoch, Server, User};
use crate::op::Op;
use crate::position::Millis;
use crate::{Conversation, Generation};

use log::Log;
use person::Person;
use routes::Routes;

/// All conversations and inboxes of one store, kept in the plainest way there is: no packing, whole bodies, searched through
/// from one end to the other. It is here to be obviously right, not to be fast.
///
/// Everything it does follows from the operations, the moments and the generations it is given, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    epoch: Epoch,
    generation: Generation,
    limits: Limits,
    logs: BTreeMap<Conversation, Log>,
    people: BTreeMap<User, Person>,
    routes: Routes,
    /// Who finishes which conversation's fan-out, and until when it is left to them.
    leases: BTreeMap<Conversation, (Server, Millis)>,
}

impl Model {
    /// An empty ledger in its first generation.
    pub fn new(epoch: Epoch, limits: Limits) -> Model {
        Model {
            epoch,
            generation: Generation::FIRST,
            limits,
            logs: BTreeMap::new(),
            people: BTreeMap::new(),
            routes: Routes::default(),
            leases: BTreeMap::new(),
        }
    }

    /// The store may have lost its newest records: from here on it is in this generation. Never an older one than before.
    pub fn raise(&mut self, generation: Generation) {
        self.generation = self.generation.max(generation);
    }

    /// Other limits from here on.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The store was started anew: what is volatile (routes, and leases of servers and sweeps) is gone.
    pub fn restart(&mut self) {
        self.routes = Routes::default();
        self.leases.clear();
    }

    /// Takes an operation. If it is refused, nothing is changed.
    pub fn run(&mut self, op: &Op, now: Millis) -> Result<Answer, Refused> {
        Ok(match op {
            Op::Append(append) => Answer::Appended(self.append(append, now)?),
            Op::Edit(edit) => Answer::Appended(self.edit(edit, now)?),
            Op::Delete(delete) => Answer::Appended(self.delete(delete, now)?),
            Op::Deliver(deliver) => Answer::Delivered(self.deliver(deliver, now)?),
            Op::Done { conversation, seq } => Answer::Done(self.done(conversation, *seq)?),
            Op::Send(append) => Answer::Appended(self.send(append, now)?),
            Op::Sweep(sweep) => Answer::Open(self.sweep(sweep, now)),
            Op::Resume(resume) => Answer::Resumed(self.resume(resume, now)),
            Op::Changed { user, device, after, limit } => {
                Answer::Rows(self.changed(user, device, *after, *limit))
            }
            Op::Conversations { user, before, limit } => {
                Answer::Rows(self.conversations(user, *before, *limit))
            }
            Op::Ack(ack) => Answer::Acked(self.ack(ack, now)),
            Op::Read(read) => Answer::Unread(self.read(read)?),
            Op::Mark { conversation, user, seq } => Answer::Marked(self.mark(conversation, user, *seq)?),
            Op::History(history) => Answer::Page(self.history(history)?),
            Op::Membership(membership) => Answer::Changed(self.membership(membership, now)?),
            Op::Members { conversation, after, limit } => {
                Answer::Members(self.members(conversation, after.as_ref(), *limit))
            }
            Op::Server(is) => {
                self.routes.server(is, now);
                Answer::Ok
            }
            Op::Route { run, users } => {
                users.iter().for_each(|user| self.routes.insert(user, run));
                Answer::Ok
            }
            Op::Unroute { run, users } => {
                users.iter().for_each(|user| self.routes.remove(user, run));
                Answer::Ok
            }
            Op::Presence { users } => Answer::Present(self.routes.present(users, now)),
            Op::Trace { conversation, what } => Answer::Traced(self.trace(conversation, what, now)),
            Op::Standing { user, conversation } => Answer::Standing(self.standing(user, conversation, now)),
        })
    }

    /// What an asked for number of entries, pointers or rows is taken as.
    fn page(&self, limit: usize) -> usize {
        limit.clamp(1, self.limits.page_entries_max.max(1))
    }
}

/// The first `limit` of what there is, and whether there is more.
fn page_of<T>(mut all: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, bool) {
    let page: Vec<T> = all.by_ref().take(limit).collect();
    let more = all.next().is_some();
    (page, more)
}
