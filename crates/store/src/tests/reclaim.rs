//! Space returns when nothing in a segment is live, and not before.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use super::log::wait_until;
use super::{Loaded, data, segment, small};
use crate::address::Address;
use crate::error::WriteError;
use crate::faults::Disk;
use crate::log::Log;
use crate::lsn::Lsn;
use crate::segments::Hold;

struct Opened {
    log: Log,
    durable: Receiver<Result<Lsn, WriteError>>,
}

fn open(disk: &Disk) -> Opened {
    let (told, durable) = sync_channel(1000);
    let on_durable = Box::new(move |outcome| told.send(outcome).unwrap());
    let (log, _) =
        Log::open(Arc::new(disk.clone()), data(), small(), on_durable, &mut Loaded::default()).unwrap();
    Opened { log, durable }
}

const BYTES: u64 = 1000;

impl Opened {
    fn store(&mut self) -> Address {
        let (_, address) = self.log.append(&[1; BYTES as usize]).unwrap();
        self.log.count_live(address, BYTES, Hold::Loose).unwrap();
        self.log.submit().unwrap();
        self.durable.recv().unwrap().unwrap();
        address
    }

    fn numbers(&self) -> Vec<u64> {
        self.log.sealed().map(|sealed| sealed.number).collect()
    }
}

fn exists(disk: &Disk, number: u64) -> bool {
    disk.contents(&segment(number)).is_ok()
}

#[test]
fn live_bytes_are_counted_where_they_stand_whenever_they_are_counted() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    let places: Vec<_> = (0..12).map(|_| opened.store()).collect();
    let live: u64 = opened.log.sealed().map(|sealed| sealed.live).sum();
    let sealed_end = opened.log.sealed().last().unwrap().end;
    let inside = places.iter().filter(|address| **address < sealed_end).count() as u64;
    assert!(inside >= 8 && live == inside * BYTES, "{inside} {live}");
    for sealed in opened.log.sealed() {
        assert!(sealed.live_share() > 0.7 && sealed.live_share() < 1.0, "{sealed:?}");
    }
    // In the open batch and in flight.
    let (_, address) = opened.log.append(&[1; BYTES as usize]).unwrap();
    opened.log.count_live(address, BYTES, Hold::Loose).unwrap();
    opened.log.count_dead(address, BYTES, Hold::Loose);
    opened.log.count_live(address, BYTES, Hold::Loose).unwrap();
    opened.log.submit().unwrap();
    opened.log.count_dead(address, BYTES, Hold::Loose);
    opened.durable.recv().unwrap().unwrap();
    places.iter().for_each(|address| opened.log.count_dead(*address, BYTES, Hold::Loose));
    assert_eq!(opened.log.sealed().map(|sealed| sealed.live).sum::<u64>(), 0);
    opened.store();
    opened.store();
    let after = opened.log.sealed().find(|sealed| sealed.start <= address && address < sealed.end);
    assert!(after.is_none_or(|sealed| sealed.live < 3 * BYTES));
}

#[test]
fn a_segment_goes_when_it_is_dead_sealed_and_not_replayed_any_more() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    let places: Vec<_> = (0..14).map(|_| opened.store()).collect();
    let before = disk.bytes();
    let all = opened.numbers();
    assert!(all.len() >= 4);
    // All but one dead, in the second segment.
    let second = opened.log.sealed().nth(1).unwrap();
    let kept = *places.iter().find(|address| **address >= second.start).unwrap();
    for address in &places {
        if *address != kept {
            opened.log.count_dead(*address, BYTES, Hold::Loose);
        }
    }
    opened.log.replay_from(Lsn::new(8));
    opened.log.submit().unwrap();
    assert_eq!(opened.numbers(), all, "not before all that is live was counted");
    opened.log.reclaim();
    opened.log.submit().unwrap();
    wait_until("the first goes", || !exists(&disk, 1));
    assert_eq!(opened.numbers()[..2], [2, 3], "records behind 8 are replayed");
    opened.log.replay_from(Lsn::new(100));
    opened.log.submit().unwrap();
    assert_eq!(opened.numbers(), [2]);
    wait_until("all that is sealed and dead goes", || {
        (3..=*all.last().unwrap()).all(|number| !exists(&disk, number))
    });
    assert!(disk.bytes() <= before - 8192 * (all.len() as u64 - 1));
    let mut buffer = [0; BYTES as usize];
    opened.log.read(kept, &mut buffer).unwrap();
    assert_eq!(buffer, [1; BYTES as usize]);
    assert!(opened.log.read(places[0], &mut buffer).is_err());
    assert!(opened.log.count_live(places[0], BYTES, Hold::Loose).is_err(), "it is missed");
    opened.log.count_dead(kept, BYTES, Hold::Loose);
    opened.log.submit().unwrap();
    wait_until("the last one goes", || !exists(&disk, 2));
}

#[test]
fn a_segment_is_kept_until_what_made_it_dead_is_on_disk() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    let places: Vec<_> = (0..8).map(|_| opened.store()).collect();
    opened.log.replay_from(Lsn::new(100));
    opened.log.reclaim();
    let all = opened.numbers();
    let still = disk.hold();
    opened.log.append(b"all of it is deleted").unwrap();
    places.iter().for_each(|address| opened.log.count_dead(*address, BYTES, Hold::Loose));
    opened.log.submit().unwrap();
    opened.log.submit().unwrap();
    assert_eq!(opened.numbers(), all);
    drop(still);
    opened.durable.recv().unwrap().unwrap();
    opened.log.submit().unwrap();
    assert_eq!(opened.numbers(), []);
}

#[test]
fn removing_never_makes_the_owner_wait() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    for _ in 0..14 {
        let address = opened.store();
        let mut buffer = [0; 10];
        opened.log.read(address, &mut buffer).unwrap();
        opened.log.count_dead(address, BYTES, Hold::Loose);
    }
    // Whatever counts as dead is so by a record that is on disk.
    opened.store();
    opened.log.replay_from(Lsn::new(100));
    opened.log.reclaim();
    let still = disk.hold();
    opened.log.submit().unwrap();
    assert_eq!(opened.numbers(), []);
    drop(still);
    wait_until("they go", || !exists(&disk, 1) && !exists(&disk, 3));
}

#[test]
fn what_is_held_firmly_stays_when_all_the_rest_is_dead_at_once() {
    let disk = Disk::new(1);
    let mut opened = open(&disk);
    let places: Vec<_> = (0..14).map(|_| opened.store()).collect();
    let second = opened.log.sealed().nth(1).unwrap();
    let kept = *places.iter().find(|address| **address >= second.start).unwrap();
    opened.log.count_dead(kept, BYTES, Hold::Loose);
    opened.log.count_live(kept, BYTES, Hold::Firm).unwrap();
    // And what is in the open batch, and in flight.
    let (flying, _) = {
        let still = disk.hold();
        let (_, flying) = opened.log.append(&[2; BYTES as usize]).unwrap();
        opened.log.count_live(flying, BYTES, Hold::Firm).unwrap();
        opened.log.submit().unwrap();
        let (_, open) = opened.log.append(&[3; BYTES as usize]).unwrap();
        opened.log.count_live(open, BYTES, Hold::Firm).unwrap();
        opened.log.count_loose_dead();
        drop(still);
        (flying, open)
    };
    opened.durable.recv().unwrap().unwrap();
    let last = opened.store();
    for _ in 0..8 {
        let address = opened.store();
        opened.log.count_dead(address, BYTES, Hold::Loose);
    }
    opened.log.count_dead(last, BYTES, Hold::Loose);
    opened.log.replay_from(Lsn::new(100));
    opened.log.reclaim();
    opened.log.submit().unwrap();
    opened.store();
    let live: Vec<_> = opened.log.sealed().map(|sealed| (sealed.number, sealed.live)).collect();
    assert_eq!(live[0], (2, BYTES));
    assert_eq!(live.iter().map(|(_, live)| live).sum::<u64>(), 3 * BYTES, "{live:?}");
    let mut buffer = [0; BYTES as usize];
    opened.log.read(kept, &mut buffer).unwrap();
    opened.log.read(flying, &mut buffer).unwrap();
    opened.log.count_dead(kept, BYTES, Hold::Firm);
    opened.log.submit().unwrap();
    assert!(opened.log.sealed().all(|sealed| sealed.number != 2));
}
