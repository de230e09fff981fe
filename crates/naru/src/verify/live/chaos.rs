//! Kills programs at random moments, and starts them again; holds others up for a while.

use std::time::Duration;

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::super::random::Random;
use super::history::What;
use super::scene::{Phase, Scene, Standing};
use super::stage::{Program, Stage};

/// One in this many is not killed, but stands still for a while.
const STOPPED_ONE_IN: usize = 4;

/// One time in this many it is the broker, or the server that has it: everybody waits for it then, and the more often it was
/// killed, the longer.
const BROKER_ONE_IN: usize = 4;

/// Before the last kill everybody has this long to be connected again.
const BREATH: Duration = Duration::from_millis(1500);

/// Messages that are sent while a server stands still, which so misses some of them.
const MISSED: u64 = 40;

/// How long it may take until nobody waits for an answer.
const DRAIN: Duration = Duration::from_secs(4);

/// How long they may take: the servers that run have to find the broker again, for which they wait up to 5 s between attempts.
const AFTERMATH: Duration = Duration::from_secs(20);

/// Does so until it is dropped. Returns only if a program cannot be started, or has ended by itself.
pub(super) async fn run(scene: &Scene, stage: &mut Stage, mut random: Random, every: Duration) -> Result<()> {
    loop {
        sleep(every.mul_f64(0.25 + random.below(1500) as f64 / 1000.0)).await;
        stage.check()?;
        let others = stage.programs.len() - 1;
        let program = if others == 0 || random.once_in(BROKER_ONE_IN) { 0 } else { 1 + random.below(others) };
        let program = &mut stage.programs[program];
        if random.once_in(STOPPED_ONE_IN) {
            hold_up(scene, program, &mut random).await?;
        } else {
            kill(scene, program, &mut random).await?;
        }
    }
}

/// Kills what all depends on, and has it back, while one server stands still and its people, who say nothing, stay: when that goes
/// on, it has missed what was sent meanwhile, and nothing that comes later shows it the hole.
pub(super) async fn kill_last(scene: &Scene, stage: &mut Stage, mut random: Random) -> Result<()> {
    stage.make_whole().await?;
    let Some((broker, others)) = stage.programs.split_first_mut() else { return Ok(()) };
    let still = others.get(random.below(others.len()));
    let place = |program: &Program| scene.servers.iter().position(|(name, _)| *name == program.name);
    scene.still.set(still.and_then(place));
    scene.phase.send_replace(Phase::Last);
    sleep(BREATH).await;
    let is_still = |standing: &Standing| Some(standing.server) == scene.still.get();
    until(DRAIN, || scene.laggard(|_, it| !is_still(it) || it.is_connected && it.unanswered == 0).is_none())
        .await;
    let resumed = still.map(|program| stop(scene, program)).transpose()?;
    broker.kill();
    scene.happens(What::Chaos { text: format!("{} was killed", broker.name) });
    broker.start()?;
    broker.listens().await?;
    scene.happens(What::Chaos { text: format!("{} was started again", broker.name) });
    let before = scene.acknowledged.get();
    until(AFTERMATH, || scene.acknowledged.get() >= before + MISSED).await;
    scene.phase.send_replace(Phase::Calm);
    until(DRAIN, || scene.laggard(|_, it| is_still(it) || it.is_connected && it.unanswered == 0).is_none())
        .await;
    drop(resumed);
    scene.still.set(None);
    scene.happens(What::Chaos { text: "all run".to_owned() });
    Ok(())
}

/// Waits until it is so, or has taken too long.
async fn until(most: Duration, is_so: impl Fn() -> bool) {
    let end = Instant::now() + most;
    while !is_so() && Instant::now() < end {
        sleep(Duration::from_millis(10)).await;
    }
}

async fn kill(scene: &Scene, program: &mut Program, random: &mut Random) -> Result<()> {
    program.kill();
    let name = program.name.clone();
    scene.happens(What::Chaos { text: format!("{name} was killed") });
    sleep(Duration::from_millis(random.one_of(&[0, 0, 50, 300, 1000]))).await;
    program.start()?;
    program.listens().await?;
    scene.happens(What::Chaos { text: format!("{name} was started again") });
    Ok(())
}

async fn hold_up(scene: &Scene, program: &Program, random: &mut Random) -> Result<()> {
    let resumed = stop(scene, program)?;
    sleep(Duration::from_millis(random.one_of(&[100, 500, 2000]))).await;
    drop(resumed);
    scene.happens(What::Chaos { text: format!("{} goes on", program.name) });
    Ok(())
}

/// Stops a program until what is returned is dropped, whatever happens here.
fn stop(scene: &Scene, program: &Program) -> Result<Option<Resumed>> {
    let process = program.process().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let Some(process) = process else { return Ok(None) };
    let resumed = Resumed(process);
    kill_process(process, Signal::STOP)?;
    scene.happens(What::Chaos { text: format!("{} was stopped", program.name) });
    Ok(Some(resumed))
}

/// Lets a process go on when it is dropped.
struct Resumed(Pid);

impl Drop for Resumed {
    fn drop(&mut self) {
        // It may have ended meanwhile.
        let _ = kill_process(self.0, Signal::CONT);
    }
}
