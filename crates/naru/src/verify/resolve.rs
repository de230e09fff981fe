//! What a step means where it stands.

use std::collections::BTreeSet;
use std::time::Duration;

use naru_ledger::op::{
    Ack, Append, Change, Delete, Edit, From, History, Membership, Read, Resume, Said, ServerIs, What, Within,
};
use naru_ledger::{Answer, Body, Conversation, Epoch, Level, Millis, Model, Op, Position, Seq, Useq, User};

use super::cast;
use super::step::{self, Asked, Pages, Stands};
use super::world::World;

/// Whether the entry is there that a store which has not the log at hand believes to be there.
fn is_believed_rightly(model: &mut Model, op: &Op, now: Millis) -> bool {
    let (conversation, seq) = match op {
        Op::Deliver(deliver) => (&deliver.conversation, deliver.seq),
        Op::Read(read) => (&read.conversation, read.seq),
        _ => return true,
    };
    let trace = model.run(&Op::Trace { conversation: conversation.clone(), what: What::Seq(seq) }, now);
    matches!(trace, Ok(Answer::Traced(traced)) if traced.entry.is_some())
}

impl World<'_> {
    /// The operation that is asked; none where there is nothing to ask for, or nothing that a server would ask: that an entry
    /// of a log is there, a store which has not the log at hand believes.
    pub(super) fn resolve(&mut self, asked: &Asked) -> Option<Op> {
        let op = self.operation(asked)?;
        let now = self.now;
        is_believed_rightly(self.model(), &op, now).then_some(op)
    }

    /// Whether `op` is still what a server would ask if the other is done first.
    pub(super) fn outlasts(&mut self, op: &Op, other: &Op) -> bool {
        let now = self.now;
        let mut model = self.model().clone();
        // Refused or not: what it removes is gone.
        let _ = model.run(other, now);
        is_believed_rightly(&mut model, op, now)
    }

    fn operation(&mut self, asked: &Asked) -> Option<Op> {
        Some(match *asked {
            Asked::Say { at, by, id, said, mentions, size, whole } => {
                let append = self.append(at, (by, id), said, mentions, size);
                if whole { Op::Send(append) } else { Op::Append(append) }
            }
            Asked::Edit { at, by, id, back, size } => {
                let conversation = cast::conversation(at);
                let target = self.entry(&conversation, back).0;
                let (sender, client_id, body) = (cast::user(by), cast::client_id(id), self.body(id, size));
                Op::Edit(Edit { conversation, sender, client_id, target, body, level: Level::Memory })
            }
            Asked::Delete { at, by, id, back } => {
                let conversation = cast::conversation(at);
                let target = self.entry(&conversation, back).0;
                let (sender, client_id) = (cast::user(by), cast::client_id(id));
                Op::Delete(Delete { conversation, sender, client_id, target, level: Level::Memory })
            }
            Asked::Deliver { job, part } => {
                let mut deliver = self.jobs.get(self.job(job)?)?.clone();
                let half = deliver.to.len() / 2;
                match part {
                    0 | 1 => {}
                    2 => deliver.to.truncate(half),
                    _ => deliver.to = deliver.to.split_off(half),
                }
                Op::Deliver(deliver)
            }
            Asked::Done { job } => {
                let job = self.job(job)?;
                let deliver = self.jobs.remove(job);
                Op::Done { conversation: deliver.conversation, seq: deliver.seq }
            }
            Asked::Member { room, user, change } => {
                let change = match change {
                    step::Change::Make => Change::Make,
                    step::Change::Join(role) => Change::Join(role),
                    step::Change::Leave => Change::Leave,
                    step::Change::Role(role) => Change::Role(role),
                };
                Op::Membership(Membership { room: cast::room(room), user: cast::user(user), change })
            }
            Asked::Resume { user, device, from, limit } => {
                let user = cast::user(user);
                let from = self.position(&user, from);
                Op::Resume(Resume { user, device: cast::device(device), from, limit })
            }
            Asked::Changed { user, device, back, limit } => {
                let user = cast::user(user);
                let after = self.useq(&user, back);
                Op::Changed { user, device: cast::device(device), after, limit }
            }
            Asked::Conversations { user, back, limit } => {
                let user = cast::user(user);
                let before = (back > 0).then(|| self.useq(&user, back - 1)).filter(|before| before.0 > 0);
                Op::Conversations { user, before, limit }
            }
            Asked::Ack { user, device, back, within } => {
                let user = cast::user(user);
                let useq = self.useq(&user, back);
                let within = within.map(|(at, back)| {
                    let conversation = cast::conversation(at);
                    let seq = self.entry(&conversation, back).0;
                    Within { conversation, seq }
                });
                Op::Ack(Ack { user, device: cast::device(device), useq, within })
            }
            Asked::Read { user, at, back } => {
                let conversation = cast::conversation(at);
                let (seq, count) = self.entry(&conversation, back);
                Op::Read(Read { user: cast::user(user), conversation, seq, count })
            }
            Asked::Mark { user, at, back } => {
                let conversation = cast::conversation(at);
                let seq = self.entry(&conversation, back).0;
                Op::Mark { conversation, user: cast::user(user), seq }
            }
            Asked::History { at, reader, from, limit, bytes } => {
                let conversation = cast::conversation(at);
                let from = self.pages(&conversation, from);
                Op::History(History { conversation, reader: reader.map(cast::user), from, limit, bytes })
            }
            Asked::Members { at, after, limit } => {
                Op::Members { conversation: cast::conversation(at), after: after.map(cast::user), limit }
            }
            Asked::Server { server, run, lease } => {
                // None that ends meanwhile, where the clock is the store's.
                let lease = if self.is_native() && lease > 0 { 3_600_000 } else { lease };
                let lease = Some(Duration::from_millis(lease));
                Op::Server(ServerIs { run: cast::run(server, run), lease })
            }
            Asked::Route { server, run, user, leaves } => {
                let (run, users) = (cast::run(server, run), vec![cast::user(user)]);
                if leaves { Op::Unroute { run, users } } else { Op::Route { run, users } }
            }
            Asked::Presence => Op::Presence { users: cast::users() },
            Asked::Trace { at, back, sent } => {
                let conversation = cast::conversation(at);
                let what = match sent {
                    Some((by, id)) => What::Sent { sender: cast::user(by), client_id: cast::client_id(id) },
                    None => What::Seq(self.entry(&conversation, back).0),
                };
                Op::Trace { conversation, what }
            }
            Asked::Standing { user, at } => {
                Op::Standing { user: cast::user(user), conversation: cast::conversation(at) }
            }
        })
    }

    fn append(
        &self,
        at: usize,
        (by, id): (usize, usize),
        said: step::Said,
        mentions: usize,
        size: usize,
    ) -> Append {
        let conversation = cast::conversation(at);
        let body = self.body(id, size);
        let said = match said {
            step::Said::Message => {
                let mentioned = |i: &usize| mentions & (1 << i) != 0;
                let mentions: BTreeSet<User> =
                    (0..cast::USER_COUNT).filter(mentioned).map(cast::user).collect();
                Said::Message { body, mentions }
            }
            step::Said::Reaction { back } => {
                Said::Reaction { target: self.entry(&conversation, back).0, body }
            }
            step::Said::System => Said::System { body },
        };
        let (sender, client_id) = (cast::user(by), cast::client_id(id));
        Append { conversation, sender, client_id, said, level: Level::Memory }
    }

    /// JSON of so many bytes; of one too many where 0 is asked for.
    fn body(&self, id: usize, size: usize) -> Body {
        let size = if size == 0 { self.limits.body_bytes_max + 1 } else { size };
        let text = format!("\"{id}{}", "가\\\"".repeat(size / 5));
        let text = text.chars().fold(String::new(), |mut text, char| {
            if text.len() + char.len_utf8() < size.saturating_sub(1) {
                text.push(char);
            }
            text
        });
        let text = text.trim_end_matches('\\');
        Body::from(format!("{text}{}\"", "x".repeat(size.saturating_sub(text.len() + 1))).as_bytes())
    }

    fn job(&self, job: usize) -> Option<usize> {
        // The newest ones are the most interesting.
        self.jobs.len().checked_sub(1 + job % self.jobs.len().max(1))
    }

    fn useq(&mut self, user: &User, back: u64) -> Useq {
        Useq(self.head(user).0.saturating_sub(back))
    }

    fn position(&mut self, user: &User, stands: Stands) -> Option<Position> {
        let (epoch, useq) = match stands {
            Stands::Nowhere => return None,
            Stands::Back(back) => (self.epoch(), self.useq(user, back)),
            Stands::Beyond => (self.epoch(), Useq(self.head(user).0 + 5)),
            Stands::InAnotherStore => (Epoch::parse("another").expect("it is short"), self.useq(user, 1)),
        };
        Some(Position { epoch, useq })
    }

    fn pages(&self, conversation: &Conversation, pages: Pages) -> From {
        match pages {
            Pages::Newest => From::Newest,
            Pages::Before(back) => match self.entry(conversation, back).0 {
                Seq::ZERO => From::Newest,
                seq => From::Before(seq),
            },
            Pages::After(back) => From::After(self.entry(conversation, back).0),
            Pages::FromTheStart => From::After(Seq::ZERO),
        }
    }
}
