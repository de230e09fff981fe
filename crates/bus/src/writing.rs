//! Writing into a log, and bringing what was written to everybody: for a message one step in Naru's broker, several elsewhere and
//! for the rest.

use naru_ledger::answer::{Appended, Changed, Content, Entry, Text, Traced, Written};
use naru_ledger::op::{Append, Change, Delete, Edit, Membership, Said, What};
use naru_ledger::{Answer, ClientId, Conversation, Level, Mode, Op, Role, User};

use crate::error::BusError;
use crate::fan_out::Before;
use crate::line::Line;
use crate::reply::other_answer;
use crate::wire;

impl Line {
    /// Appends, and brings it to everybody. What is cut off in between is finished by a repeat, or by a sweep.
    pub(crate) async fn send(&self, append: &Append) -> Result<Appended, BusError> {
        if self.sends_in_one_step() {
            return self.send_at_once(append).await;
        }
        // Apart: where it is one step, that is all there is to keep.
        Box::pin(self.send_by_steps(append)).await
    }

    /// How long it may take is up to who asks.
    async fn send_at_once(&self, append: &Append) -> Result<Appended, BusError> {
        let command = wire::sending(append);
        let reply = self.connection().call(&command).await?;
        wire::sent(reply.extract_error()?)
    }

    async fn send_by_steps(&self, append: &Append) -> Result<Appended, BusError> {
        let Append { conversation, sender, client_id, said, level } = append;
        let content = match said {
            Said::Message { body, mentions } => {
                Content::Message { text: Text::AsSaid(body.clone()), mentions: mentions.clone() }
            }
            Said::Reaction { target, body } => {
                Content::Reaction { target: *target, text: Text::AsSaid(body.clone()) }
            }
            Said::System { body } => Content::System { text: Text::AsSaid(body.clone()) },
        };
        let signed = Signed { conversation, sender, client_id, level: *level };
        self.write(&Op::Append(append.clone()), signed, content).await
    }

    /// Edits, and tells everybody.
    pub(crate) async fn edit(&self, edit: &Edit) -> Result<Appended, BusError> {
        let Edit { conversation, sender, client_id, target, body, level } = edit;
        let signed = Signed { conversation, sender, client_id, level: *level };
        let content = Content::Edit { target: *target, body: Some(body.clone()) };
        self.write(&Op::Edit(edit.clone()), signed, content).await
    }

    /// Deletes, and tells everybody.
    pub(crate) async fn delete(&self, delete: &Delete) -> Result<Appended, BusError> {
        let Delete { conversation, sender, client_id, target, level } = delete;
        let signed = Signed { conversation, sender, client_id, level: *level };
        self.write(&Op::Delete(delete.clone()), signed, Content::Delete { target: *target }).await
    }

    /// Changes who takes part, and tells everybody. Who repeats leaves that to the sweep.
    pub(crate) async fn membership(&self, membership: &Membership) -> Result<Changed, BusError> {
        let Answer::Changed(changed) = self.step(&Op::Membership(membership.clone())).await? else {
            return Err(other_answer());
        };
        let Some(written) = changed.written else { return Ok(changed) };
        let Membership { room, user, change } = membership;
        let Written { seq, at, prev, count, switched } = written;
        let entry = |seq, prev, content| Entry {
            conversation: room.clone().into(),
            seq,
            prev,
            count,
            at,
            sender: user.clone(),
            client_id: None,
            content,
        };
        let content = match change {
            Change::Make => Content::Join { role: Role::Owner },
            Change::Join(role) => Content::Join { role: *role },
            Change::Leave => Content::Leave,
            Change::Role(role) => Content::Role { role: *role },
        };
        let mode = if switched.is_some() { Mode::FanOut } else { changed.mode };
        self.fan_out(&entry(seq, prev, content), mode, Before::Nobody).await?;
        if let Some(switched) = switched {
            self.fan_out(&entry(switched, seq, Content::Broadcast), Mode::FanOut, Before::Nobody).await?;
        }
        Ok(changed)
    }

    /// Writes, and brings what was written to everybody.
    async fn write(&self, op: &Op, signed: Signed<'_>, content: Content) -> Result<Appended, BusError> {
        let Signed { conversation, sender, client_id, level } = signed;
        let written = match self.scripts() {
            None => appended(self.step(op).await?)?,
            Some(scripts) => appended(scripts.write(&self.connection(), op).await?)?,
        };
        let fan_out = async {
            if written.repeat {
                return self.finish_repeat(conversation, &written).await;
            }
            let entry = Entry {
                conversation: conversation.clone(),
                seq: written.seq,
                prev: written.prev,
                count: written.count,
                at: written.at,
                sender: sender.clone(),
                client_id: Some(client_id.clone()),
                content,
            };
            self.fan_out(&entry, written.mode, Before::Nobody).await
        };
        let safety = async {
            match self.scripts() {
                None => written.level,
                Some(scripts) => scripts.levels().reach(level).await,
            }
        };
        // Whoever is to hear of it need not wait until it is as safe as its sender wants.
        let (outcome, level) = tokio::join!(fan_out, safety);
        outcome?;
        Ok(Appended { level, ..written })
    }

    /// Nothing is left to do, or another server has died in the middle of it. What was said the first time counts.
    async fn finish_repeat(&self, conversation: &Conversation, appended: &Appended) -> Result<(), BusError> {
        let trace = Op::Trace { conversation: conversation.clone(), what: What::Seq(appended.seq) };
        match self.step(&trace).await? {
            Answer::Traced(Traced { entry: Some(entry), done: false, .. }) => {
                self.fan_out(&entry, appended.mode, Before::Perhaps).await
            }
            _ => Ok(()),
        }
    }
}

/// Who writes where, under which name, and how safe it is to be.
struct Signed<'a> {
    conversation: &'a Conversation,
    sender: &'a User,
    client_id: &'a ClientId,
    level: Level,
}

fn appended(answer: Answer) -> Result<Appended, BusError> {
    match answer {
        Answer::Appended(appended) => Ok(appended),
        _ => Err(other_answer()),
    }
}
