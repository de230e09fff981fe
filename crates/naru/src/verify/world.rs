//! A history as it happens, on the model and on a broker at once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use naru_bus::{Dialect, Line, Pinned};
use naru_ledger::op::Deliver;
use naru_ledger::{Answer, Conversation, Epoch, Generation, Limits, Millis, Model, Op, Seq, Useq, User};

use super::agree::Told;
use super::cast;
use super::clock;
use super::settle::questions;
use super::stage::Stage;
use super::step::{Fault, Step};

const DAY: u64 = 24 * 60 * 60 * 1000;

pub(super) struct World<'a> {
    stage: &'a mut Stage,
    /// Which of the limits this history is about.
    set: usize,
    name: String,
    lines: Vec<Line>,
    /// What may be, as far as the answers have told: several where two things happened at once.
    pub(super) models: Vec<Model>,
    pub(super) limits: Limits,
    pub(super) now: Millis,
    generation: Generation,
    /// How often the store has lost everything.
    lives: u64,
    /// The store's, if it is not said by us as the clock and the generation are.
    epoch: Option<Epoch>,
    /// What the answers have said of the logs: every entry's number and count.
    pub(super) entries: BTreeMap<Conversation, Vec<(Seq, u64)>>,
    /// Fan-outs that are begun.
    pub(super) jobs: Vec<Deliver>,
    pub(super) told: Told,
    /// Operations so far.
    pub(super) asked: u64,
}

impl<'a> World<'a> {
    pub(super) async fn begin(stage: &'a mut Stage, set: usize, name: String) -> Result<World<'a>> {
        let (lines, limits) = stage.lines(set, &name).await?;
        let is_native = lines.first().is_some_and(|line| line.dialect() == Dialect::Native);
        cast::mark(&if is_native { clock::fresh_mark() } else { String::new() });
        let mut world = World {
            stage,
            set,
            name,
            lines,
            models: Vec::new(),
            limits,
            now: Millis(20_000 * DAY),
            generation: Generation::FIRST,
            lives: 0,
            epoch: None,
            entries: BTreeMap::new(),
            jobs: Vec::new(),
            told: Told::default(),
            asked: 0,
        };
        if is_native {
            world.epoch = Some(clock::epoch(&world.lines).await?);
            world.now = clock::now();
        }
        world.be_born();
        if is_native {
            world.raise(world.lines[0].generation().await?);
        }
        Ok(world)
    }

    /// Whether the store is Naru's broker, which has its own clock and epoch, and one ledger for all histories.
    pub(super) fn is_native(&self) -> bool {
        self.epoch.is_some()
    }

    fn raise(&mut self, generation: Generation) {
        self.generation = generation;
        self.models.iter_mut().for_each(|model| model.raise(generation));
    }

    fn be_born(&mut self) {
        self.lives += 1;
        self.models = vec![Model::new(self.epoch(), self.limits.clone())];
        self.generation = Generation::FIRST;
        self.entries.clear();
        self.jobs.clear();
        self.told = Told::new(self.is_native());
    }

    pub(super) fn epoch(&self) -> Epoch {
        let made = || Epoch::parse(&format!("life {}", self.lives)).expect("a few digits are an epoch");
        self.epoch.clone().unwrap_or_else(made)
    }

    /// A model that agrees with all there was.
    pub(super) fn model(&mut self) -> &mut Model {
        self.models.first_mut().expect("there is always one, or the history has failed")
    }

    /// The number and count of an entry, `back` before the newest.
    pub(super) fn entry(&self, conversation: &Conversation, back: u64) -> (Seq, u64) {
        let back = usize::try_from(back).unwrap_or(usize::MAX);
        let entries = self.entries.get(conversation).into_iter().flatten();
        entries.rev().nth(back).copied().unwrap_or((Seq::ZERO, 0))
    }

    /// A user's last number.
    pub(super) fn head(&mut self, user: &User) -> Useq {
        let now = self.now;
        let op = Op::Standing { user: user.clone(), conversation: cast::conversation(0) };
        match self.model().run(&op, now) {
            Ok(Answer::Standing(standing)) => standing.head,
            _ => Useq::ZERO,
        }
    }

    pub(super) async fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Ask(asked, fault) => {
                let Some(op) = self.resolve(asked) else { return Ok(()) };
                match fault {
                    Fault::None => self.ask(&op).await,
                    Fault::Twice if self.is_one_step(&op) => self.together(&op, &op).await,
                    Fault::Twice | Fault::Lost => {
                        self.ask(&op).await?;
                        self.ask(&op).await
                    }
                }
            }
            Step::Together(one, other) => {
                let (Some(first), Some(second)) = (self.resolve(one), self.resolve(other)) else {
                    return Ok(());
                };
                let is_fair = self.outlasts(&first, &second) && self.outlasts(&second, &first);
                if is_fair && self.is_one_step(&first) && self.is_one_step(&second) {
                    return self.together(&first, &second).await;
                }
                self.ask(&first).await?;
                // It may be about something else by now.
                let Some(second) = self.resolve(other) else { return Ok(()) };
                self.ask(&second).await
            }
            Step::Sweep { server, older_than, dies } => {
                self.sweep(*server, Duration::from_millis(*older_than), *dies).await
            }
            // Its clock goes by itself, and it keeps the other histories, too.
            Step::Wait { .. } | Step::Empty if self.is_native() => Ok(()),
            Step::Wait { millis } => {
                self.now = Millis(self.now.0.saturating_add_signed(*millis));
                Ok(())
            }
            Step::Raise => {
                let generation = if self.is_native() {
                    self.lines[0].raise().await?
                } else {
                    Generation(self.generation.0 + 1)
                };
                self.raise(generation);
                Ok(())
            }
            Step::Empty => {
                self.clear().await?;
                self.be_born();
                Ok(())
            }
            Step::Restart => {
                self.stage.restart().await?;
                (self.lines, _) = self.stage.lines(self.set, &self.name).await?;
                if self.is_native() {
                    self.models.iter_mut().for_each(Model::restart);
                    self.raise(self.lines[0].generation().await?);
                }
                Ok(())
            }
        }
    }

    /// A connection of one of the servers, for which it is now.
    pub(super) fn line(&self, of: usize) -> Line {
        let pinned = Pinned { now: self.now, generation: self.generation, epoch: self.epoch() };
        self.lines[of % self.lines.len()].pinned(pinned)
    }

    /// When all is quiet: everything is fanned out, and everything there is reads the same.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if self.is_native() {
            // Each finds what is left to it.
            for server in 0..cast::SERVER_COUNT {
                self.sweep(server, Duration::ZERO, false).await?;
            }
        } else {
            self.now = Millis(self.now.0 + DAY);
            self.sweep(0, Duration::ZERO, false).await?;
        }
        self.sweep(1, Duration::ZERO, true).await?;
        let end = questions(self);
        for op in end {
            self.ask(&op).await?;
        }
        self.clear().await
    }

    /// Removes what the history has left.
    pub(super) async fn clear(&mut self) -> Result<()> {
        if self.is_native() { Ok(()) } else { Ok(self.line(0).clear().await?) }
    }
}
