//! `naru verify`: random histories with faults, on the model and on a broker, step by step: of conversations, or of
//! channels that keep their publications (`channels`). And live load through chat
//! servers (`live`).

mod agree;
mod ask;
mod cast;
mod chance;
mod channels;
mod clock;
pub(crate) mod live;
mod own;
mod random;
mod resolve;
mod settle;
mod shrink;
mod stage;
mod step;
mod world;

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args};
use naru_bus::BusError;

use own::Own;
use random::Random;
use stage::Stage;
use step::Step;
use world::World;

use crate::{printed::say, signals::Ends};

#[derive(Args)]
#[command(group = ArgGroup::new("on").required(true))]
pub(crate) struct Options {
    /// A Redis or Valkey that is running, or Naru's broker. What is there is left alone: each history has keys of its own, and
    /// removes them; in Naru's broker it has names that nobody else has, which stay. With --live chat servers are started at it.
    #[arg(long, value_name = "URL", group = "on")]
    broker: Option<String>,
    /// A redis-server, a valkey-server or naru to be started, and killed now and then. With --live also `embedded`.
    #[arg(long, value_name = "PROGRAM", group = "on")]
    start: Option<PathBuf>,
    /// How many histories.
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "live")]
    histories: u64,
    /// The first one's seed; each further one has the next. Made up, and said, if it is not given.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many things happen in each.
    #[arg(long, value_name = "K", default_value_t = 120, conflicts_with = "live")]
    steps: usize,
    /// Histories of channels that keep their publications, and none of conversations.
    #[arg(long, conflicts_with = "live")]
    channels: bool,
    #[command(flatten)]
    live: live::Options,
}

/// How often a history is played again because the broker was not there.
const UNREACHABLE_MAX: u32 = 3;

/// Runs histories until one fails, or a live run.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(file) = &options.live.check {
        return live::check(file);
    }
    let seed = match options.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(|error| anyhow::anyhow!("no random seed: {error}"))? >> 32,
    };
    if options.live.live {
        return live::run(&options.live, options.start.as_ref(), options.broker.as_ref(), seed);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut ends = Ends::new()?;
        tokio::select! {
            outcome = histories(options, seed) => outcome,
            () = ends.come() => bail!("it was asked to end before there was a verdict"),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn histories(options: &Options, seed: u64) -> Result<()> {
    let own = options.start.clone().map(Own::start).transpose()?;
    let url = own.as_ref().map(Own::url).or_else(|| options.broker.clone());
    let mut stage = Stage::new(url.context("--broker or --start")?, own);
    say!("{}", stage.connect().await?)?;
    if options.channels {
        check::<channels::Step>(&mut stage, options, seed).await?;
    } else {
        check::<Step>(&mut stage, options, seed).await?;
    }
    stage.clear().await
}

/// A history, of steps that mean something wherever they stand.
trait History: Copy + Debug {
    /// Makes up one.
    fn made_up(random: &mut Random, steps: usize, can_restart: bool) -> Vec<Self>;

    /// Plays one to its end. Returns how many operations it has had.
    async fn play(stage: &mut Stage, seed: u64, steps: &[Self]) -> Result<u64>;
}

async fn check<S: History>(stage: &mut Stage, options: &Options, seed: u64) -> Result<()> {
    let Options { histories, steps, .. } = options;
    let (begun, mut asked) = (Instant::now(), 0);
    for seed in seed..seed.saturating_add(*histories) {
        let steps = S::made_up(&mut Random::new(seed), *steps, stage.can_restart());
        match play(stage, seed, &steps).await {
            Ok(more) => asked += more,
            Err(failure) => {
                say!("the history of seed {seed} fails: {failure:#}\nlooking for a shorter one")?;
                let failure = shortened(stage, seed, steps).await?.unwrap_or(failure);
                bail!("the history of seed {seed} fails: {failure:#}\nagain: --seed {seed} --histories 1");
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    say!(
        "{histories} histories from seed {seed} on, {asked} operations: every answer and every end is the model's \
         ({seconds:.1} s, {:.0} histories a second)",
        *histories as f64 / seconds
    )?;
    Ok(())
}

/// Prints a shorter history that fails, too. Returns how; none if it does not always.
async fn shortened<S: History>(stage: &mut Stage, seed: u64, steps: Vec<S>) -> Result<Option<anyhow::Error>> {
    let steps = shrink::shrink(steps, async |steps: &[S]| play(stage, seed, steps).await.is_err()).await;
    for step in &steps {
        say!("  {step:?}")?;
    }
    Ok(play(stage, seed, &steps).await.err())
}

/// Plays a history to its end. Returns how many operations it has had. Where the broker was not there for a moment, as on a
/// machine that stood still, it is not known what was done: from the start again.
async fn play<S: History>(stage: &mut Stage, seed: u64, steps: &[S]) -> Result<u64> {
    let mut left = UNREACHABLE_MAX;
    loop {
        let outcome = S::play(stage, seed, steps).await;
        match &outcome {
            Err(error) if left > 0 && error.downcast_ref() == Some(&BusError::Unreachable) => {
                say!("the broker was not there for a moment; the history of seed {seed} is played again")?;
                left -= 1;
                stage.connect().await?;
                stage.clear().await?;
            }
            _ => return outcome,
        }
    }
}

impl History for Step {
    fn made_up(random: &mut Random, steps: usize, can_restart: bool) -> Vec<Step> {
        chance::history(random, steps, can_restart)
    }

    async fn play(stage: &mut Stage, seed: u64, steps: &[Step]) -> Result<u64> {
        let set = usize::try_from(seed % 3).unwrap_or(0);
        let mut world = World::begin(stage, set, seed.to_string()).await?;
        let outcome = through(&mut world, steps).await;
        if outcome.is_err() {
            world.clear().await?;
        }
        outcome.map(|()| world.asked)
    }
}

/// An answer, whatever it is. Without one nothing can be compared.
fn there<T>(given: Result<T, BusError>) -> Result<Result<T, BusError>> {
    match given {
        Err(BusError::Unreachable) => Err(BusError::Unreachable.into()),
        given => Ok(given),
    }
}

async fn through(world: &mut World<'_>, steps: &[Step]) -> Result<()> {
    for (i, step) in steps.iter().enumerate() {
        world.take(step).await.with_context(|| format!("step {i}, {step:?}"))?;
    }
    world.settle().await.context("at the end")
}
