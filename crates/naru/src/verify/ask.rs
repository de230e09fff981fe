//! Asking the models and the broker the same, and comparing.

use std::time::Duration;

use anyhow::{Result, bail};
use naru_bus::Partition;
use naru_ledger::answer::Open;
use naru_ledger::op::{From, History, Sweep};
use naru_ledger::{Answer, Conversation, Millis, Model, Op};

use super::agree::{Expected, Given};
use super::cast;
use super::clock;
use super::there;
use super::world::World;

/// For how long a sweep leases what it finds.
const LEASE: Duration = Duration::from_secs(5);

/// The same where it is not we who say what time it is: for as long as the history takes.
const OWN_LEASE: Duration = Duration::from_secs(60 * 60);

impl World<'_> {
    /// Asks one thing, of the models and of the broker.
    pub(super) async fn ask(&mut self, op: &Op) -> Result<()> {
        self.asked += 1;
        if self.is_native() && notes_a_device(op) {
            clock::later_than(self.now).await;
        }
        let given = there(self.line(0).ask(op).await)?;
        let now = self.moment(&given);
        self.told.note(op, now);
        let mut expected = Vec::new();
        let mut agreeing = Vec::new();
        for mut model in std::mem::take(&mut self.models) {
            let answer: Expected = model.run(op, now);
            if self.told.agree(op, &answer, &given, now) {
                agreeing.push(model);
            } else {
                expected.push(answer);
            }
        }
        if agreeing.is_empty() {
            bail!("{op:?}\n  expected {expected:?}\n  answered {given:?}");
        }
        self.models = agreeing;
        self.learn(op, &given);
        Ok(())
    }

    /// Asks two things at the same time on two connections: as if one of them had come before the other.
    pub(super) async fn together(&mut self, one: &Op, other: &Op) -> Result<()> {
        self.asked += 2;
        let (mine, theirs) = (self.line(1), self.line(2));
        let (first, second) = tokio::join!(mine.ask(one), theirs.ask(other));
        let (first, second) = (there(first)?, there(second)?);
        let (at_one, at_other) = (self.moment(&first), self.moment(&second));
        let now = self.now;
        let mut agreeing: Vec<Model> = Vec::new();
        let mut expected = Vec::new();
        for model in std::mem::take(&mut self.models) {
            for one_is_first in [true, false] {
                let mut model = model.clone();
                let (a, b) = if one_is_first {
                    let a = model.run(one, at_one);
                    (a, model.run(other, at_other))
                } else {
                    let b = model.run(other, at_other);
                    (model.run(one, at_one), b)
                };
                let agrees =
                    self.told.agree(one, &a, &first, now) && self.told.agree(other, &b, &second, now);
                if agrees && !agreeing.contains(&model) {
                    agreeing.push(model);
                } else if !agrees {
                    expected.push((a, b));
                }
            }
        }
        if agreeing.is_empty() {
            bail!(
                "in no order:\n  {one:?}\n  answered {first:?}\n  {other:?}\n  answered {second:?}\n  expected {expected:?}"
            );
        }
        self.models = agreeing;
        // A log's entries in their order, whoever was first.
        self.learn(one, &first);
        self.learn(other, &second);
        Ok(())
    }

    /// Whether it may be asked together with another: not what is seen at which moment, if only the store knows that.
    pub(super) fn is_one_step(&self, op: &Op) -> bool {
        is_one_step(op) && !(self.is_native() && notes_a_device(op))
    }

    /// When the store did what it has answered so.
    fn moment(&mut self, given: &Given) -> Millis {
        if self.is_native() {
            self.now = clock::now();
            return clock::moment(given);
        }
        self.now
    }

    /// Notes which entries there are, and begins to fan them out.
    fn learn(&mut self, op: &Op, given: &Given) {
        let (conversation, written) = match (op, given) {
            (Op::Append(_) | Op::Edit(_) | Op::Delete(_) | Op::Send(_), Ok(Answer::Appended(appended)))
                if !appended.repeat =>
            {
                (of(op), vec![(appended.seq, appended.count)])
            }
            (Op::Membership(_), Ok(Answer::Changed(changed))) => {
                let written = changed.written.into_iter().flat_map(|written| {
                    [Some(written.seq), written.switched]
                        .into_iter()
                        .flatten()
                        .map(move |seq| (seq, written.count))
                });
                (of(op), written.collect())
            }
            _ => return,
        };
        let Some(conversation) = conversation else { return };
        for (seq, count) in written {
            let entries = self.entries.entry(conversation.clone()).or_default();
            entries.push((seq, count));
            entries.sort_unstable();
            let job = self.model().fan_out(&conversation, seq);
            if !matches!(op, Op::Send(_)) {
                self.jobs.extend(job);
            }
        }
    }

    pub(super) async fn sweep(&mut self, server: usize, older_than: Duration, dies: bool) -> Result<()> {
        self.asked += 1;
        let (older_than, lease, limit) =
            if self.is_native() { (Duration::ZERO, OWN_LEASE, 1000) } else { (older_than, LEASE, 100) };
        let sweep = Sweep { server: cast::server(server), older_than, limit, lease };
        let conversations = cast::conversations();
        let partitions = conversations.iter().map(|conversation| Partition::of(conversation.as_str()));
        let given = self.line(server).sweep(&sweep, partitions).await?;
        let by_name = |mut open: Vec<Open>| {
            open.sort_by(|one, other| one.conversation.cmp(&other.conversation));
            open
        };
        // There may be other histories in the same ledger.
        let ours = given.into_iter().filter(|open| conversations.contains(&open.conversation));
        let given = by_name(ours.collect());
        if self.is_native() {
            self.now = clock::now();
        }
        let now = self.now;
        let mut expected = Vec::new();
        self.models.retain_mut(|model| match model.run(&Op::Sweep(sweep.clone()), now) {
            Ok(Answer::Open(open)) => {
                expected = by_name(open);
                expected == given
            }
            _ => false,
        });
        if self.models.is_empty() {
            bail!("{sweep:?}\n  expected {expected:?}\n  answered {given:?}");
        }
        if dies {
            return Ok(());
        }
        for open in &given {
            self.line(server).finish(open).await?;
            for model in &mut self.models {
                finish(model, open, now)?;
            }
        }
        Ok(())
    }
}

/// What a server does with what its sweep has found.
fn finish(model: &mut Model, open: &Open, now: Millis) -> Result<()> {
    let Open { conversation, from, to, .. } = open;
    let mut after = *from;
    loop {
        let (conversation, from) = (conversation.clone(), From::After(after));
        let history = History { conversation, reader: None, from, limit: 1024, bytes: None };
        let Ok(Answer::Page(page)) = model.run(&Op::History(history), now) else { bail!("no history") };
        for entry in page.entries.iter().filter(|entry| entry.seq <= *to) {
            if let Some(deliver) = model.fan_out(&entry.conversation, entry.seq) {
                model.run(&Op::Deliver(deliver), now)?;
            }
            let (conversation, seq) = (entry.conversation.clone(), entry.seq);
            model.run(&Op::Done { conversation, seq }, now)?;
        }
        match page.entries.last() {
            Some(last) if page.more && last.seq < *to => after = last.seq,
            _ => return Ok(()),
        }
    }
}

/// Where an operation writes.
fn of(op: &Op) -> Option<Conversation> {
    Some(match op {
        Op::Append(append) | Op::Send(append) => append.conversation.clone(),
        Op::Edit(edit) => edit.conversation.clone(),
        Op::Delete(delete) => delete.conversation.clone(),
        Op::Membership(membership) => membership.room.clone().into(),
        _ => return None,
    })
}

/// Whether it notes when a device was there, which decides which one is forgotten.
fn notes_a_device(op: &Op) -> bool {
    matches!(op, Op::Resume(_) | Op::Ack(_))
}

/// Whether an operation is one atomic step on every broker. What is said of routes is left out, too: it is not known which
/// was said last.
fn is_one_step(op: &Op) -> bool {
    match op {
        Op::Deliver(deliver) => deliver.to.len() <= 1,
        Op::Send(_) | Op::Sweep(_) => false,
        Op::Server(_) | Op::Route { .. } | Op::Unroute { .. } | Op::Presence { .. } => false,
        _ => true,
    }
}
