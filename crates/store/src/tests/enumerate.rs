//! Short scripts, with a crash at every operation that changes the disk, and every simple way to lose what was not
//! synced (R2).

use std::io::ErrorKind;

use super::crash::number_from;
use super::owner::{self, Promise};
use super::{Model, Random, data, open, segment};
use crate::error::OpenError;
use crate::faults::{Disk, Fault, Keep};
use crate::verify::verify;
use crate::vfs::Vfs;

/// Scripts in one run of the test; the long run raises it by `NARU_SCRIPTS`.
const SCRIPTS: u64 = 3;
/// What a script's owner does, in each of its lives.
const STEPS: u64 = 70;
const LIVES: u64 = 3;
/// As many of them while the disk is full: enough to fill the segment in use, the next one, and the reserve.
const FULL_STEPS: u64 = 50;
/// Subsets drawn at random at each crash, beside the simple ones; the long run raises it by `NARU_SUBSETS`.
const SUBSETS: u64 = 64;
/// A recovery is itself stopped at each of its operations after one crash of so many; `NARU_RECOVERIES=1` takes each.
const RECOVERIES: u64 = 100;

/// What scripts have gone through, so that a test knows that it has met everything.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    crashes: u64,
    states: u64,
    segments: u64,
    checkpoints: u64,
    removed: u64,
    reserves: u64,
    torn: u64,
    recoveries: u64,
}

/// An owner changes, syncs, checkpoints, removes and marks, with the disk full for a while, and dies in between. Answers
/// what was promised until the disk stopped.
fn owners_script(disk: &Disk, seed: u64, met: &mut Met) -> Promise {
    let mut random = Random(seed);
    let mut promise = Promise::default();
    for _ in 0..LIVES {
        disk.limit(None);
        let Ok(mut owner) = owner::open(disk) else { return promise };
        owner.check(&mut promise, true).unwrap_or_else(|what| panic!("script {seed}: {what}"));
        let full_from = random.below(STEPS - FULL_STEPS);
        for step in 0..STEPS {
            if step == full_from {
                disk.limit(Some(disk.bytes() + random.below(4096)));
            } else if step == full_from + FULL_STEPS {
                disk.limit(None);
            }
            let had_reserve = disk.contents(&reserve()).is_ok();
            let outcome = match random.below(16) {
                0..=8 => owner.change(&mut random, &mut promise),
                9..=13 => owner.checkpoint(&mut random, &mut promise),
                14 => owner.mark(&mut promise),
                _ => {
                    owner.reclaim();
                    Ok(())
                }
            };
            met.reserves += u64::from(had_reserve && disk.contents(&reserve()).is_err());
            if outcome.is_err() {
                break;
            }
        }
        met.segments = met.segments.max(owner.tail.head().number);
        met.checkpoints += owner.checkpointed;
        met.removed += owner.removed;
    }
    promise
}

fn reserve() -> std::path::PathBuf {
    data().join("shard-00/RESERVE")
}

/// What is there after a crash is what was promised, and can be gone on from.
fn check(disk: &Disk, mut promise: Promise, only_process_died: bool, met: &mut Met) -> Result<(), String> {
    if let Ok(found) = verify(disk, data())
        && let Some(damage) = found.damages.first()
    {
        return Err(format!("before it is opened: {damage}"));
    }
    let owner = owner::open(disk).map_err(|error| error.to_string())?;
    owner.check(&mut promise, only_process_died)?;
    met.torn += u64::from(owner.recovery.torn.is_some());
    if let Some(damage) = owner.recovery.damaged_checkpoints.first() {
        return Err(damage.to_string());
    }
    drop(owner);
    let found = verify(disk, data()).map_err(|error| error.to_string())?;
    match (found.damages.first(), found.torn) {
        (None, None) => Ok(()),
        (damage, torn) => Err(format!("after it was opened: {damage:?} {torn:?}")),
    }
}

/// Stops the recovery at each of its operations; the next one must do as if it had been the first.
fn check_recoveries(crashed: &Disk, promise: &Promise, met: &mut Met) -> Result<(), String> {
    let whole = crashed.copy();
    let before = whole.operations();
    drop(owner::open(&whole));
    for operation in before + 1..=whole.operations() {
        for keep in [Keep::Nothing, Keep::Everything, Keep::Any] {
            let disk = crashed.copy();
            disk.plan(operation, Fault::Stop);
            match owner::open(&disk) {
                Err(OpenError::Io { .. }) => disk.power_on(keep),
                Err(error) => return Err(format!("recovery stopped at {operation}: {error}")),
                Ok(_) => return Err(format!("recovery goes on when it was stopped at {operation}")),
            }
            let outcome = check(&disk, promise.clone(), false, met);
            outcome.map_err(|what| format!("recovery stopped at {operation}, {keep:?}: {what}"))?;
            met.recoveries += 1;
        }
    }
    Ok(())
}

/// How much of everything is tried.
#[derive(Clone, Copy)]
struct Figures {
    subsets: u64,
    recoveries: u64,
}

/// Stops the script at each of its operations, and looks at every state that the disk may be in then.
fn crash_everywhere(seed: u64, figures: Figures, ignore_syncs: bool, met: &mut Met) -> Result<(), String> {
    let new_disk = || {
        let disk = Disk::new(seed);
        if ignore_syncs {
            disk.ignore_syncs();
        }
        disk
    };
    let whole = new_disk();
    owners_script(&whole, seed, met);
    for operation in 1..=whole.operations() {
        let crashed = new_disk();
        crashed.plan(operation, Fault::Stop);
        let promise = owners_script(&crashed, seed, &mut Met::default());
        met.crashes += 1;
        crashed.limit(None);
        let place = |way: &str, what: String| {
            format!("at {operation}, {way}: {what}; again with NARU_SEED={seed} NARU_SCRIPTS=1")
        };
        check(&crashed.copy(), promise.clone(), true, met).map_err(|what| place("process died", what))?;
        let mut ways = vec![Keep::Nothing, Keep::Everything];
        ways.extend((1..crashed.unsynced_changes()).map(Keep::First));
        ways.extend((0..crashed.unsynced_sectors()).map(Keep::AllBut));
        ways.extend((0..figures.subsets).map(|_| Keep::Any));
        for (index, keep) in ways.into_iter().enumerate() {
            let disk = crashed.copy();
            disk.reseed(index as u64);
            disk.power_on(keep);
            let way = format!("{keep:?}");
            if (operation + index as u64).is_multiple_of(figures.recoveries) {
                check_recoveries(&disk, &promise, met).map_err(|what| place(&way, what))?;
            }
            check(&disk, promise.clone(), false, met).map_err(|what| place(&way, what))?;
            met.states += 1;
        }
    }
    Ok(())
}

#[test]
fn a_crash_at_every_operation_loses_nothing_whatever_is_lost_of_the_unsynced() {
    let scripts = number_from("NARU_SCRIPTS").unwrap_or(SCRIPTS);
    let figures = Figures {
        subsets: number_from("NARU_SUBSETS").unwrap_or(SUBSETS),
        recoveries: number_from("NARU_RECOVERIES").unwrap_or(RECOVERIES).max(1),
    };
    let first = number_from("NARU_SEED").unwrap_or(0);
    let mut met = Met::default();
    for seed in first..first + scripts {
        crash_everywhere(seed, figures, false, &mut met).unwrap_or_else(|what| panic!("{what}"));
    }
    println!("{scripts} scripts: {met:?}");
    let Met { segments, checkpoints, removed, reserves, torn, recoveries, .. } = met;
    assert!(
        scripts < SCRIPTS
            || segments > 5
                && checkpoints > 5
                && removed > 2
                && reserves > 0
                && torn > 100
                && recoveries > 100
    );
}

#[test]
fn a_disk_that_ignores_syncs_is_caught_by_the_scripts_too() {
    let figures = Figures { subsets: 0, recoveries: u64::MAX };
    for seed in 0..3 {
        assert!(crash_everywhere(seed, figures, true, &mut Met::default()).is_err(), "script {seed}");
    }
}

#[test]
fn an_error_at_any_operation_loses_nothing_though_it_goes_on_after_a_restart() {
    for seed in 0..2 {
        let whole = Disk::new(seed);
        owners_script(&whole, seed, &mut Met::default());
        for operation in 1..=whole.operations() {
            let disk = Disk::new(seed);
            let kind = if operation % 3 == 0 { ErrorKind::StorageFull } else { ErrorKind::Other };
            disk.plan(operation, Fault::Error(kind));
            let promise = owners_script(&disk, seed, &mut Met::default());
            disk.limit(None);
            for keep in [Keep::Nothing, Keep::Any] {
                let disk = disk.copy();
                disk.power_on(keep);
                check(&disk, promise.clone(), false, &mut Met::default()).unwrap_or_else(|what| {
                    panic!("script {seed}, {kind:?} at {operation}, {keep:?}: {what}")
                });
            }
        }
    }
}

/// Makes a folder, fills more than two segments, closes once in between. Answers what was promised.
fn script(disk: &Disk) -> Model {
    let mut random = Random(7);
    let mut model = Model::default();
    for _ in 0..2 {
        let Ok(mut opened) = open(disk) else { return model };
        for _ in 0..12 {
            if model.commit(&mut opened, random.records()).is_err() {
                return model;
            }
        }
        match opened.mark() {
            Ok(last) => model.acknowledged = last,
            Err(_) => return model,
        }
    }
    model
}

#[test]
fn after_a_crash_at_any_operation_a_tail_that_vanishes_is_missed() {
    let whole = Disk::new(0);
    script(&whole);
    for operation in 1..=whole.operations() {
        let disk = Disk::new(operation);
        disk.plan(operation, Fault::Stop);
        script(&disk);
        disk.power_on(Keep::Any);
        let mut opened = open(&disk).unwrap();
        opened.commit(&[b"record".to_vec()]).unwrap();
        drop(opened);
        // The spare behind the tail may be there or not.
        let mut number = 1;
        while disk.contents(&segment(number + 1)).is_ok_and(|bytes| bytes[0] != 0) {
            number += 1;
        }
        disk.remove(&segment(number)).unwrap();
        assert!(matches!(open(&disk), Err(OpenError::Damaged(_))), "at {operation}, segment {number}");
    }
}
