//! Whatever is done to an owner of the log, and however it ends: every key holds what a map in memory says (R22). A
//! failure is made as short as it can be.

use std::io::ErrorKind;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::Random;
use super::crash::number_from;
use super::owner::{self, Owner, Promise};
use crate::error::{OpenError, WriteError};
use crate::faults::{Disk, Fault, Keep};

/// Cases in one run of the test; the long run raises it by `NARU_CASES`.
const CASES: u64 = 20_000;

#[derive(Clone, Debug)]
enum Step {
    /// Keys get values of so many of this byte, or are deleted, in one frame that is synced or not.
    Write {
        values: Vec<(u8, usize, u8)>,
        is_synced: bool,
    },
    Sync,
    Mark,
    Checkpoint,
    Reclaim,
    /// The disk has so many bytes left, or as many as are wanted.
    Space(Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![1 => Just(0_usize), 2 => 1_usize..40, 2 => 40_usize..1200];
    // A few are written again and again, so that segments die.
    let key = prop_oneof![3 => 0_u8..3, 1 => 0..owner::KEYS];
    let values = prop::collection::vec((key, bytes, any::<u8>()), 1..4);
    prop_oneof![
        9 => (values, any::<bool>()).prop_map(|(values, is_synced)| Step::Write { values, is_synced }),
        1 => Just(Step::Sync),
        1 => Just(Step::Mark),
        8 => Just(Step::Checkpoint),
        3 => Just(Step::Reclaim),
        1 => prop::option::of(0_u64..12_000).prop_map(Step::Space),
    ]
}

/// From one start to the next.
#[derive(Clone, Debug)]
struct Life {
    steps: Vec<Step>,
    /// Something goes wrong at this operation of the disk, if it comes so far.
    fault: Option<(u64, Fault)>,
    /// What the end leaves, if it is the machine that goes down and not the process alone.
    keep: Option<Keep>,
    /// The next start is itself stopped at these operations, one after the other, and leaves this.
    recoveries: Vec<(u64, Option<Keep>)>,
}

fn life() -> impl Strategy<Value = Life> {
    // Many short ones find more than few long ones, but those fill segments and let them go.
    let steps = prop_oneof![
        4 => prop::collection::vec(step(), 0..12),
        1 => prop::collection::vec(step(), 20..80),
    ];
    let fault = prop_oneof![
        4 => Just(Fault::Stop),
        1 => Just(Fault::Error(ErrorKind::Other)),
        1 => Just(Fault::Error(ErrorKind::StorageFull)),
    ];
    let keep = || {
        prop::option::of(prop_oneof![
            Just(Keep::Nothing),
            Just(Keep::Everything),
            (0_usize..12).prop_map(Keep::AllBut),
            (0_usize..12).prop_map(Keep::First),
            Just(Keep::Any),
        ])
    };
    let recoveries = prop::collection::vec((1_u64..16, keep()), 0..3);
    (steps, prop::option::of((1_u64..60, fault)), keep(), recoveries)
        .prop_map(|(steps, fault, keep, recoveries)| Life { steps, fault, keep, recoveries })
}

fn take(
    owner: &mut Owner,
    step: &Step,
    disk: &Disk,
    random: &mut Random,
    promise: &mut Promise,
) -> Result<(), WriteError> {
    match step {
        Step::Write { values, is_synced } => {
            let values: Vec<_> =
                values.iter().map(|(key, bytes, byte)| (*key, vec![*byte; *bytes])).collect();
            owner.write(&values, *is_synced, promise)
        }
        Step::Sync => owner.sync(promise),
        Step::Mark => owner.mark(promise),
        Step::Checkpoint => owner.checkpoint(random, promise),
        Step::Reclaim => {
            owner.reclaim();
            Ok(())
        }
        Step::Space(bytes) => {
            disk.limit(bytes.map(|bytes| disk.bytes() + bytes));
            Ok(())
        }
    }
}

/// The process or the machine goes down, and up again. Whether it was only the process.
fn go_down(disk: &Disk, keep: Option<Keep>) -> bool {
    match keep {
        None => disk.restart(),
        Some(keep) => disk.power_on(keep),
    }
    keep.is_none()
}

/// Goes through these lives. Nothing that was promised is missing after any of them.
fn live(disk: &Disk, lives: &[Life]) -> Result<(), String> {
    let mut random = Random(7);
    let (mut promise, mut only_process_died) = (Promise::default(), true);
    let open = || match owner::open(disk) {
        Ok(owner) if owner.recovery.damaged_checkpoints.is_empty() => Ok(owner),
        Ok(_) => Err("a crash has damaged a checkpoint".to_owned()),
        Err(error) => Err(format!("refused: {error}")),
    };
    for life in lives {
        let mut owner = open()?;
        owner.check(&mut promise, only_process_died)?;
        let begin = disk.operations();
        if let Some((operation, fault)) = life.fault {
            disk.plan(begin + operation, fault);
        }
        // Also in what does not say that it failed, as when a dead segment is removed.
        let is_stopped =
            || life.fault.is_some_and(|(at, fault)| fault == Fault::Stop && disk.operations() >= begin + at);
        for step in &life.steps {
            let taken = take(&mut owner, step, disk, &mut random, &mut promise);
            if taken.is_err() || is_stopped() {
                break;
            }
            owner.check_values(&promise)?;
        }
        drop(owner);
        only_process_died = go_down(disk, life.keep);
        disk.limit(None);
        for (operation, keep) in &life.recoveries {
            disk.plan(disk.operations() + operation, Fault::Stop);
            match owner::open(disk) {
                Ok(_) | Err(OpenError::Io { .. }) => only_process_died &= go_down(disk, *keep),
                Err(error) => return Err(format!("refused: {error}")),
            }
        }
    }
    open()?.check(&mut promise, only_process_died)
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    prop::collection::vec(life(), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(number_from("NARU_CASES").unwrap_or(CASES) as u32))]

    #[test]
    fn every_key_holds_what_a_map_says(seed: u64, lives in lives()) {
        prop_assert_eq!(live(&Disk::new(seed), &lives), Ok(()));
    }
}

#[test]
fn a_disk_that_ignores_syncs_does_not_hold_what_a_map_says() {
    let mut runner = TestRunner::deterministic();
    let caught = (0..200).filter(|seed| {
        let disk = Disk::new(*seed);
        disk.ignore_syncs();
        live(&disk, &lives().new_tree(&mut runner).unwrap().current()).is_err()
    });
    assert!(caught.count() > 40);
}
