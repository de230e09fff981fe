use naru_ledger::testing::epoch;
use naru_ledger::{Kind, Millis, Mode, Seq, Useq, User};
use naru_measured::peak_bytes;

use super::super::{Head, Id, IdKey, Ledger, LedgerChange, Part, Reached};
use crate::{
    keyspace::{Body, Spot},
    numbered::Number,
};

fn native() -> Ledger {
    Ledger::new(Head::new(epoch(), IdKey::new([7; 16])))
}

fn apply(native: &mut Ledger, change: LedgerChange) {
    native.apply(change, 0, &mut |_| {}).unwrap();
}

fn number(number: u64) -> Number {
    Number::of(number as usize).unwrap()
}

/// One more message at this moment, which is delivered.
fn say(native: &mut Ledger, conversation: u64, seq: u64, at: u64) {
    let content = Body::Recorded(Spot { offset: 0, bytes: 200 });
    let name = format!("dm:user{conversation}:user{conversation}x");
    apply(
        native,
        LedgerChange::Appended {
            conversation: number(conversation),
            name: naru_ledger::Conversation::parse(&name).unwrap(),
            seq: Seq(seq),
            at: Millis(at),
            count: seq,
            id: Some(Id(seq, conversation)),
            is_open: false,
            content,
        },
    );
}

/// What one of so many takes. An allocator adds to this what it needs itself: 8 bytes a block, and what it rounds up.
fn bytes_of_one(count: u64, fill: impl FnOnce(&mut Ledger)) -> f64 {
    let filled = || {
        let mut native = native();
        fill(&mut native);
        native
    };
    (peak_bytes(filled).1 - peak_bytes(native).1) as f64 / count as f64
}

#[test]
fn a_direct_conversation_that_is_idle_takes_little() {
    const COUNT: u64 = 50_000;
    let bytes = bytes_of_one(COUNT, |native| {
        for conversation in 0..COUNT {
            say(native, conversation, 1, 1);
            native.forget_ids(number(conversation), Millis(1 << 40));
        }
    });
    assert!(bytes < 300.0, "{bytes}");
}

#[test]
fn a_message_takes_little() {
    const COUNT: u64 = 100_000;
    let bytes = bytes_of_one(COUNT, |native| {
        for seq in 1..=COUNT {
            say(native, 0, seq, seq << 20);
        }
    });
    assert!(bytes < 16.0, "{bytes}");
}

/// A user with a device that has acknowledged nothing of so many changes. In three of four a conversation changes that is among
/// the ten busiest.
fn busy(changes: u64) -> f64 {
    const PEOPLE: u64 = 1000;
    const CONVERSATIONS: u64 = 40;
    bytes_of_one(PEOPLE, |native| {
        for person in 0..PEOPLE {
            let user = User::parse(&format!("user{person}")).unwrap();
            apply(native, LedgerChange::Known { person: number(person), user });
            let (at, device) = (Millis(1), naru_ledger::Device::default());
            apply(native, LedgerChange::Seen { person: number(person), device, at, forgotten: Vec::new() });
            let mut said = [0; CONVERSATIONS as usize];
            for change in 1..=changes {
                let random = (change * 2_654_435_761) >> 8;
                let often = if random % 4 == 0 { CONVERSATIONS } else { 10 };
                let which = if change <= CONVERSATIONS { change - 1 } else { random / 4 % often };
                said[which as usize] += 1;
                let conversation = number(100_000 + person * 7 + which);
                // One that was there before the user, with as many messages read.
                let (seq, count) = (Seq(5000 + said[which as usize]), 4990 + said[which as usize]);
                let part = if said[which as usize] == 1 { Part::Sender } else { Part::Recipient };
                let to = vec![Reached { person: number(person), useq: Useq(change), part }];
                let (kind, mode) = (Kind::Message, Mode::FanOut);
                apply(native, LedgerChange::Delivered { conversation, seq, count, kind, mode, to });
            }
            let person = native.people().get(number(person)).unwrap();
            assert_eq!((person.records().count(), person.pointers().count()), (40, 128));
        }
    })
}

#[test]
fn a_user_with_forty_conversations_and_a_full_ring_takes_a_kilobyte_at_most() {
    let bytes = busy(128);
    assert!(bytes <= 1024.0, "{bytes}");
}

/// Where the device stood in what has left the ring is kept besides.
#[test]
fn a_user_whose_device_is_far_behind_takes_little_more() {
    let bytes = busy(300);
    assert!(bytes <= 1200.0, "{bytes}");
}
