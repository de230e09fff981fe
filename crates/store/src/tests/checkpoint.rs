//! Checkpoints with the log's threads: what a start needs, what it falls back to, what it does not wait for.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::log::wait_until;
use super::{Loaded, data, segment, small};
use crate::address::Address;
use crate::checkpoint::file_name;
use crate::error::{OpenError, WriteError};
use crate::faults::{Disk, Fault, Keep};
use crate::log::Log;
use crate::lsn::Lsn;
use crate::recovery::Recovery;
use crate::segments::Hold;

struct Opened {
    log: Log,
    recovery: Recovery,
    loaded: Loaded,
    durable: Receiver<Result<Lsn, WriteError>>,
}

fn try_open(disk: &Disk) -> Result<Opened, OpenError> {
    let (told, durable) = sync_channel(1000);
    let on_durable = Box::new(move |outcome| drop(told.send(outcome)));
    let mut loaded = Loaded::default();
    let (log, recovery) = Log::open(Arc::new(disk.clone()), data(), small(), on_durable, &mut loaded)?;
    Ok(Opened { log, recovery, loaded, durable })
}

fn open(disk: &Disk) -> Opened {
    try_open(disk).unwrap()
}

fn path(lsn: u64) -> PathBuf {
    data().join("shard-00").join(file_name(Lsn::new(lsn)))
}

impl Opened {
    fn store(&mut self, record: &[u8]) -> Address {
        let (lsn, address) = self.log.append(record).unwrap();
        self.log.submit().unwrap();
        while self.log.durable() < lsn {
            self.durable.recv().unwrap().unwrap();
        }
        address
    }

    fn outcome(&mut self) -> Result<Lsn, WriteError> {
        let mut outcome = None;
        wait_until("the checkpoint ends", || {
            outcome = self.log.checkpoint_outcome();
            outcome.is_some()
        });
        outcome.unwrap()
    }

    fn checkpoint(&mut self, pieces: &[&[u8]]) -> Lsn {
        let mut checkpoint = self.log.begin_checkpoint().unwrap();
        pieces.iter().for_each(|piece| checkpoint.push(piece.to_vec()));
        self.log.finish_checkpoint(checkpoint);
        self.outcome().unwrap()
    }
}

#[test]
fn a_start_gets_the_newest_checkpoint_and_the_records_behind_it() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    assert!(opened.log.begin_checkpoint().is_none(), "there is nothing to keep");
    for index in 1..=10u8 {
        opened.store(&[index; 1000]);
    }
    assert_eq!(opened.checkpoint(&[b"one", b"two"]), Lsn::new(10));
    assert!(opened.log.begin_checkpoint().is_none(), "nothing has come since");
    opened.store(b"eleven");
    drop(opened);
    disk.power_on(Keep::Nothing);
    let opened = open(&disk);
    assert_eq!(opened.loaded.pieces, [b"one", b"two"]);
    assert_eq!(opened.loaded.records, [(Lsn::new(11), b"eleven".to_vec())]);
    assert_eq!(opened.recovery.checkpoint, Some(Lsn::new(10)));
    assert_eq!((opened.recovery.records, opened.recovery.last), (1, Lsn::new(11)));
    assert!(opened.recovery.segments <= 2, "only what is behind it is read");
}

#[test]
fn a_mark_makes_room_for_a_checkpoint_as_often_as_one_is_wanted() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    opened.store(b"a record");
    for _ in 0..3 {
        let last = opened.log.last();
        opened.log.mark_again().unwrap();
        assert!(opened.log.last() > last);
        super::log::wait_until("the mark is written", || opened.log.durable() == opened.log.last());
        opened.checkpoint(&[b"piece"]);
    }
}

#[test]
fn the_newest_two_are_kept_and_the_older_one_helps_out() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    for index in 1..=4u8 {
        for _ in 0..5 {
            opened.store(&[index; 1000]);
        }
        opened.checkpoint(&[&[index]]);
    }
    drop(opened);
    let there = |lsn| disk.contents(&path(lsn)).is_ok();
    assert_eq!([5, 10, 15, 20].map(there), [false, false, true, true]);
    let whole = disk.contents(&path(20)).unwrap();
    for at in (0..whole.len()).step_by(5) {
        let copy = disk.copy();
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        copy.overwrite(&path(20), &bytes).unwrap();
        for _ in 0..2 {
            let opened = open(&copy);
            assert_eq!((opened.loaded.pieces.as_slice(), opened.recovery.records), (&[vec![3]][..], 5));
            assert_eq!(opened.recovery.damaged_checkpoints[0].path, path(20));
        }
        // The damaged one is not counted as one of two.
        let mut opened = open(&copy);
        opened.store(b"more");
        opened.checkpoint(&[b"new"]);
        assert!(copy.contents(&path(20)).is_err() && copy.contents(&path(15)).is_ok());
    }
    assert!(whole.len() > 60);
}

#[test]
fn without_a_whole_checkpoint_a_start_replays_all_or_names_what_is_damaged() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    for round in 1..=3u8 {
        for _ in 0..10 {
            opened.store(&[round; 1000]);
        }
        opened.checkpoint(&[b"piece"]);
    }
    drop(opened);
    for lsn in [20, 30] {
        let mut bytes = disk.contents(&path(lsn)).unwrap();
        bytes[40] ^= 1;
        disk.overwrite(&path(lsn), &bytes).unwrap();
    }
    let whole = open(&disk.copy());
    assert_eq!((whole.recovery.records, whole.recovery.damaged_checkpoints.len()), (30, 2));
    drop(whole);
    // Now the log does not go back to the beginning any more.
    let copy = disk.copy();
    crate::vfs::Vfs::remove(&copy, &segment(1)).unwrap();
    let said = try_open(&copy).err().unwrap().to_string();
    for part in [path(30).to_str().unwrap(), "at byte 36", "naru doctor verify /data"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn dead_segments_below_both_checkpoints_go_and_a_start_copes_with_the_gaps() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    let places: Vec<_> = (0..20u8).map(|index| (index, opened.store(&[index; 1000]))).collect();
    for (_, address) in &places {
        opened.log.count_live(*address, 1000, Hold::Loose).unwrap();
    }
    opened.log.reclaim();
    let kept = |index: u8| index == 0 || index == 13;
    places
        .iter()
        .filter(|(index, _)| !kept(*index))
        .for_each(|(_, address)| opened.log.count_dead(*address, 1000, Hold::Loose));
    opened.checkpoint(&[b"first"]);
    opened.log.submit().unwrap();
    assert!(opened.log.sealed().count() >= 6, "with one checkpoint all is kept");
    opened.store(b"more");
    opened.checkpoint(&[b"second"]);
    opened.log.submit().unwrap();
    assert_eq!(opened.log.sealed().count(), 2);
    wait_until("they go", || disk.files().iter().filter(|(path, _)| path.extension().is_some()).count() == 4);
    opened.log.close().unwrap();
    // Names that were removed may be there again after a crash.
    for keep in [Keep::Everything, Keep::Any, Keep::Any] {
        let disk = disk.copy();
        disk.power_on(keep);
        let mut opened = open(&disk);
        let mut places = places.clone();
        places.retain(|(index, address)| {
            let counted = opened.log.count_live(*address, 1000, Hold::Loose);
            if !kept(*index)
                && let Err(damage) = counted
            {
                assert!(damage.to_string().contains(".seg"), "{damage}");
                return false;
            }
            true
        });
        for (index, address) in &places {
            let mut buffer = [0xff; 1000];
            opened.log.read(*address, &mut buffer).unwrap();
            assert_eq!(buffer, [*index; 1000]);
        }
        assert_eq!(places.iter().filter(|(index, _)| kept(*index)).count(), 2);
        assert!(keep == Keep::Any || places.len() < 12);
        opened.store(b"and on");
    }
}

#[test]
fn the_owner_never_waits_and_is_asked_for_patience() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    opened.store(b"record");
    let still = disk.hold();
    let mut checkpoint = opened.log.begin_checkpoint().unwrap();
    let mut pushed = 0;
    while checkpoint.has_room() {
        checkpoint.push(vec![pushed; 256 * 1024]);
        pushed += 1;
    }
    assert!((16..40).contains(&pushed), "{pushed}");
    assert!(opened.log.begin_checkpoint().is_none() && opened.log.is_checkpointing());
    drop(still);
    wait_until("there is room again", || checkpoint.has_room());
    checkpoint.push(b"last".to_vec());
    opened.log.finish_checkpoint(checkpoint);
    assert_eq!(opened.outcome().unwrap(), Lsn::new(1));
    assert!(opened.log.checkpoint_outcome().is_none(), "said once");
    opened.log.close().unwrap();
    assert_eq!(open(&disk).loaded.pieces.len(), usize::from(pushed) + 1);
}

#[test]
fn a_checkpoint_counts_only_once_all_that_it_may_know_is_on_disk() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    opened.store(b"stored");
    let mut checkpoint = opened.log.begin_checkpoint().unwrap();
    opened.log.append(b"not submitted").unwrap();
    checkpoint.push(b"knows of it".to_vec());
    opened.log.finish_checkpoint(checkpoint);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(opened.log.is_checkpointing() && disk.contents(&path(1)).is_err());
    drop(opened);
    let mut opened = open(&disk);
    assert_eq!((opened.recovery.checkpoint, opened.recovery.records), (None, 1));
    let mut checkpoint = opened.log.begin_checkpoint().unwrap();
    opened.log.append(b"not submitted").unwrap();
    checkpoint.push(b"knows of it".to_vec());
    opened.log.finish_checkpoint(checkpoint);
    opened.log.close().unwrap();
    let opened = open(&disk);
    assert_eq!((opened.recovery.checkpoint, opened.recovery.records), (Some(Lsn::new(1)), 1));
}

/// Whether it was asked to be finished or not.
#[test]
fn pieces_that_take_long_to_make_do_not_keep_the_log_from_being_closed() {
    for is_finished in [false, true] {
        let disk = Disk::new(1);
        let mut opened = open(&disk);
        opened.store(b"stored");
        let mut checkpoint = opened.log.begin_checkpoint().unwrap();
        let (made, first) = sync_channel(1);
        checkpoint.push_made(1, move |push| {
            // There would always be another.
            while push(vec![7; 1000]).is_continue() {
                let _ = made.try_send(());
            }
        });
        checkpoint.push(b"behind".to_vec());
        checkpoint.push_made(1, |_| panic!("it is given up already"));
        let kept = if is_finished {
            opened.log.finish_checkpoint(checkpoint);
            None
        } else {
            Some(checkpoint)
        };
        first.recv().unwrap();
        opened.log.close().unwrap();
        drop(kept);
        let files = disk.files();
        assert!(files.iter().all(|(path, _)| !path.to_str().unwrap().contains("ckpt")), "{files:?}");
        let recovery = open(&disk).recovery;
        assert_eq!((recovery.checkpoint, recovery.records), (None, 1));
    }
}

#[test]
fn what_a_checkpoint_proves_is_missed_at_the_very_end() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    opened.store(b"first");
    let checkpoint = opened.log.begin_checkpoint().unwrap();
    opened.store(b"last");
    opened.log.finish_checkpoint(checkpoint);
    opened.outcome().unwrap();
    drop(opened);
    let mut bytes = disk.contents(&segment(1)).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end] ^= 1;
    disk.overwrite(&segment(1), &bytes).unwrap();
    let Err(OpenError::Damaged(damage)) = try_open(&disk) else { panic!("it was cut") };
    assert_eq!(damage.records, Some((Lsn::new(2), Lsn::new(2))));
}

#[test]
fn one_that_is_dropped_or_fails_leaves_the_log_as_it_was() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    opened.store(b"record");
    let mut checkpoint = opened.log.begin_checkpoint().unwrap();
    checkpoint.push(b"piece".to_vec());
    drop(checkpoint);
    wait_until("it is given up", || !opened.log.is_checkpointing());
    assert!(opened.log.checkpoint_outcome().is_none());
    // Creating, writing, syncing, naming, syncing the name.
    for operation in 1..=5 {
        let kind = if operation % 2 == 0 { ErrorKind::StorageFull } else { ErrorKind::Other };
        disk.plan(disk.operations() + operation, Fault::Error(kind));
        let mut checkpoint = opened.log.begin_checkpoint().unwrap();
        checkpoint.push(b"piece".to_vec());
        opened.log.finish_checkpoint(checkpoint);
        assert!(opened.outcome().is_err(), "operation {operation}");
        opened.store(b"the log goes on");
    }
    assert_eq!(opened.checkpoint(&[b"at last"]), Lsn::new(6));
    let checkpoint = opened.log.begin_checkpoint();
    assert!(checkpoint.is_none());
    opened.store(b"more");
    let unfinished = opened.log.begin_checkpoint().unwrap();
    drop(opened);
    drop(unfinished);
    assert!(disk.files().iter().all(|(path, _)| !path.to_str().unwrap().ends_with(".new")));
    assert_eq!(open(&disk).loaded.pieces, [b"at last"]);
}
