//! Kills programs at random moments, and starts them again; holds others up for a while.

use std::time::Duration;

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::super::random::Random;
use super::history::What;
use super::scene::Scene;
use super::stage::{Program, Stage};

/// One in this many is not killed, but stands still for a while.
const STOPPED_ONE_IN: usize = 4;

/// Does so until it is dropped. Returns only if a program cannot be started, or has ended by itself.
pub(super) async fn run(scene: &Scene, stage: &mut Stage, mut random: Random, every: Duration) -> Result<()> {
    loop {
        sleep(every.mul_f64(0.25 + random.below(1500) as f64 / 1000.0)).await;
        stage.check()?;
        let program = random.below(stage.programs.len());
        let program = &mut stage.programs[program];
        if random.once_in(STOPPED_ONE_IN) {
            hold_up(scene, program, &mut random).await?;
        } else {
            kill(scene, program, &mut random).await?;
        }
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

async fn hold_up(scene: &Scene, program: &mut Program, random: &mut Random) -> Result<()> {
    let Some(process) = program.process().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    else {
        return Ok(());
    };
    // It goes on whatever happens here.
    let _resumed = Resumed(process);
    kill_process(process, Signal::STOP)?;
    scene.happens(What::Chaos { text: format!("{} was stopped", program.name) });
    sleep(Duration::from_millis(random.one_of(&[100, 500, 2000]))).await;
    scene.happens(What::Chaos { text: format!("{} goes on", program.name) });
    Ok(())
}

/// Lets a process go on when it is dropped.
struct Resumed(Pid);

impl Drop for Resumed {
    fn drop(&mut self) {
        // It may have ended meanwhile.
        let _ = kill_process(self.0, Signal::CONT);
    }
}
