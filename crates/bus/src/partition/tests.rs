use std::collections::BTreeSet;

use super::*;

const SLOTS: usize = 16384;

/// The slot of a tag: CRC-16/XMODEM, as Redis Cluster has it.
fn slot(tag: &str) -> usize {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    usize::from(crc) % SLOTS
}

#[test]
fn slots_are_counted_as_redis_does() {
    // The cluster specification's example.
    assert_eq!(slot("123456789"), 0x31c3 % SLOTS);
}

#[test]
fn every_partition_has_a_tag_of_its_own_in_the_middle_of_its_slots() {
    let tags: BTreeSet<&str> = Partition::all().map(Partition::tag).collect();
    assert_eq!(tags.len(), usize::from(Partition::COUNT));
    for partition in Partition::all() {
        let tag = partition.tag();
        assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{tag}");
        assert_eq!(slot(tag), 16 * usize::from(partition.0) + 8, "{tag}");
    }
}

#[test]
fn masters_have_equally_many_partitions_to_within_one() {
    for masters in 3..=100 {
        let mut held = vec![0; masters];
        for partition in Partition::all() {
            // As redis-cli deals slots out: each master up to the rounded end of its share.
            let share = SLOTS as f64 / masters as f64;
            let slot = slot(partition.tag());
            let master = (0..masters).find(|master| {
                slot < ((*master + 1) as f64 * share).round() as usize || *master == masters - 1
            });
            held[master.unwrap()] += 1;
        }
        let (fewest, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
        assert!(most - fewest <= 1, "{masters} masters: {fewest} to {most}");
    }
}

#[test]
fn names_stay_where_they_are_and_lie_everywhere() {
    assert_eq!(Partition::of("dm:alice:bob"), Partition::of("dm:alice:bob"));
    let mut held = vec![0; usize::from(Partition::COUNT)];
    for name in 0..100 * held.len() {
        held[usize::from(Partition::of(&format!("user {name}")).0)] += 1;
    }
    assert!(held.iter().all(|held| (50..=150).contains(held)), "{held:?}");
}

#[test]
fn what_is_stored_is_found_by_the_same_tags_for_ever() {
    let tags = ["alice", "dm:alice:bob", "room:general"].map(|name| Partition::of(name).tag());
    assert_eq!(tags, ["4B0", "69U", "6Ua"]);
}
