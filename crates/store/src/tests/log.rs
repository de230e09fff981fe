//! The log with its thread: group commit, bounds, and what it says when it cannot go on.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::{Loaded, Records, data, segment, small};
use crate::error::{AppendError, OpenError, WriteError};
use crate::faults::{Disk, Fault, Keep};
use crate::log::{Log, Options};
use crate::lsn::Lsn;
use crate::real_fs::RealFs;
use crate::recovery::Recovery;
use crate::segment::FORMAT;
use crate::tail::SHORT_FRAME_BYTES_MAX;
use crate::vfs::Vfs;

struct Opened {
    log: Log,
    recovery: Recovery,
    records: Records,
    durable: Receiver<Result<Lsn, WriteError>>,
}

fn open_with(fs: impl Vfs, data: &Path, options: Options) -> Result<Opened, OpenError> {
    let (told, durable) = sync_channel(1000);
    let mut loaded = Loaded::default();
    let (log, recovery) = Log::open(
        Arc::new(fs),
        data,
        options,
        Box::new(move |outcome| told.send(outcome).unwrap()),
        &mut loaded,
    )?;
    Ok(Opened { log, recovery, records: loaded.records, durable })
}

fn open(disk: &Disk) -> Opened {
    open_with(disk.clone(), data(), small()).unwrap()
}

fn refusal(fs: impl Vfs, data: &Path) -> String {
    open_with(fs, data, small()).err().expect("refused").to_string()
}

impl Opened {
    /// Appends, submits and waits until it is durable.
    fn store(&mut self, record: &[u8]) -> Result<Lsn, WriteError> {
        let (lsn, _) = self.log.append(record).unwrap();
        self.log.submit()?;
        while self.durable.recv().unwrap()? < lsn {}
        assert!(self.log.durable() >= lsn);
        Ok(lsn)
    }
}

pub(super) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn what_was_stored_on_a_real_disk_is_there_again_after_a_close_and_after_a_drop() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("new/data");
    let mut expected = Vec::new();
    for round in 0..4u8 {
        let mut opened = open_with(RealFs, &data, small()).unwrap();
        assert!(opened.records == expected);
        assert_eq!(opened.recovery.records, expected.len() as u64);
        assert_eq!(opened.recovery.clean, round == 1 || round == 3, "round {round}");
        assert_eq!(opened.recovery.torn, None);
        for index in 0..30 {
            let record = vec![index; 300];
            let lsn = opened.store(&record).unwrap();
            expected.push((lsn, record));
        }
        if round % 2 == 0 {
            // What is only in the open batch is written too.
            expected.push((opened.log.append(b"last").unwrap().0, b"last".to_vec()));
            opened.log.close().unwrap();
        } else {
            // And here it is not: nobody was told of it.
            opened.log.append(b"forgotten").unwrap();
        }
    }
    assert!(data.join("shard-00/0000000000000004.seg").exists());
}

#[test]
fn while_a_frame_is_in_flight_the_next_batch_gathers_and_then_goes_as_one() {
    let disk = Disk::new(1);
    let mut opened = open_with(disk.clone(), data(), Options { batch_bytes: 1000, ..small() }).unwrap();
    opened.store(b"first").unwrap();
    let still = disk.hold();
    opened.log.append(b"in flight").unwrap();
    opened.log.submit().unwrap();
    assert!(!opened.log.is_batch_full());
    let mut last = Lsn::ZERO;
    while !opened.log.is_batch_full() {
        last = opened.log.append(b"gathers").unwrap().0;
        opened.log.submit().unwrap();
    }
    assert!(opened.log.batch_bytes() >= 1000);
    assert_eq!(opened.log.durable(), Lsn::new(1));
    let batch_full = std::iter::repeat_with(|| opened.log.append(&[1; 100])).find_map(Result::err);
    assert!(matches!(batch_full, Some(AppendError::BatchFull)));
    drop(still);
    assert_eq!(opened.durable.recv().unwrap().unwrap(), Lsn::new(2));
    opened.log.submit().unwrap();
    let durable = opened.durable.recv().unwrap().unwrap();
    assert!(durable >= last, "one frame, told of once");
    opened.log.close().unwrap();
    assert_eq!(open(&disk).records.last().unwrap().0, durable);
}

#[test]
fn the_longest_record_is_stored_and_a_longer_one_refused() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    let bytes_max = opened.log.record_bytes_max();
    assert!(matches!(opened.log.append(&vec![1; bytes_max + 1]), Err(AppendError::TooLarge { .. })));
    for _ in 0..3 {
        opened.store(&vec![1; bytes_max]).unwrap();
    }
    opened.log.close().unwrap();
    assert_eq!(open(&disk).records.len(), 3);
}

#[test]
fn nothing_is_acknowledged_after_a_failed_sync_or_write() {
    for (operation, doing) in [(1, "write"), (2, "sync")] {
        let disk = Disk::new(1);
        let mut opened = open(&disk);
        // The next segment is made before the first frame is written, so these are the only operations now.
        opened.store(b"kept").unwrap();
        disk.plan(disk.operations() + operation, Fault::Error(ErrorKind::Other));
        let error = opened.store(b"lost or not").unwrap_err();
        let said = error.to_string();
        assert!(said.contains(doing) && said.contains(segment(1).to_str().unwrap()), "{said}");
        assert!(matches!(opened.log.append(b"no"), Err(AppendError::Stopped(WriteError::Failed { .. }))));
        assert!(opened.log.submit().is_err() && opened.log.mark().is_err());
        assert_eq!(opened.log.durable(), Lsn::new(1));
        assert!(opened.durable.try_recv().is_err(), "said once");
        assert!(opened.log.close().is_err());
        disk.power_on(Keep::Nothing);
        assert!(open(&disk).records.len() <= 2);
    }
}

#[test]
fn what_is_little_is_on_disk_when_its_submitter_goes_on_and_nobody_else_is_told() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    opened.store(b"by the writer's thread").unwrap();
    for index in 0..20 {
        let (lsn, _) = opened.log.append(&[index; 500]).unwrap();
        opened.log.submit_and_wait().unwrap();
        wait_until("it is on disk", || opened.log.durable() >= lsn);
        assert_eq!(opened.log.synced(), lsn);
    }
    drop(opened.log);
    // The writer's thread does those that begin a segment, and any that come while it is still at work.
    let told = opened.durable.try_iter().count();
    assert!(told < 10, "{told}");
    disk.power_on(Keep::Nothing);
    assert_eq!(open(&disk).records.len(), 21);
}

#[test]
fn what_is_more_than_little_is_not_waited_for() {
    let disk = Disk::new(1);
    let mut opened = open_with(disk.clone(), data(), Options { segment_bytes: 1 << 20, ..small() }).unwrap();
    opened.store(b"first").unwrap();
    let still = disk.hold();
    opened.log.append(&vec![1; SHORT_FRAME_BYTES_MAX]).unwrap();
    opened.log.submit_and_wait().unwrap();
    assert_eq!(opened.log.durable(), Lsn::new(1));
    drop(still);
    assert_eq!(opened.durable.recv().unwrap().unwrap(), Lsn::new(2));
}

#[test]
fn nothing_is_written_or_synced_after_a_failure_on_the_submitters_thread() {
    for operation in [1, 2] {
        let disk = Disk::new(1);
        let mut opened = open(&disk);
        opened.store(b"kept").unwrap();
        // The thread has gone back to waiting, and holds nothing.
        wait_until("the next is on disk at once", || {
            let (lsn, _) = opened.log.append(b"kept").unwrap();
            opened.log.submit_and_wait().unwrap();
            opened.log.durable() == lsn && opened.durable.try_recv().is_err()
        });
        let durable = opened.log.durable();
        disk.plan(disk.operations() + operation, Fault::Error(ErrorKind::Other));
        opened.log.append(b"lost or not").unwrap();
        if opened.log.submit_and_wait().is_ok() {
            // It held something after all, and fails itself.
            while opened.durable.recv_timeout(Duration::from_secs(60)).unwrap().is_ok() {}
        }
        let operations = disk.operations();
        assert!(matches!(opened.log.append(b"no"), Err(AppendError::Stopped(WriteError::Failed { .. }))));
        assert!(opened.log.submit_and_wait().is_err() && opened.log.submit().is_err());
        assert_eq!(opened.log.durable(), durable);
        assert!(opened.log.close().is_err());
        assert_eq!(disk.operations(), operations);
        disk.power_on(Keep::Nothing);
        assert!(open(&disk).records.len() as u64 <= durable.number() + 1);
    }
}

#[test]
fn short_frames_are_written_where_zeros_were_written_before() {
    let disk = Disk::new(1);
    let mut opened = open_with(disk.clone(), data(), Options { segment_bytes: 1 << 20, ..small() }).unwrap();
    let mut operations = |record: &[u8]| {
        let before = disk.operations();
        opened.store(record).unwrap();
        disk.operations() - before
    };
    operations(&[1; 100]);
    let short: Vec<u64> = (0..1000).map(|_| operations(&[1; 500])).collect();
    assert_eq!(
        short.iter().filter(|count| **count == 3).count(),
        2,
        "zeros are written for 256 KiB at a time"
    );
    assert_eq!(short.iter().filter(|count| **count == 2).count(), 998, "a write and a sync");
    assert_eq!(operations(&vec![1; 2 * SHORT_FRAME_BYTES_MAX]), 2);
}

#[test]
fn a_full_disk_shows_while_there_is_room_and_goes_away_by_itself() {
    let disk = Disk::new(1);
    drop(open(&disk));
    disk.limit(Some(disk.bytes()));
    let mut opened = open(&disk);
    opened.store(b"fits").unwrap();
    disk.limit(Some(disk.bytes() + 100));
    while !opened.log.is_full() {
        opened.store(&[1; 500]).unwrap();
    }
    opened.store(b"what makes space still fits").unwrap();
    disk.limit(None);
    wait_until("the log finds that there is space", || {
        opened.log.submit().unwrap();
        !opened.log.is_full()
    });
    for _ in 0..20 {
        opened.store(&[2; 500]).unwrap();
    }
    opened.log.close().unwrap();
}

#[test]
fn a_disk_that_stays_full_stops_the_log_and_keeps_what_was_acknowledged() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    opened.store(b"first").unwrap();
    disk.limit(Some(disk.bytes()));
    let mut stored = 1;
    let error = loop {
        match opened.store(&[1; 500]) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, WriteError::Full { .. }), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    drop(opened);
    disk.limit(None);
    assert_eq!(open(&disk).records.len(), stored);
}

#[test]
fn what_makes_space_is_still_recorded_in_the_reserve_which_is_then_made_again() {
    let disk = Disk::new(1);
    let reserve = data().join("shard-00/RESERVE");
    let mut opened = open(&disk);
    opened.store(b"first").unwrap();
    wait_until("there is a reserve", || disk.contents(&reserve).is_ok_and(|bytes| bytes.len() == 8192));
    disk.limit(Some(disk.bytes()));
    while !opened.log.is_full() {
        opened.store(&[1; 500]).unwrap();
    }
    // The tail is new, and there is no other: as much again fits the reserve.
    let mut stored = 0;
    while disk.contents(&reserve).is_ok() {
        opened.store(&[2; 100]).unwrap();
        stored += 1;
    }
    for _ in 0..10 {
        opened.store(&[2; 100]).unwrap();
    }
    assert!(stored > 10 && opened.log.is_full());
    drop(opened);
    disk.power_on(Keep::Nothing);
    let mut opened = open(&disk);
    assert_eq!(opened.records.iter().filter(|(_, record)| record.len() == 100).count(), stored + 10);
    disk.limit(None);
    wait_until("the log finds that there is space", || {
        opened.log.submit().unwrap();
        !opened.log.is_full()
    });
    wait_until("there is a reserve again", || disk.contents(&reserve).is_ok());
    for _ in 0..30 {
        opened.store(&[3; 500]).unwrap();
    }
    opened.log.close().unwrap();
    open(&disk);
}

#[test]
fn a_mark_is_written_once_when_idle() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    opened.log.mark().unwrap();
    opened.store(b"record").unwrap();
    opened.log.mark().unwrap();
    assert_eq!(opened.durable.recv().unwrap().unwrap(), Lsn::new(2));
    opened.log.mark().unwrap();
    drop(opened);
    let again = open(&disk);
    assert!(again.recovery.clean && again.recovery.last == Lsn::new(2) && again.recovery.records == 1);
    let mut again = again;
    again.log.mark().unwrap();
    assert_eq!(again.store(b"next").unwrap(), Lsn::new(3));
}

#[test]
fn a_second_opening_is_refused_until_the_first_has_ended() {
    let home = tempfile::tempdir().unwrap();
    let first = open_with(RealFs, home.path(), small()).unwrap();
    let said = refusal(RealFs, home.path());
    assert!(
        said.contains("in use by another naru") && said.contains("LOCK") && said.contains("--data"),
        "{said}"
    );
    first.log.close().unwrap();
    open_with(RealFs, home.path(), small()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_what_to_do() {
    for (kind, advice) in [
        (ErrorKind::PermissionDenied, "user id"),
        (ErrorKind::ReadOnlyFilesystem, "mount it for writing"),
        (ErrorKind::StorageFull, "free some space"),
    ] {
        for operation in 1..=11 {
            let disk = Disk::new(1);
            disk.plan(operation, Fault::Error(kind));
            let said = refusal(disk, data());
            assert!(said.starts_with("cannot ") && said.contains(" /") && said.contains(advice), "{said}");
        }
    }
}

#[test]
fn a_folder_with_other_things_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("thesis.txt"), "words").unwrap();
    let said = refusal(RealFs, home.path());
    assert!(said.contains("thesis.txt") && said.contains(home.path().to_str().unwrap()), "{said}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_of_another_version_is_refused() {
    for (format, says) in [(FORMAT - 1, "no released Naru wrote"), (FORMAT + 1, "made by a newer Naru")] {
        let disk = Disk::new(1);
        drop(open(&disk));
        let said = format!("naru data folder, format {format}, shards 8, more to say");
        let line = format!("{said}, check {:08x}\n", crc32c::crc32c(said.as_bytes()));
        disk.overwrite(&data().join("FORMAT"), line.as_bytes()).unwrap();
        let said = refusal(disk, data());
        assert!(said.contains(says) && said.contains("FORMAT"), "{said}");
    }
}
