//! Crashes anywhere, also during recovery, on a disk that keeps any part of what was not synced (R1, R3, R8).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Model, Opened, Random, open};
use crate::error::OpenError;
use crate::faults::{Disk, Fault, Keep};
use crate::frame::Kind;

/// Crashes in one run of the test; the long run raises it by `NARU_CRASHES`.
const CRASHES: u64 = 120_000;
const CRASHES_A_SEED: u64 = 20;

pub(super) fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Plans one stop or error within the next operations.
pub(super) fn plan_fault(disk: &Disk, random: &mut Random, within: u64) {
    let at = disk.operations() + 1 + random.below(within);
    let fault = match random.below(6) {
        0 => Fault::Error(ErrorKind::Other),
        1 => Fault::Error(ErrorKind::StorageFull),
        _ => Fault::Stop,
    };
    disk.plan(at, fault);
}

/// The process or the machine goes down, and up again. Whether it was only the process.
pub(super) fn go_down(disk: &Disk, random: &mut Random) -> bool {
    let way = random.below(8);
    match way {
        0..=2 => disk.restart(),
        3 => disk.power_on(Keep::Nothing),
        4 => disk.power_on(Keep::Everything),
        _ => disk.power_on(Keep::Any),
    }
    way <= 2
}

/// Opens the log, going down during that up to three times.
fn open_through_crashes(disk: &Disk, random: &mut Random, stopped: &mut u64) -> Result<Opened, String> {
    for _ in 0..random.below(4) {
        plan_fault(disk, random, 24);
        match open(disk) {
            Ok(opened) => return Ok(opened),
            Err(OpenError::Io { .. }) => {
                *stopped += 1;
                go_down(disk, random);
            }
            Err(error) => return Err(format!("refused: {error}")),
        }
    }
    disk.restart();
    open(disk).map_err(|error| format!("refused: {error}"))
}

/// Goes down so often. How many recoveries were stopped, besides.
fn run(seed: u64, crashes: u64, ignore_syncs: bool) -> Result<u64, String> {
    let mut random = Random(seed);
    let disk = Disk::new(random.next());
    if ignore_syncs {
        disk.ignore_syncs();
    }
    let mut model = Model::default();
    let mut stopped = 0;
    for _ in 0..crashes {
        let mut opened = open_through_crashes(&disk, &mut random, &mut stopped)?;
        model.check(&opened)?;
        plan_fault(&disk, &mut random, 30);
        let frames = random.below(20);
        let mut failed = false;
        for _ in 0..frames {
            failed = model.commit(&mut opened, random.records()).is_err();
            if failed {
                break;
            }
        }
        if !failed && random.below(4) == 0 {
            // Its number may have been given, and is then taken; not acknowledged, it may also be given again.
            if let Ok(last) = opened.mark() {
                model.acknowledged = last;
            }
        }
        go_down(&disk, &mut random);
    }
    Ok(stopped)
}

#[test]
fn no_crash_loses_what_was_acknowledged_or_changes_what_is_found() {
    let crashes = number_from("NARU_CRASHES").unwrap_or(CRASHES);
    let first = number_from("NARU_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let mut stopped = 0;
    for index in 0..crashes.div_ceil(CRASHES_A_SEED) {
        let seed = first.wrapping_add(index);
        match run(seed, CRASHES_A_SEED, false) {
            Ok(recoveries) => stopped += recoveries,
            Err(what) => panic!("{what}; again with NARU_SEED={seed} NARU_CRASHES=1"),
        }
    }
    println!("{crashes} crashes, and {stopped} of recoveries");
    assert!(crashes < 1000 || stopped > crashes / 4, "{stopped}");
}

#[test]
fn a_disk_that_ignores_syncs_is_caught_by_this_very_check() {
    let caught = (0..20).filter(|seed| run(*seed, CRASHES_A_SEED, true).is_err()).count();
    assert!(caught >= 19, "only {caught} of 20");
}

#[test]
fn recovering_twice_gives_the_same_and_leaves_the_same() {
    let mut torn = 0;
    for seed in 0..200 {
        let mut random = Random(seed);
        let disk = Disk::new(seed);
        let mut model = Model::default();
        let mut opened = open(&disk).unwrap();
        disk.plan(disk.operations() + 1 + random.below(40), Fault::Stop);
        while model.commit(&mut opened, random.records()).is_ok() {}
        disk.power_on(Keep::Any);
        let first = open(&disk).unwrap();
        let files = disk.files();
        disk.power_on(Keep::Nothing);
        let second = open(&disk).unwrap();
        assert_eq!(first.records, second.records, "seed {seed}");
        assert_eq!(second.recovery.torn, None, "seed {seed}");
        assert_eq!(files, disk.files(), "seed {seed}");
        torn += u64::from(first.recovery.torn.is_some());
    }
    assert!(torn > 20, "only {torn} of 200 crashes tore a frame");
}

#[test]
fn a_failed_sync_is_not_believed_after_a_restart() {
    for seed in 0..50 {
        let disk = Disk::new(seed);
        let mut opened = open(&disk).unwrap();
        opened.commit(&[vec![1; 100]]).unwrap();
        // The write is the next operation, the sync the one after.
        disk.plan(disk.operations() + 2, Fault::Error(ErrorKind::Other));
        assert!(opened.commit(&[vec![2; 2000]]).is_err());
        disk.restart();
        let shown = open(&disk).unwrap().records;
        assert_eq!(shown.len(), 2, "the kernel still shows it");
        disk.power_on(Keep::Nothing);
        assert_eq!(open(&disk).unwrap().records, shown, "what was shown stays");
    }
}

#[test]
fn what_was_cut_does_not_come_back_though_the_sync_of_the_cut_has_failed() {
    for seed in 0..100 {
        let disk = Disk::new(seed);
        let mut opened = open(&disk).unwrap();
        // Two frames that are not synced, and end with a sector; of the first one is lost, so that both are cut.
        opened.tail.prepare_next().unwrap();
        for byte in [2, 3] {
            let mut batch = opened.batch();
            batch.push(Kind::Data, &[byte; 975]);
            opened.tail.write(&Arc::new(RwLock::new(batch))).unwrap();
        }
        disk.power_on(Keep::AllBut(1));
        let operations = {
            let copy = disk.copy();
            let before = copy.operations();
            assert!(open(&copy).unwrap().recovery.torn.is_some());
            copy.operations() - before
        };
        for operation in 1..=operations {
            let disk = disk.copy();
            disk.plan(disk.operations() + operation, Fault::Error(ErrorKind::Other));
            assert!(open(&disk).is_err(), "seed {seed}, {operation}");
            disk.restart();
            // Another in the place of the first, and as long.
            let mut opened = open(&disk).unwrap();
            opened.commit(&[vec![4; 975]]).unwrap();
            disk.power_on(Keep::Nothing);
            let again = open(&disk).unwrap_or_else(|error| panic!("seed {seed}, {operation}: {error}"));
            assert_eq!(again.records.len(), 1, "seed {seed}, {operation}");
        }
    }
}
