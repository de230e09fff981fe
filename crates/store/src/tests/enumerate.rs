//! One script, with a crash at every operation that changes the disk, and every simple way to lose what was not
//! synced (R2).

use super::{Model, Random, open, segment};
use crate::error::OpenError;
use crate::faults::{Disk, Fault, Keep};
use crate::vfs::Vfs;

/// Subsets drawn at random at each crash, beside the simple ones.
const SUBSETS: u64 = 12;

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
fn a_crash_at_every_operation_loses_nothing_whichever_sectors_are_lost() {
    let whole = Disk::new(0);
    script(&whole);
    let operations = whole.operations();
    assert!(whole.files().len() >= 5 && operations > 80, "the script covers several segments");

    for operation in 1..=operations {
        let crashed = Disk::new(operation);
        crashed.plan(operation, Fault::Stop);
        let model = script(&crashed);
        let mut ways = vec![Keep::Nothing, Keep::Everything];
        ways.extend((0..crashed.unsynced_sectors()).map(Keep::AllBut));
        ways.extend((0..SUBSETS).map(|_| Keep::Any));
        for (index, keep) in ways.into_iter().enumerate() {
            let disk = crashed.copy();
            disk.reseed(index as u64);
            disk.power_on(keep);
            let mut model = model.clone();
            let opened = open(&disk).unwrap_or_else(|error| panic!("at {operation}, {keep:?}: {error}"));
            model.check(&opened).unwrap_or_else(|what| panic!("at {operation}, {keep:?}: {what}"));
        }
    }
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
