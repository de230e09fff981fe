//! What counts as durable at each level, and when it is on disk.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::log::wait_until;
use super::{Loaded, data, small};
use crate::error::WriteError;
use crate::faults::{Disk, Fault, Keep};
use crate::level::Level;
use crate::log::{Log, Options};
use crate::lsn::Lsn;

struct Opened {
    log: Log,
    count: usize,
    durable: Receiver<Result<Lsn, WriteError>>,
}

fn open(disk: &Disk, level: Level) -> Opened {
    let (told, durable) = sync_channel(1000);
    let on_durable = Box::new(move |outcome| drop(told.send(outcome)));
    let mut loaded = Loaded::default();
    let options = Options { level, ..small() };
    let (log, _) = Log::open(Arc::new(disk.clone()), data(), options, on_durable, &mut loaded).unwrap();
    Opened { log, count: loaded.records.len(), durable }
}

impl Opened {
    fn store(&mut self) -> Lsn {
        let (lsn, _) = self.log.append(&[1; 100]).unwrap();
        self.log.submit().unwrap();
        while self.log.durable() < lsn {
            self.durable.recv().unwrap().unwrap();
        }
        lsn
    }
}

#[test]
fn at_every_second_what_is_written_counts_and_is_on_disk_a_second_later() {
    let disk = Disk::new(1);
    let mut opened = open(&disk, Level::EverySecond);
    let begin = Instant::now();
    let mut last = Lsn::ZERO;
    while opened.log.synced() < Lsn::new(3) {
        last = opened.store();
        std::thread::sleep(Duration::from_millis(60));
        assert!(begin.elapsed() < Duration::from_secs(60));
    }
    assert!(begin.elapsed() > Duration::from_millis(900), "{:?}", begin.elapsed());
    assert!(opened.log.syncs().0 < last.number(), "not each by itself");
    // Nothing comes after it.
    last = opened.store();
    wait_until("the last one is synced too", || opened.log.synced() == last);
    drop(opened);
    disk.power_on(Keep::Nothing);
    assert_eq!(open(&disk, Level::Always).count as u64, last.number());
}

/// What is seen before the sync that comes a second after the first write; again, where the second was over first.
fn within_a_second<T>(mut look: impl FnMut() -> T) -> T {
    for _ in 0..10 {
        let begin = Instant::now();
        let seen = look();
        if begin.elapsed() < Duration::from_secs(1) {
            return seen;
        }
    }
    panic!("it takes longer than a second each time: what is written waits for a sync");
}

#[test]
fn what_counts_without_a_sync_survives_the_process() {
    for level in [Level::EverySecond, Level::No] {
        let (synced, killed, cut) = within_a_second(|| {
            let disk = Disk::new(1);
            let mut opened = open(&disk, level);
            for _ in 0..5 {
                opened.store();
            }
            (opened.log.synced(), disk.copy(), disk.copy())
        });
        assert_eq!(synced, Lsn::ZERO);
        assert_eq!(open(&killed, level).count, 5);
        killed.power_on(Keep::Nothing);
        assert_eq!(open(&killed, level).count, 5, "what was shown after a restart stays");
        cut.power_on(Keep::Nothing);
        assert_eq!(open(&cut, level).count, 0);
    }
}

#[test]
fn at_no_only_full_segments_checkpoints_a_stricter_level_and_closing_sync() {
    let disk = Disk::new(1);
    let mut opened = open(&disk, Level::No);
    while opened.log.synced() == Lsn::ZERO {
        opened.store();
    }
    assert!((25..45).contains(&opened.log.durable().number()), "{}", opened.log.durable());
    opened.log.mark().unwrap();
    let last = opened.store();
    assert!(opened.log.synced() < last);
    let checkpoint = opened.log.begin_checkpoint().unwrap();
    opened.log.finish_checkpoint(checkpoint);
    wait_until("the checkpoint is done", || opened.log.checkpoint_outcome().is_some());
    assert_eq!(opened.log.synced(), last);
    let last = opened.store();
    assert!(opened.log.synced() < last);
    opened.log.set_level(Level::Always);
    wait_until("it is synced", || opened.log.synced() == last);
    let last = opened.store();
    assert_eq!(opened.log.synced(), last);
    opened.log.set_level(Level::No);
    let last = opened.store();
    opened.log.close().unwrap();
    disk.power_on(Keep::Nothing);
    assert_eq!(open(&disk, Level::No).log.last().number(), last.number() + 1, "and the mark");
}

#[test]
fn what_is_asked_to_be_synced_is_and_that_is_told() {
    for level in [Level::EverySecond, Level::No] {
        let (first, cut) = within_a_second(|| {
            let disk = Disk::new(1);
            let mut opened = open(&disk, level);
            let (first, _) = opened.log.append(&[1; 100]).unwrap();
            opened.log.submit().unwrap();
            assert_eq!(opened.durable.recv().unwrap().unwrap(), first);
            opened.log.sync();
            assert_eq!(opened.durable.recv().unwrap().unwrap(), first, "told once more");
            assert_eq!(opened.log.synced(), first);
            opened.store();
            (first, disk.copy())
        });
        cut.power_on(Keep::Nothing);
        assert_eq!(open(&cut, level).count as u64, first.number(), "the other was not asked for");
    }
}

#[test]
fn a_sync_that_was_asked_for_and_fails_stops_the_log() {
    let disk = Disk::new(1);
    let mut opened = open(&disk, Level::No);
    let last = opened.store();
    disk.plan(disk.operations() + 1, Fault::Error(ErrorKind::Other));
    opened.log.sync();
    while opened.durable.recv().unwrap().is_ok() {}
    assert!(opened.log.synced() < last && opened.log.append(b"no").is_err());
}

#[test]
fn a_sync_that_fails_later_stops_the_log() {
    let disk = Disk::new(1);
    let mut opened = open(&disk, Level::No);
    opened.store();
    disk.plan(disk.operations() + 1, Fault::Error(ErrorKind::Other));
    opened.log.set_level(Level::Always);
    let error = opened.durable.recv().unwrap().unwrap_err();
    assert!(error.to_string().contains("sync"), "{error}");
    assert!(opened.log.append(b"no").is_err() && opened.log.submit().is_err() && opened.log.close().is_err());
}
