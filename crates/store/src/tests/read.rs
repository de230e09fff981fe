//! Reading by address, wherever the bytes are.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::{Loaded, Random, data, small};
use crate::address::Address;
use crate::error::{ReadError, WriteError};
use crate::faults::{Disk, Keep};
use crate::log::Log;
use crate::lsn::Lsn;
use crate::real_fs::RealFs;
use crate::vfs::Vfs;

type Places = Vec<(Address, Vec<u8>)>;
type Durable = Receiver<Result<Lsn, WriteError>>;

fn open_with(fs: impl Vfs, data: &std::path::Path) -> (Log, Places, Durable) {
    let (told, durable) = sync_channel(1000);
    let on_durable = Box::new(move |outcome| told.send(outcome).unwrap());
    let mut loaded = Loaded::default();
    let (log, _) = Log::open(Arc::new(fs), data, small(), on_durable, &mut loaded).unwrap();
    let records = loaded.records.into_iter().map(|(_, record)| record);
    (log, loaded.addresses.into_iter().zip(records).collect(), durable)
}

fn check(log: &Log, places: &Places) {
    for (address, record) in places {
        let mut buffer = vec![0; record.len()];
        log.read(*address, &mut buffer).unwrap();
        assert!(buffer == *record, "at {address}");
    }
}

fn store(log: &mut Log, durable: &Durable) {
    log.submit().unwrap();
    durable.recv().unwrap().unwrap();
}

#[test]
fn every_record_is_read_from_the_open_batch_in_flight_from_files_and_after_a_restart() {
    let disk = Disk::new(3);
    let mut random = Random(3);
    let mut places = Vec::new();
    for _ in 0..3 {
        let (mut log, found, durable) = open_with(disk.clone(), data());
        assert!(found == places, "replay hands out the addresses that append answered");
        check(&log, &places);
        for _ in 0..15 {
            for record in random.records() {
                places.push((log.append(&record).unwrap().1, record));
            }
            check(&log, &places);
            let still = disk.hold();
            log.submit().unwrap();
            // The writer cannot finish: these come from the frame in flight.
            let flight = places.len() - 1;
            check(&log, &places[flight..].to_vec());
            let record = b"behind the frame in flight".to_vec();
            places.push((log.append(&record).unwrap().1, record));
            check(&log, &places[flight..].to_vec());
            drop(still);
            durable.recv().unwrap().unwrap();
            check(&log, &places);
        }
        log.close().unwrap();
        disk.power_on(Keep::Nothing);
    }
    assert!(disk.files().len() > 6);
}

#[test]
fn more_segments_than_files_may_be_open_are_read_on_a_real_disk() {
    let home = tempfile::tempdir().unwrap();
    let (mut log, mut places, durable) = open_with(RealFs, home.path());
    for index in 0..150u8 {
        let record = vec![index; 2500];
        places.push((log.append(&record).unwrap().1, record));
        store(&mut log, &durable);
    }
    check(&log, &places);
    places.reverse();
    check(&log, &places);
}

#[test]
fn what_is_nowhere_is_said_to_be_absent() {
    let disk = Disk::new(3);
    let (mut log, _, durable) = open_with(disk, data());
    let absent = |log: &Log, address, bytes| {
        let outcome = log.read(Address::new(address), &mut vec![0; bytes]);
        assert!(matches!(outcome, Err(ReadError::Absent { .. })), "{address} {bytes}");
    };
    absent(&log, 0, 100);
    let (_, address) = log.append(&[1; 3000]).unwrap();
    absent(&log, address.position(), 3100);
    absent(&log, u64::MAX, 1);
    store(&mut log, &durable);
    absent(&log, address.position(), 3100);
    log.append(&[1; 3000]).unwrap();
    store(&mut log, &durable);
    absent(&log, address.position(), 8000);
    absent(&log, 1 << 40, 1);
    absent(&log, u64::MAX, 8);
}
