//! Whatever a record or a piece says, it is taken in or refused: with checksums that are right, as it comes here.

use std::{fs, path::Path, sync::LazyLock};

use bytes::Bytes;
use proptest::prelude::*;
use serde::Serialize;

use naru_ledger::{
    ClientId, Conversation as Name, Device, Generation, Kind, Millis, Mode, Role, Seq, Useq, User, Version,
};

use super::*;
use crate::{
    channels::{EpochNumber, First},
    keeper::{
        ledger::cast::{START, deeds},
        store::Store,
    },
    keyspace::{Place, Spot},
    ledger::{IdKey, Part, Reached},
    lists::{End, ListChange},
    numbered::Number,
    streams::{Assigned, GroupChange, Progress, StreamChange, StreamId},
};

fn loading() -> Loading {
    Loading::to_look()
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

/// As nobody records it who knows what was before.
#[test]
fn entries_that_are_called_the_same_leave_what_can_be_written() {
    let id = IdKey::new([7; 16]).id(&User::parse("a").unwrap(), &ClientId::parse("x").unwrap());
    let changes = [1, 2, 3].map(|seq| {
        Change::Ledger(LedgerChange::Appended {
            conversation: Number::from(0),
            name: Name::parse("dm:a:b").unwrap(),
            seq: Seq(seq),
            at: START,
            count: seq,
            id: Some(id),
            is_open: false,
            content: Body::Recorded(Spot { offset: 4, bytes: 1 }),
        })
    });
    let mut loading = loading();
    loading.record(Lsn::new(1), Address::new(100), &record(&changes, b"....x"));
    assert!(loading.failed.is_none(), "{:?}", loading.failed);
    law::use_all(&mut loading);
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

/// When all of it is over, in the bytes below, but for the last digit; and its epoch.
const WRITTEN_UNTIL: u64 = 1_700_000_000_000;
const WRITTEN_EPOCH: EpochNumber = EpochNumber(0x0123_4567_89ab_cdef);

/// A piece of a checkpoint with two channels, as it was written before publications had versions: byte by byte what that format says.
const UNVERSIONED_PIECE: &[&[u8]] = &[
    b"\x05\x09\x02", // the variant, the record it is true at, two rows
    b"\x04news\x01", // there is a stream:
    b"\xef\x9b\xaf\xcd\xf8\xac\xd1\x91\x01\x02\x06", // epoch, generation, top,
    b"\x83\xd0\x95\xff\xbc\x31\x81\xd0\x95\xff\xbc\x31", // remembered until, kept until,
    b"\x02\x6c\x05\x75\x06", // two publications and where they are,
    b"\x01\x01k\x80\xd0\x95\xff\xbc\x31\x01\x05\xef\x9b\xaf\xcd\xf8\xac\xd1\x91\x01", // and one that is recognised
    b"\x04live\x00",                                                                  // there is none
    b"\x01\x01l\x80\xd0\x95\xff\xbc\x31\x00",
];

/// The record that has made them.
const UNVERSIONED_RECORD: &[&[u8]] = &[
    b"\x13\x00\x00\x00\x50\xa1\x3e\x8afirst\x28\x94\xfd\x7asecond", // bodies, each behind its checksum
    b"\x06",                                                        // six changes, each of a channel:
    b"\x06\x04news\x00\xef\x9b\xaf\xcd\xf8\xac\xd1\x91\x01\x02\x04", // begun: epoch, generation, top
    b"\x06\x04news\x01\x05\x00\x08\x05\x05\x81\xd0\x95\xff\xbc\x31\x82\xd0\x95\xff\xbc\x31", // published: offset, body, first, kept until, remembered until
    b"\x06\x04news\x03\x01k\x80\xd0\x95\xff\xbc\x31\x01\x05\xef\x9b\xaf\xcd\xf8\xac\xd1\x91\x01", // noted: key, until, position
    b"\x06\x04news\x01\x06\x00\x11\x06\x05\x81\xd0\x95\xff\xbc\x31\x82\xd0\x95\xff\xbc\x31",
    b"\x06\x04news\x02\x83\xd0\x95\xff\xbc\x31", // used: remembered until
    b"\x06\x04live\x03\x01l\x80\xd0\x95\xff\xbc\x31\x00",
];

#[test]
fn channels_that_were_written_before_there_were_versions_are_taken_in() {
    let (mut from_piece, mut from_record) = (loading(), loading());
    from_piece.piece(&UNVERSIONED_PIECE.concat());
    from_record.record(Lsn::new(1), Address::new(100), &UNVERSIONED_RECORD.concat());
    for loading in [&mut from_piece, &mut from_record] {
        assert!(loading.failed.is_none(), "{:?}", loading.failed);
        let news = loading.channels.get(b"news").unwrap();
        assert_eq!(news.standing(), Some((6, WRITTEN_EPOCH, 2)));
        assert_eq!(news.times(), (WRITTEN_UNTIL + 3, WRITTEN_UNTIL + 1));
        let publications: Vec<_> =
            news.publications(0).map(|(offset, Place { address, bytes })| (offset, address, bytes)).collect();
        assert_eq!(publications, [(5, 108, 5), (6, 117, 6)]);
        assert_eq!(news.version(), None);
        let first = |position| First { until: WRITTEN_UNTIL, position };
        assert_eq!(news.once().collect::<Vec<_>>(), [("k", first(Some((5, WRITTEN_EPOCH))))]);
        let live = loading.channels.get(b"live").unwrap();
        assert_eq!((live.standing(), live.once().collect::<Vec<_>>()), (None, vec![("l", first(None))]));
    }
    // What the piece knows the record does not make again.
    from_piece.record(Lsn::new(1), Address::new(100), &UNVERSIONED_RECORD.concat());
    assert!(from_piece.failed.is_none(), "{:?}", from_piece.failed);
    assert_eq!(from_piece.channels.totals(), from_record.channels.totals());
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
        of_ledger(body().boxed()).prop_map(Change::Ledger),
        (key(), list).prop_map(|(key, change)| Change::List(key, change)),
        (key(), text).prop_map(|(key, change)| Change::Text(key, change)),
        (key(), stream).prop_map(|(key, change)| Change::Stream(key, change)),
        (key(), keys).prop_map(|(key, change)| Change::Key(key, change)),
        Just(()).prop_map(|()| Change::Flushed),
    ]
}

/// About few conversations and people, so that some of it fits.
fn of_ledger(content: BoxedStrategy<Body>) -> impl Strategy<Value = LedgerChange> {
    let number = || (0..3_u32).prop_map(Number::from);
    let (seq, useq) = (|| (0..6_u64).prop_map(Seq), || (0..9_u64).prop_map(Useq));
    let user = || (0..3_u8).prop_map(|user| User::parse(&char::from(b'a' + user).to_string()).unwrap());
    let name = |number: Number| match number.get() {
        0 => Name::parse("dm:a:b").unwrap(),
        _ => Name::parse(&format!("room:{}", number.get())).unwrap(),
    };
    let part = || prop_oneof![Just(Part::Sender), Just(Part::Mentioned), Just(Part::Recipient)];
    let reached = (number(), useq(), part()).prop_map(|(person, useq, part)| Reached { person, useq, part });
    let to = prop::collection::vec(reached, 0..4);
    let device =
        || (0..2_u8).prop_map(|device| Device::parse(&char::from(b'x' + device).to_string()).unwrap());
    prop_oneof![
        8 => (number(), seq(), 0..3_u64, 0..4_u64, content.clone(), any::<bool>()).prop_map(
            move |(conversation, seq, at, count, content, is_open)| LedgerChange::Appended {
                conversation, name: name(conversation), seq, at: Millis(at), count, id: None, is_open, content,
            }
        ),
        1 => (number(), seq()).prop_map(|(conversation, through)| LedgerChange::Trimmed {
            conversation, through, first_at: None,
        }),
        2 => (number(), seq(), content).prop_map(|(conversation, seq, content)| LedgerChange::Rewritten {
            conversation, seq, content,
        }),
        2 => (number(), seq()).prop_map(|(conversation, seq)| LedgerChange::Done { conversation, seq }),
        2 => (number(), user(), seq(), any::<bool>()).prop_map(|(conversation, user, seq, is_member)| {
            let role = is_member.then_some(Role::Member);
            LedgerChange::Member { conversation, version: Version::ZERO, user, role, seq }
        }),
        1 => (number(), seq()).prop_map(|(conversation, seq)| LedgerChange::Switched { conversation, seq }),
        1 => (number(), user(), seq()).prop_map(|(conversation, user, seq)| LedgerChange::Marked {
            conversation, user, seq,
        }),
        6 => (number(), user()).prop_map(|(person, user)| LedgerChange::Known { person, user }),
        8 => (number(), seq(), 0..4_u64, to).prop_map(|(conversation, seq, count, to)| {
            LedgerChange::Delivered { conversation, seq, count, kind: Kind::Message, mode: Mode::FanOut, to }
        }),
        2 => (number(), useq(), number(), seq(), 0..4_u64).prop_map(
            |(person, useq, conversation, seq, count)| LedgerChange::Read { person, useq, conversation, seq, count }
        ),
        2 => (number(), device(), useq()).prop_map(|(person, device, useq)| LedgerChange::Acked {
            person, device, useq, at: Millis(1), forgotten: Vec::new(),
        }),
        1 => (number(), device(), number(), seq()).prop_map(|(person, device, conversation, seq)| {
            LedgerChange::Within { person, device, conversation, seq }
        }),
        1 => (0..4_u32).prop_map(|generation| LedgerChange::Raised(Generation(generation))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

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
        if loading.failed.is_none() && loading.ledger.check().is_ok() {
            law::use_all(&mut loading);
        }
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

/// What people have done, in a record; pieces that know it; and a record with more.
fn of_people() -> (Vec<u8>, Vec<Vec<u8>>, Vec<u8>) {
    let mut store = Store::empty();
    let mut done = |range: std::ops::Range<usize>| {
        let (mut changes, mut bodies) = (Vec::new(), Vec::new());
        for op in deeds().drain(range) {
            store.now = START.0;
            let decided = store.decide(&op).unwrap().changes;
            store.change_ledger(decided.clone()).unwrap();
            for mut change in decided {
                change.each_body(&mut |body| {
                    let Body::New(text) = body else { return };
                    let spot = Spot { offset: 4 + bodies.len() as u32, bytes: text.len() as u32 };
                    bodies.extend_from_slice(&crc32c::crc32c(text).to_le_bytes());
                    bodies.extend_from_slice(text);
                    *body = Body::Recorded(spot);
                });
                changes.push(Change::Ledger(change));
            }
        }
        (record(&changes, &bodies), rows(&store))
    };
    let half = deeds().len() / 2;
    let (first, pieces) = done(0..half);
    let (second, _) = done(half..deeds().len());
    (first, pieces, second)
}

/// Pieces with all of a store's ledger, true at the third record.
fn rows(store: &Store) -> Vec<Vec<u8>> {
    let (conversations, people) = (store.ledger.conversations(), store.ledger.people());
    vec![
        postcard::to_stdvec(&(0_u32, 3_u64, store.ledger.head())).unwrap(),
        postcard::to_stdvec(&(3_u32, 3_u64, conversations.iter().collect::<Vec<_>>())).unwrap(),
        postcard::to_stdvec(&(4_u32, 3_u64, people.iter().collect::<Vec<_>>())).unwrap(),
    ]
}

/// What a folder may hold, kind by kind, as [`law::hold_stored`] reads it.
fn stored() -> Vec<u8> {
    let name = |name: &'static str| Bytes::from_static(name.as_bytes());
    let id = |millis| StreamId { millis, sequence: 0 };
    let spot = |offset, bytes| Body::Recorded(Spot { offset, bytes });
    let progress = Progress { last: id(2), read: Some(2) };
    let group = |change| Change::Stream(name("s"), StreamChange::Group { group: name("g"), change });
    let delivered = GroupChange::Delivered {
        consumer: name("c"),
        at: 7,
        ids: vec![id(1), id(2)],
        are_pending: true,
        progress,
    };
    let entries = vec![Assigned { id: id(2), at: 9, count: 2 }];
    let assigned = GroupChange::Assigned { consumer: name("d"), at: 9, entries, is_claim: true };
    let list = |change| Change::List(name("l"), change);
    let short = |text: &'static str| Body::Short(Bytes::from_static(text.as_bytes()));
    let text = |change| Change::Text(name("t"), change);
    let made = vec![
        Change::Stream(name("s"), StreamChange::Added { id: id(1), body: spot(4, 3) }),
        Change::Stream(name("s"), StreamChange::Added { id: id(2), body: spot(11, 1) }),
        group(GroupChange::Created(Progress::default())),
        group(delivered),
        group(assigned),
        list(ListChange::Pushed { end: End::Right, elements: vec![short("a"), spot(4, 3), short("b")] }),
        text(StringChange::Set { value: name("text"), expiry: Some(9) }),
    ];
    let first = record(&made, b"....one....2");
    let changed = vec![
        Change::Stream(name("s"), StreamChange::Deleted { ids: vec![id(1)] }),
        Change::Stream(name("s"), StreamChange::Moved { id: id(2), body: spot(4, 1) }),
        Change::Stream(
            name("s"),
            StreamChange::Set { last: id(5), added: Some(5), deleted_max: Some(id(3)) },
        ),
        group(GroupChange::Settled { ids: vec![id(1)] }),
        group(GroupChange::ConsumerDeleted { consumer: name("c") }),
        list(ListChange::Inserted { index: 1, element: short("c") }),
        list(ListChange::Set { index: 0, element: short("d") }),
        list(ListChange::Removed { indexes: vec![1, 2] }),
        list(ListChange::Popped { end: End::Left, count: 1 }),
        text(StringChange::Appended { bytes: name("more") }),
        text(StringChange::Written { offset: 20, bytes: name("far") }),
        Change::Key(name("t"), KeyChange::Renamed { to: name("u") }),
        Change::Key(name("u"), KeyChange::Expires(None)),
        Change::Stream(name("s"), StreamChange::Trimmed { through: id(2) }),
    ];
    let second = record(&changed, b"....x");
    let (third, of_ledger, fourth) = of_people();
    let flushed = record(&[Change::Flushed, Change::Key(name("u"), KeyChange::Deleted)], b"");

    let mut loading = loading();
    loading.record(Lsn::new(1), Address::new(100), &first);
    assert!(loading.failed.is_none(), "{:?}", loading.failed);
    let keys: Vec<_> =
        (0..loading.keyspace.numbers()).filter_map(|number| loading.keyspace.at(number)).collect();
    let of_keys = postcard::to_stdvec(&(1_u32, 1_u64, keys)).unwrap();
    let part =
        postcard::to_stdvec(&Written::Part { is_first: true, is_last: true, bytes: &of_keys }).unwrap();
    let records = [(1, first), (1, second), (1, third), (1, fourth)];
    let pieces = of_ledger.into_iter().map(|piece| (0, piece));
    let each = pieces.chain(records).chain([(0, of_keys), (0, part), (1, flushed)]);
    let each = each
        .into_iter()
        .map(|(kind, bytes)| [&[kind][..], &(bytes.len() as u16).to_le_bytes(), &bytes].concat());
    each.collect::<Vec<_>>().concat()
}

/// The same, made once.
static STORED: LazyLock<Vec<u8>> = LazyLock::new(stored);

#[test]
fn the_law_holds_for_every_seed_of_the_fuzzer() {
    law::hold_stored(&stored());
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/stored");
    let seeds: Vec<_> = fs::read_dir(seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        println!("{}", seed.display());
        law::hold_stored(&fs::read(seed).unwrap());
    }
}

/// To be run by hand when the format changes.
#[test]
#[ignore = "writes a seed"]
fn the_seed_of_all_kinds_is_written() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/stored");
    fs::create_dir_all(&seeds).unwrap();
    fs::write(seeds.join("all-kinds"), stored()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Bytes of what is stored are others, are missing or are there twice.
    #[test]
    fn whatever_is_said_is_taken_in_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, any::<u8>(), 0_usize..40), 1..5),
    ) {
        let mut data = STORED.clone();
        for (at, kind, byte, count) in edits {
            let at = at.index(data.len());
            let end = (at + count).min(data.len());
            match kind {
                0 => data[at] = byte,
                1 => data[at] = [0, 1, 0x7f, 0x80, 0xff][usize::from(byte) % 5],
                2 => drop(data.drain(at..end)),
                _ => {
                    let again = data[at..end].to_vec();
                    data.splice(at..at, again);
                }
            }
        }
        law::hold_stored(&data);
    }
}
