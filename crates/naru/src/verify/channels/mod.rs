//! Histories of channels that keep their publications: what is published, once or not, kept, read and removed, on the model and on a
//! broker.

mod chance;
mod step;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use naru_bus::{BusError, Dialect, Line};
use naru_ledger::channel::{Answer, Bounds, Channel, History, Keep, Model, Once, Op, Publish, Version};
use naru_ledger::{Epoch, Generation, Millis};
use tokio::time::sleep;

use super::clock;
use super::random::Random;
use super::stage::Stage;
use super::{History as Played, there};
pub(super) use step::Step;
use step::{Asked, Brief, Fault};

/// Channels of a history, and keys under which something is published once in each.
const CHANNELS: usize = 3;
const KEYS: usize = 3;

/// How long everything lasts that is not to end within the history, and what is; and how long is waited for that.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);
const SHORT: Duration = Duration::from_millis(1);
const PASSES: Duration = Duration::from_millis(4);

/// By how much the model's clock goes on meanwhile: the store's goes by itself.
const STEP: Duration = Duration::from_secs(1);

type Given = Result<Answer, BusError>;

struct World<'a> {
    stage: &'a mut Stage,
    name: String,
    /// Of whatever is of this history.
    mark: String,
    lines: Vec<Line>,
    /// What may be, as far as the answers have told: several where two things happened at once.
    models: Vec<Model>,
    now: Millis,
    generation: Generation,
    /// All that answers have named so far.
    epochs: BTreeSet<Epoch>,
    asked: u64,
}

impl Played for Step {
    fn made_up(random: &mut Random, steps: usize, can_restart: bool) -> Vec<Step> {
        chance::history(random, steps, can_restart)
    }

    async fn play(stage: &mut Stage, seed: u64, steps: &[Step]) -> Result<u64> {
        let mut world = World::begin(stage, seed.to_string()).await?;
        let outcome = world.through(steps).await;
        if outcome.is_err() {
            world.clear().await?;
        }
        outcome.map(|()| world.asked)
    }
}

impl<'a> World<'a> {
    async fn begin(stage: &'a mut Stage, name: String) -> Result<World<'a>> {
        let (lines, _) = stage.lines(0, &name).await?;
        let mut world = World {
            stage,
            mark: String::new(),
            name,
            lines,
            models: vec![Model::default()],
            now: Millis(0),
            generation: Generation::FIRST,
            epochs: BTreeSet::new(),
            asked: 0,
        };
        if world.is_native() {
            world.mark = clock::fresh_mark();
            world.generation = world.lines[0].generation().await?;
        }
        Ok(world)
    }

    fn is_native(&self) -> bool {
        self.lines[0].dialect() == Dialect::Native
    }

    async fn through(&mut self, steps: &[Step]) -> Result<()> {
        for (i, step) in steps.iter().enumerate() {
            self.take(step).await.with_context(|| format!("step {i}, {step:?}"))?;
        }
        for at in 0..CHANNELS {
            for reverse in [false, true] {
                let all = Asked::History { at, since: None, limit: None, bytes: None, reverse };
                self.ask(&self.op(&all, None)).await.context("at the end")?;
            }
        }
        self.clear().await
    }

    async fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Ask(asked, fault) => {
                let op = self.op(asked, None);
                match fault {
                    Fault::None => self.ask(&op).await,
                    Fault::Lost => {
                        self.ask(&op).await?;
                        self.ask(&op).await
                    }
                    Fault::Twice => self.together(&op, &op).await,
                }
            }
            Step::Together(one, other) => self.together(&self.op(one, None), &self.op(other, None)).await,
            Step::Brief(asked, brief) => {
                self.ask(&self.op(asked, Some(*brief))).await?;
                sleep(PASSES).await;
                self.now = self.now.after(STEP);
                Ok(())
            }
            Step::Raise if !self.is_native() => Ok(()),
            Step::Raise => {
                self.generation = self.lines[0].raise().await?;
                Ok(())
            }
            Step::Restart => {
                self.stage.restart().await?;
                (self.lines, _) = self.stage.lines(0, &self.name).await?;
                self.generation = if self.is_native() {
                    self.lines[0].generation().await?
                } else {
                    // Another life of a master: it does not know whether it has lost something.
                    Generation(self.generation.0 + 1)
                };
                Ok(())
            }
        }
    }

    fn op(&self, asked: &Asked, brief: Option<Brief>) -> Op {
        let lasts = |what: Brief| if brief == Some(what) { SHORT } else { LONG };
        let named = |at: usize| {
            let name = format!("verify:{}{}:{}", self.mark, self.name, at % CHANNELS);
            Channel::parse(&name).expect("a short text is a channel's name")
        };
        let meta_ttl = lasts(Brief::Remembered);
        match *asked {
            Asked::Publish { at, number, bytes, size, once, version } => {
                let payload = format!("{number:0>bytes$}").into();
                let keep = Keep { size, ttl: lasts(Brief::Kept), meta_ttl };
                let once = once.map(|key| Once { key: format!("k{key}"), window: lasts(Brief::Once) });
                let version = version.map(|(number, epoch)| Version { number, epoch: epoch.to_owned() });
                Op::Publish(Publish { channel: named(at), payload, keep, once, version })
            }
            Asked::History { at, since, limit, bytes, reverse } => {
                Op::History(History { channel: named(at), meta_ttl, since, limit, bytes, reverse })
            }
            Asked::Remove { at } => Op::Remove { channel: named(at) },
        }
    }

    async fn ask(&mut self, op: &Op) -> Result<()> {
        self.asked += 1;
        let given = there(self.lines[0].ask_channel(op).await)?;
        let epoch = self.beginning(&given);
        let (mut agreeing, mut expected) = (Vec::new(), Vec::new());
        for mut model in std::mem::take(&mut self.models) {
            let answer = self.expected(&mut model, op, &epoch);
            if answer == given {
                agreeing.push(model);
            } else {
                expected.push(answer);
            }
        }
        if agreeing.is_empty() {
            bail!("{op:?}\n  expected {expected:?}\n  answered {given:?}");
        }
        self.models = agreeing;
        self.learn(&given);
        Ok(())
    }

    /// As if one had come before the other.
    async fn together(&mut self, one: &Op, other: &Op) -> Result<()> {
        self.asked += 2;
        let (first, second) = tokio::join!(self.lines[1].ask_channel(one), self.lines[2].ask_channel(other));
        let (first, second) = (there(first)?, there(second)?);
        let (of_first, of_second) = (self.beginning(&first), self.beginning(&second));
        let (mine, theirs) = ((one, &of_first, &first), (other, &of_second, &second));
        let mut agreeing: Vec<Model> = Vec::new();
        for model in std::mem::take(&mut self.models) {
            for order in [[mine, theirs], [theirs, mine]] {
                let mut model = model.clone();
                let agrees =
                    order.iter().all(|(op, epoch, given)| self.expected(&mut model, op, epoch) == **given);
                if agrees && !agreeing.contains(&model) {
                    agreeing.push(model);
                }
            }
        }
        if agreeing.is_empty() {
            bail!("in no order:\n  {one:?}\n  answered {first:?}\n  {other:?}\n  answered {second:?}");
        }
        self.models = agreeing;
        self.learn(&first);
        self.learn(&second);
        Ok(())
    }

    fn expected(&self, model: &mut Model, op: &Op, epoch: &Epoch) -> Given {
        model.ask(op, self.now, Bounds::default(), self.generation, epoch).map_err(BusError::from)
    }

    /// The epoch that a channel begins, if it begins one: that of the answer, which nobody may have been told of before.
    fn beginning(&self, given: &Given) -> Epoch {
        let never = || Epoch::parse("a new one").expect("a few letters are an epoch");
        epoch_of(given).filter(|epoch| !self.epochs.contains(*epoch)).cloned().unwrap_or_else(never)
    }

    fn learn(&mut self, given: &Given) {
        self.epochs.extend(epoch_of(given).cloned());
    }

    /// Removes what the history has left.
    async fn clear(&self) -> Result<()> {
        if self.is_native() { Ok(()) } else { Ok(self.lines[0].clear().await?) }
    }
}

fn epoch_of(given: &Given) -> Option<&Epoch> {
    match given.as_ref().ok()? {
        Answer::Published(published) => published.position.as_ref().map(|position| &position.epoch),
        Answer::Page(page) => Some(&page.top.epoch),
        Answer::Ok | Answer::Present(_) | Answer::Stats(_) => None,
    }
}
