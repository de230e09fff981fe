//! Whatever a record or a piece says, it is taken in or refused: with checksums that are right, as it comes here.

use bytes::Bytes;
use naru_ledger::Epoch;
use proptest::prelude::*;
use serde::Serialize;

use super::*;
use crate::{
    keyspace::Spot,
    lists::{End, ListChange},
    streams::{StreamChange, StreamId},
};

fn loading() -> Loading {
    Loading::new(Ledger::new(Epoch::parse("e").unwrap()), Config::by_default().into())
}

/// As the journal writes it: bodies, then changes.
fn record(changes: &[Change], bodies: &[u8]) -> Vec<u8> {
    let head = (bodies.len() as u32).to_le_bytes();
    [&head[..], bodies, &postcard::to_stdvec(changes).unwrap()].concat()
}

fn refused(changes: &[Change], bodies: &[u8]) -> String {
    let mut loading = loading();
    loading.record(Lsn::new(1), Address::new(100), &record(changes, bodies));
    loading.failed.expect("it is refused").1.to_string()
}

#[test]
fn what_cannot_have_been_recorded_is_refused() {
    let key = Bytes::from_static(b"key");
    let pushed =
        |element| Change::List(key.clone(), ListChange::Pushed { end: End::Left, elements: vec![element] });
    assert!(refused(&[pushed(Body::Short(Bytes::from(vec![b'x'; 15])))], b"").contains("body"));
    let far = Body::Recorded(Spot { offset: 4, bytes: u32::MAX });
    assert!(refused(&[pushed(far)], b"0123body").contains("body"));
    for offset in [u64::MAX, RECORD_BYTES_MAX as u64] {
        let written = StringChange::Written { offset, bytes: Bytes::from_static(b"x") };
        assert!(refused(&[Change::Text(key.clone(), written)], b"").contains("string"));
    }
}

#[test]
fn more_is_popped_than_there_is_without_an_end() {
    let key = Bytes::from_static(b"key");
    let element = Body::Short(Bytes::from_static(b"x"));
    let pushed = ListChange::Pushed { end: End::Left, elements: vec![element] };
    let popped = ListChange::Popped { end: End::Left, count: u64::MAX };
    let changes = [Change::List(key.clone(), pushed), Change::List(key, popped)];
    let mut loading = loading();
    loading.record(Lsn::new(1), Address::new(100), &record(&changes, b""));
    assert!(loading.failed.is_none() && loading.keyspace.len() == 0);
}

/// As a piece is written that is too long for one.
#[derive(Serialize)]
enum Written<'a> {
    #[expect(dead_code, reason = "holds its place")]
    Ledger,
    #[expect(dead_code, reason = "holds its place")]
    Keys,
    Part {
        is_first: bool,
        is_last: bool,
        bytes: &'a [u8],
    },
}

#[test]
fn parts_of_parts_are_refused_before_the_stack_ends() {
    let mut piece = vec![0];
    for _ in 0..2000 {
        piece = postcard::to_stdvec(&Written::Part { is_first: true, is_last: true, bytes: &piece }).unwrap();
    }
    let mut loading = loading();
    loading.piece(&piece);
    assert!(loading.failed.is_some());
}

fn change() -> impl Strategy<Value = Change> {
    let key = || (0..3_u8).prop_map(|key| Bytes::from(vec![b'a' + key]));
    let body = || {
        prop_oneof![
            (0_u32..40, 0_u32..40).prop_map(|(offset, bytes)| Body::Recorded(Spot { offset, bytes })),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|text| Body::Short(text.into())),
        ]
    };
    let end = || any::<bool>().prop_map(|left| if left { End::Left } else { End::Right });
    let list = prop_oneof![
        (end(), prop::collection::vec(body(), 0..4))
            .prop_map(|(end, elements)| ListChange::Pushed { end, elements }),
        (end(), any::<u64>()).prop_map(|(end, count)| ListChange::Popped { end, count }),
        (any::<u64>(), body()).prop_map(|(index, element)| ListChange::Set { index, element }),
        (any::<u64>(), body()).prop_map(|(index, element)| ListChange::Inserted { index, element }),
        prop::collection::vec(any::<u64>(), 0..4).prop_map(|indexes| ListChange::Removed { indexes }),
    ];
    let text = prop_oneof![
        (0_u64..100, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(offset, bytes)| StringChange::Written { offset, bytes: bytes.into() }),
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| StringChange::Appended { bytes: bytes.into() }),
    ];
    let stream = prop_oneof![
        (any::<u64>(), body())
            .prop_map(|(millis, body)| StreamChange::Moved { id: StreamId { millis, sequence: 0 }, body }),
        any::<u64>().prop_map(|millis| StreamChange::Trimmed { through: StreamId { millis, sequence: 0 } }),
    ];
    let keys = prop_oneof![
        Just(()).prop_map(|()| KeyChange::Deleted),
        any::<Option<u64>>().prop_map(KeyChange::Expires),
        key().prop_map(|to| KeyChange::Renamed { to }),
    ];
    prop_oneof![
        (key(), list).prop_map(|(key, change)| Change::List(key, change)),
        (key(), text).prop_map(|(key, change)| Change::Text(key, change)),
        (key(), stream).prop_map(|(key, change)| Change::Stream(key, change)),
        (key(), keys).prop_map(|(key, change)| Change::Key(key, change)),
        Just(()).prop_map(|()| Change::Flushed),
    ]
}

proptest! {
    #[test]
    fn any_changes_are_taken_in_or_refused(
        records in prop::collection::vec(prop::collection::vec(change(), 0..6), 1..6),
        bodies in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut loading = loading();
        for (lsn, changes) in (1..).zip(&records) {
            loading.record(Lsn::new(lsn), Address::new(lsn * 1000), &record(changes, &bodies));
        }
        let keys = (0..loading.keyspace.numbers()).filter_map(|number| loading.keyspace.at(number));
        keys.for_each(|key| key.value.places(&mut |place| assert!(place.address < 10_000)));
    }

    #[test]
    fn any_bytes_are_taken_in_or_refused(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        records in prop::collection::vec(prop::collection::vec(0_u8..6, 0..60), 0..4),
    ) {
        // What a piece brings is not gone on from: see the next.
        let mut taken = loading();
        pieces.iter().for_each(|piece| taken.piece(piece));
        for bytes in &records {
            let _ = changes_of(bytes);
        }
    }
}
