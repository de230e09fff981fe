use naru_ledger::testing::epoch;
use naru_ledger::{
    Conversation as Name, Device, Generation, Kind, Limits, Millis, Mode, Op, Role, Seq, Useq, User, Version,
};
use proptest::prelude::*;

use super::super::{
    Bounds, Conversation, Head, Id, IdKey, Ledger, LedgerChange, NUMBER_MAX, Part, Person, Reached, Undecided,
};
use super::world::{World, message};
use crate::{
    keyspace::{Body, Spot},
    numbered::Number,
};

/// Mostly what could be, and sometimes what nothing would have recorded.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..9_u64, 1 => 60..70_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn item() -> impl Strategy<Value = Number> {
    prop_oneof![9 => 0..3_u32, 1 => any::<u32>()].prop_map(Number::from)
}

fn user() -> impl Strategy<Value = User> {
    "[abc]".prop_map(|name| User::parse(&name).unwrap())
}

fn device() -> impl Strategy<Value = Device> {
    "[de]".prop_map(|name| Device::parse(&name).unwrap())
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![Just("dm:a:b"), Just("room:r"), Just("dm:b:c")].prop_map(|id| Name::parse(id).unwrap())
}

fn content() -> impl Strategy<Value = Body> {
    (any::<u32>(), any::<u32>()).prop_map(|(offset, bytes)| Body::Recorded(Spot { offset, bytes }))
}

fn reached() -> impl Strategy<Value = Reached> {
    let part = prop_oneof![Just(Part::Recipient), Just(Part::Mentioned), Just(Part::Sender)];
    (item(), number(), part).prop_map(|(person, useq, part)| Reached { person, useq: Useq(useq), part })
}

fn change() -> impl Strategy<Value = LedgerChange> {
    let numbers = (number(), number(), number());
    let kinds = (prop::sample::select(Kind::ALL), prop::sample::select(Mode::ALL), any::<bool>());
    let bounds =
        Bounds::of(&Limits { ring_max: 2, conversations_max: 2, mentions_kept_max: 1, ..Limits::default() });
    let texts = (name(), user(), device(), content());
    let to = prop::collection::vec(reached(), 0..3);
    (0..16_u8, item(), item(), numbers, kinds, texts, to).prop_map(
        move |(
            which,
            conversation,
            person,
            (one, two, three),
            (kind, mode, is_open),
            (name, user, device, content),
            to,
        )| {
            let (seq, useq, at, count) = (Seq(one), Useq(one), Millis(two), three);
            let role = is_open.then_some(Role::Member);
            match which {
                0 => LedgerChange::Raised(Generation(one as u32)),
                1 => LedgerChange::Bounded(bounds),
                2..=4 => {
                    let id = Some(Id(three, 7));
                    LedgerChange::Appended { conversation, name, seq, at, count, id, is_open, content }
                }
                5 => LedgerChange::Trimmed { conversation, through: seq, first_at: is_open.then_some(at) },
                6 => LedgerChange::Rewritten { conversation, seq, content },
                7 => LedgerChange::Done { conversation, seq },
                8 => LedgerChange::Member { conversation, version: Version(two), user, role, seq },
                9 => LedgerChange::Switched { conversation, seq },
                10 => LedgerChange::Marked { conversation, user, seq },
                11 => LedgerChange::Known { person, user },
                12 | 13 => LedgerChange::Delivered { conversation, seq, count, kind, mode, to },
                14 => LedgerChange::Read { person, useq, conversation, seq: Seq(two), count },
                _ if is_open => LedgerChange::Seen { person, device, at, forgotten: Vec::new() },
                _ => LedgerChange::Acked { person, device, useq, at, forgotten: Vec::new() },
            }
        },
    )
}

proptest! {
    /// What a damaged disk has to say.
    #[test]
    fn no_changes_are_a_panic(changes in prop::collection::vec(change(), 0..60), record in number()) {
        let mut native = Ledger::new(Head::new(epoch(), IdKey::new([7; 16])));
        native.apply(LedgerChange::Known { person: Number::from(0), user: User::parse("a").unwrap() }, 0, &mut |_| {})
            .unwrap();
        for change in changes {
            // What does not fit leaves something that is not to be gone on with, but no panic.
            let _ = native.apply(change, record >> 8, &mut |_| {});
        }
        let _ = native.check();
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..200_usize, with in any::<u8>()) {
        let mut native = Ledger::new(Head::new(epoch(), IdKey::new([7; 16])));
        let mut put = |bytes: &[u8]| {
            if let Ok(conversation) = postcard::from_bytes::<Conversation>(bytes) {
                let _ = native.put_conversation(native.conversations().next_number(), conversation);
            }
            if let Ok(person) = postcard::from_bytes::<Person>(bytes) {
                let _ = native.put_person(native.people().next_number(), person);
            }
        };
        put(&bytes);
        // What is sound but for one byte gets further.
        let mut world = super::world::World::new(Limits { ring_max: 5, ..Limits::default() });
        for n in 0..9 {
            world.send("dm:a:b", "a", &n.to_string(), 3);
        }
        let (_, conversation) = world.native.conversations().iter().next().unwrap();
        let (_, person) = world.native.people().iter().next().unwrap();
        for mut bytes in [postcard::to_stdvec(conversation).unwrap(), postcard::to_stdvec(person).unwrap()] {
            let at = at % bytes.len();
            bytes[at] = with;
            put(&bytes);
        }
    }
}

/// As a row that is written without its ids, since they do not fit.
#[test]
fn a_row_that_does_not_say_its_ids_leaves_those_of_its_entries() {
    let mut world = World::new(Limits::default());
    world.send("dm:a:b", "a", "1", 1);
    let number = Number::from(0);
    let row = world.native.conversations().get(number).unwrap().without_entries().without_ids();
    let restated = LedgerChange::Restated { conversation: number, row: Box::new(row) };
    world.native.apply(restated, 0, &mut |_| {}).unwrap();
    assert_eq!((world.send("dm:a:b", "a", "1", 1), world.send("dm:a:b", "a", "2", 1)), (Seq(1), Seq(2)));
}

/// Numbers that are made up are gone on from as far as they would be taken in again.
#[test]
fn nothing_is_decided_that_could_not_be_made() {
    let mut world = World::new(Limits::default());
    world.append("dm:a:b", "a", "1");
    world.join("room:r", "a");
    let spot = Spot { offset: 0, bytes: 1 };
    let last = LedgerChange::Appended {
        conversation: Number::from(0),
        name: Name::parse("dm:a:b").unwrap(),
        seq: Seq(NUMBER_MAX),
        at: Millis(1 << 41),
        count: 2,
        id: None,
        is_open: false,
        content: Body::Recorded(spot),
    };
    world.native.apply(last, 1 << 30, &mut |_| {}).unwrap();
    let send = Op::Send(message("dm:a:b", "a", "2", 1, &[]));
    let decided = world.native.decide(&send, world.now, &world.limits, &mut world.kept);
    assert!(matches!(decided, Err(Undecided::Exhausted)), "{decided:?}");

    let member = |version| LedgerChange::Member {
        conversation: Number::from(1),
        version: Version(version),
        user: User::parse("b").unwrap(),
        role: Some(Role::Member),
        seq: Seq(1),
    };
    world.native.apply(member(u64::MAX), 0, &mut |_| {}).unwrap_err();
    world.native.apply(member(NUMBER_MAX), 0, &mut |_| {}).unwrap();
}
