//! Copies of a log that goes on.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::{Loaded, Records, data, small};
use crate::error::{OpenError, WriteError};
use crate::faults::{Disk, Fault, Keep};
use crate::log::Log;
use crate::lsn::Lsn;
use crate::real_fs::RealFs;
use crate::verify::verify;
use crate::vfs::Vfs;

struct Opened {
    log: Log,
    loaded: Loaded,
    durable: Receiver<Result<Lsn, WriteError>>,
}

fn open(fs: impl Vfs, data: &Path) -> Opened {
    let (told, durable) = sync_channel(10_000);
    let on_durable = Box::new(move |outcome| drop(told.send(outcome)));
    let mut loaded = Loaded::default();
    let (log, _) = Log::open(Arc::new(fs), data, small(), on_durable, &mut loaded).unwrap();
    Opened { log, loaded, durable }
}

impl Opened {
    fn store(&mut self, byte: u8) -> (Lsn, Vec<u8>) {
        let record = vec![byte; 700];
        let (lsn, _) = self.log.append(&record).unwrap();
        self.log.submit().unwrap();
        while self.log.durable() < lsn {
            self.durable.recv().unwrap().unwrap();
        }
        (lsn, record)
    }
}

fn check(fs: impl Vfs + Clone, source: &Path, target: &Path, after: impl Fn()) {
    let mut opened = open(fs.clone(), source);
    let mut stored: Records = (0..20).map(|byte| opened.store(byte)).collect();
    let checkpoint = opened.log.begin_checkpoint().unwrap();
    let behind = checkpoint.lsn();
    opened.log.finish_checkpoint(checkpoint);
    super::log::wait_until("the checkpoint is done", || opened.log.checkpoint_outcome().is_some());
    stored.extend((20..31).map(|byte| opened.store(byte)));
    let backup = opened.log.begin_backup();
    assert_eq!(backup.last(), Lsn::new(31));
    // The log goes on, over more than one segment, and wants to get rid of all.
    for byte in 31..50 {
        opened.store(byte);
    }
    opened.log.reclaim();
    opened.log.replay_from(Lsn::new(1000));
    opened.log.submit().unwrap();
    assert!(opened.log.sealed().count() >= 8, "kept for the copy");
    let path = target.to_owned();
    let bytes = std::thread::spawn(move || backup.run(&path)).join().unwrap().unwrap();
    assert!(bytes > 31 * 700);
    opened.log.submit().unwrap();
    assert_eq!(opened.log.sealed().count(), 0);
    opened.log.close().unwrap();
    after();

    let verified = verify(&fs, target).unwrap();
    assert_eq!((verified.damages.len(), verified.records, verified.torn), (0, 31, None));
    let mut copy = open(fs.clone(), target);
    stored.retain(|(lsn, _)| *lsn > behind);
    assert!(copy.loaded.records == stored);
    copy.store(99);
    copy.log.close().unwrap();
}

#[test]
fn a_copy_of_a_running_log_holds_all_that_was_durable_when_it_was_begun() {
    let home = tempfile::tempdir().unwrap();
    check(RealFs, &home.path().join("data"), &home.path().join("copy"), || {});
    let disk = Disk::new(1);
    let cut = disk.clone();
    check(disk, data(), Path::new("/copy"), move || cut.power_on(Keep::Nothing));
}

#[test]
fn a_copy_that_was_not_finished_does_not_open_wherever_it_was_cut_short() {
    let mut cuts = 0;
    for operation in 1.. {
        let disk = Disk::new(1);
        let mut opened = open(disk.clone(), data());
        opened.store(1);
        let (first, copy) = (disk.operations() + 1, Path::new("/copy"));
        disk.plan(disk.operations() + operation, Fault::Stop);
        if opened.log.begin_backup().run(copy).is_ok() {
            break;
        }
        cuts += 1;
        drop(opened);
        disk.power_on(Keep::Everything);
        let names = disk.files().into_iter().filter(|(path, _)| path.starts_with(copy)).count();
        match verify(&disk, copy) {
            Err(OpenError::Unfinished { .. }) => {
                let mut loaded = Loaded::default();
                let opened = Log::open(Arc::new(disk.clone()), copy, small(), Box::new(|_| {}), &mut loaded);
                assert!(matches!(opened, Err(OpenError::Unfinished { .. })), "{operation}");
            }
            // There is nothing at all yet.
            Err(_) => assert_eq!(names, 0, "{operation} of those from {first} on"),
            // All but the last sync.
            Ok(verified) => assert_eq!((verified.records, verified.damages.len()), (1, 0), "{operation}"),
        }
    }
    assert!(cuts > 10, "{cuts}");
}

#[test]
fn a_copy_goes_only_where_nothing_is() {
    let disk = Disk::new(1);
    let mut opened = open(disk.clone(), data());
    opened.store(1);
    let refused = opened.log.begin_backup().run(data());
    assert!(matches!(refused, Err(OpenError::NotOurs { .. })));
    assert!(matches!(verify(&disk, data()), Err(OpenError::InUse { .. })));
    assert!(verify(&disk, Path::new("/nothing")).is_err());
}
