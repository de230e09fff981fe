//! Whatever is damaged, everything else is found, under its own number and address, and what is lost is said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Rescue, Salvage, Salvaged};
use crate::address::Address;
use crate::checkpoint;
use crate::error::{OpenError, WriteError};
use crate::faults::{Disk, Keep};
use crate::log::{Log, Options};
use crate::lsn::Lsn;
use crate::recovery::Load;
use crate::segment::{HEAD_BYTES, file_name};
use crate::vfs::Vfs;

const DATA: &str = "/data";
const LAST: u64 = 400;

/// What was handed on.
#[derive(Default, Debug, PartialEq)]
struct Found {
    pieces: Vec<Vec<u8>>,
    lost_pieces: usize,
    records: BTreeMap<u64, (u64, Vec<u8>)>,
    lost_records: Vec<u64>,
}

impl Load for Found {
    fn piece(&mut self, piece: &[u8]) {
        self.pieces.push(piece.to_vec());
    }

    fn record(&mut self, lsn: Lsn, address: Address, record: &[u8]) {
        let last = self.records.last_key_value().map_or(0, |(lsn, _)| *lsn);
        assert!(lsn.number() > last, "in order, and none twice");
        self.records.insert(lsn.number(), (address.position(), record.to_vec()));
    }
}

impl Rescue for Found {
    fn next_checkpoint(&mut self) {}

    fn lost_piece(&mut self) {
        self.lost_pieces += 1;
    }

    fn lost_record(&mut self, lsn: Lsn, _: &[u8]) {
        self.lost_records.push(lsn.number());
    }
}

fn shard() -> PathBuf {
    Path::new(DATA).join("shard-00")
}

fn segment(number: u64) -> PathBuf {
    shard().join(file_name(number))
}

fn record(number: u64) -> Vec<u8> {
    let mut record = format!("record {number} ").into_bytes();
    record.resize(record.len() + number as usize * 7 % 90, number as u8);
    record
}

fn salvage(disk: &Disk) -> Result<(Found, Salvaged), OpenError> {
    let mut found = Found::default();
    let mut salvage = Salvage::open(Arc::new(disk.clone()), Path::new(DATA))?;
    let said = salvage.load(&mut found);
    for (address, record) in found.records.values() {
        let mut bytes = vec![0; record.len()];
        salvage.read(Address::new(*address), &mut bytes).unwrap();
        assert_eq!(bytes, *record, "it stands where it is said to be");
    }
    Ok((found, said))
}

/// Some segments of frames of five records, with these checkpoints in between, closed or killed.
fn stored(checkpoints: &[u64], closed: bool) -> Disk {
    let disk = Disk::new(3);
    let options = Options { segment_bytes: 0, salt: || 77, ..Options::default() };
    let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let (mut log, _) =
        Log::open(fs, Path::new(DATA), options, Box::new(|_| {}), &mut Found::default()).unwrap();
    for number in 1..=LAST {
        log.append(&record(number)).unwrap();
        if number % 5 == 0 {
            wait(&mut log).unwrap();
        }
        if checkpoints.contains(&number) {
            let mut checkpoint = log.begin_checkpoint().unwrap();
            (0..10).for_each(|piece| checkpoint.push(format!("piece {number} {piece}").into_bytes()));
            log.finish_checkpoint(checkpoint);
            while log.is_checkpointing() {
                std::thread::yield_now();
            }
            log.checkpoint_outcome().unwrap().unwrap();
        }
    }
    if closed {
        log.close().unwrap()
    } else {
        drop(log)
    }
    disk.power_on(Keep::Everything);
    disk
}

fn wait(log: &mut Log) -> Result<(), WriteError> {
    log.submit()?;
    while log.durable() < log.last() {
        log.submit()?;
        std::thread::yield_now();
    }
    Ok(())
}

/// The last segment with records, of those that are there.
fn tail(disk: &Disk) -> u64 {
    let used = |number: &u64| disk.contents(&segment(*number)).is_ok_and(|bytes| bytes[HEAD_BYTES] != 0);
    (1..1000).filter(used).max().unwrap()
}

fn overwrite(disk: &Disk, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Disk {
    let disk = disk.copy();
    let mut bytes = disk.contents(path).unwrap();
    change(&mut bytes);
    disk.overwrite(path, &bytes).unwrap();
    disk
}

/// What is found is what was written, what is missing of it is said to be, and nothing else is; how much is missing.
fn check(disk: &Disk, above: u64) -> (usize, Salvaged) {
    let (found, said) = salvage(disk).unwrap();
    for (lsn, (_, bytes)) in &found.records {
        assert_eq!(*bytes, record(*lsn), "record {lsn}");
    }
    let is_said = |lsn: u64| {
        said.lost
            .iter()
            .any(|(first, last)| first.number() <= lsn && last.is_none_or(|last| lsn <= last.number()))
    };
    let missing: Vec<u64> = (above + 1..=LAST).filter(|lsn| !found.records.contains_key(lsn)).collect();
    for lsn in &missing {
        assert!(is_said(*lsn) || said.torn.is_some(), "record {lsn} is missing: {said:?}");
    }
    assert!(!found.records.keys().any(|lsn| is_said(*lsn)), "{said:?}");
    assert!(said.lost.is_empty() || !said.damages.is_empty(), "{said:?}");
    (missing.len(), said)
}

#[test]
fn of_a_whole_folder_everything_is_found_and_nothing_is_changed() {
    for (checkpoints, above) in [(&[][..], 0), (&[100][..], 100), (&[100, 250][..], 250)] {
        for closed in [false, true] {
            let disk = stored(checkpoints, closed);
            let contents = |disk: &Disk| {
                let files = disk.files().into_iter();
                files.map(|(path, _)| (disk.contents(&path).unwrap(), path)).collect::<Vec<_>>()
            };
            let before = contents(&disk);
            let (missing, said) = check(&disk, above);
            assert_eq!((missing, said.damages.len(), said.has_all_records()), (0, 0, true), "{said:?}");
            assert_eq!(said.records, LAST - above);
            assert!(contents(&disk) == before);
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_costs_at_most_one_record() {
    let disk = stored(&[], true);
    let tail = tail(&disk);
    let (mut costs, mut nothing) = (0, 0);
    for number in [1, 2, tail] {
        for at in (0..64).chain((64..2 * HEAD_BYTES).step_by(17)) {
            let flipped = overwrite(&disk, &segment(number), |bytes| bytes[at] ^= 1 << (at % 8));
            let (missing, said) = check(&flipped, 0);
            assert!(missing <= 1, "segment {number} byte {at}: {said:?}");
            costs += missing;
            nothing += usize::from(missing == 0);
        }
    }
    assert!(costs > 100 && nothing > 100, "{costs} {nothing}");
}

#[test]
fn a_lost_page_costs_what_was_in_it() {
    let disk = stored(&[], true);
    let last = tail(&disk);
    for number in 1..=last {
        for page in 0..2 {
            let lost = page * HEAD_BYTES..(page + 1) * HEAD_BYTES;
            let zeroed = overwrite(&disk, &segment(number), |bytes| bytes[lost.clone()].fill(0));
            let spoiled = disk.copy();
            spoiled.spoil(&segment(number), lost.start as u64..lost.end as u64).unwrap();
            for (is_read, disk) in [(true, zeroed), (false, spoiled)] {
                if is_read && number == last && page == 1 {
                    // It looks as if nothing had been written there yet.
                    continue;
                }
                let (missing, said) = check(&disk, 0);
                // The second page has all frames of these small segments; what the first one says is found elsewhere.
                let is_right = if page == 1 { missing > 10 } else { missing == 0 };
                assert!(is_right, "{number} {page}: {missing} {said:?}");
                assert!(missing < 80 && !said.damages.is_empty(), "{number} {page}: {missing} {said:?}");
            }
        }
        let lost = HEAD_BYTES + 1000..HEAD_BYTES + 1512;
        let (missing, said) = check(&overwrite(&disk, &segment(number), |bytes| bytes[lost].fill(0)), 0);
        assert!((1..=16).contains(&missing), "{number}: {missing} {said:?}");
    }
}

#[test]
fn a_file_that_is_missing_or_cut_costs_what_was_in_it() {
    let disk = stored(&[], true);
    let tail = tail(&disk);
    for number in 1..=tail {
        let removed = disk.copy();
        removed.remove(&segment(number)).unwrap();
        let (missing, said) = check(&removed, 0);
        assert!((10..80).contains(&missing), "{number}: {missing} {said:?}");
        assert!(said.damages.iter().any(|damage| damage.path == segment(number)), "{said:?}");
        for length in [0, 100, HEAD_BYTES, HEAD_BYTES + 500, HEAD_BYTES + 1500] {
            let cut = overwrite(&disk, &segment(number), |bytes| bytes.truncate(length));
            let (missing, said) = check(&cut, 0);
            assert!((1..80).contains(&missing), "{number} {length}: {missing} {said:?}");
        }
    }
}

#[test]
fn another_segments_bytes_are_not_taken_for_this_ones() {
    let disk = stored(&[], true);
    let other = disk.contents(&segment(1)).unwrap();
    let (missing, _) = check(&overwrite(&disk, &segment(2), |bytes| *bytes = other), 0);
    assert!(missing > 10);
}

#[test]
fn below_a_checkpoint_nothing_is_missed_and_behind_it_everything() {
    let disk = stored(&[100, 250], true);
    let first = disk.copy();
    first.remove(&segment(1)).unwrap();
    let (missing, said) = check(&first, 250);
    assert!(missing == 0 && said.has_all_records(), "{said:?}");
    let last = disk.copy();
    last.remove(&segment(tail(&disk))).unwrap();
    assert!(check(&last, 250).0 > 0);
}

#[test]
fn a_damaged_checkpoint_costs_nothing_while_the_log_is_there() {
    let disk = stored(&[100, 250], true);
    let flip = |disk: &Disk, lsn| {
        overwrite(disk, &shard().join(checkpoint::file_name(Lsn::new(lsn))), |bytes| bytes[60] ^= 1)
    };
    let newest = flip(&disk, 250);
    let (missing, said) = check(&newest, 100);
    assert_eq!((missing, said.checkpoint, said.damages.len()), (0, Some(Lsn::new(100)), 1), "{said:?}");
    assert!(said.has_all_records());
    let both = flip(&newest, 100);
    let (missing, said) = check(&both, 0);
    assert_eq!((missing, said.checkpoint, said.damages.len()), (0, None, 2), "{said:?}");
    assert!(said.has_all_records());

    // With part of the log gone as well, the pieces that are whole are taken.
    both.remove(&segment(1)).unwrap();
    let (found, said) = salvage(&both).unwrap();
    assert!(!said.has_all_records() && said.is_pieced);
    assert_eq!((found.pieces.len(), found.lost_pieces), (18, 2));
    assert!(found.pieces[0].starts_with(b"piece 100") && found.pieces[17].starts_with(b"piece 250"));
}

#[test]
fn what_a_crash_tore_is_no_loss() {
    let disk = stored(&[], false);
    let path = segment(tail(&disk));
    let bytes = disk.contents(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let (missing, said) = check(&overwrite(&disk, &path, |bytes| bytes[end - 3..].fill(0)), 0);
    assert!(said.torn.is_some() && said.has_all_records() && said.damages.is_empty(), "{said:?}");
    assert_eq!(missing, 5);
}

#[test]
fn a_folder_in_use_is_refused_and_one_without_a_format_is_not() {
    let disk = stored(&[], true);
    let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let salvage = Salvage::open(fs.clone(), Path::new(DATA)).unwrap();
    assert!(matches!(Salvage::open(fs, Path::new(DATA)), Err(OpenError::InUse { .. })));
    drop(salvage);
    disk.remove(&Path::new(DATA).join("FORMAT")).unwrap();
    let (missing, said) = check(&disk, 0);
    assert_eq!((missing, said.damages.len()), (0, 1));
}

#[test]
fn where_nothing_can_be_read_nothing_is_made_of_it() {
    let disk = stored(&[], true);
    let files = disk.files();
    for (path, _) in files.iter().filter(|(path, _)| path.extension().is_some()) {
        disk.remove(path).unwrap();
    }
    assert!(matches!(salvage(&disk), Err(OpenError::Damaged(_))));
}
