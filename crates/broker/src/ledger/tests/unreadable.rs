//! What an entry says may be lost while all else is there.

use std::time::Duration;

use naru_ledger::op::{Deliver, From, History, Recipient};
use naru_ledger::{Answer, Kind, Limits, Mode, Op, Seq};

use super::world::{World, message, name, user};

const DM: &str = "dm:alice:bob";

/// One a millisecond.
fn with_entries(count: u64, limits: Limits) -> World {
    let mut world = World::new(limits);
    for n in 1..=count {
        world.now.0 += 1;
        world.send(DM, "alice", &n.to_string(), 1);
    }
    world
}

fn lose(world: &mut World, lost: impl IntoIterator<Item = u64>) {
    let number = world.native.conversations().find(DM.as_bytes()).unwrap();
    for seq in lost {
        let place = world.native.conversations().get(number).unwrap().log().get(Seq(seq)).unwrap();
        world.kept.lose(place);
    }
}

#[test]
fn the_oldest_make_room_though_they_cannot_be_read() {
    let cases = [(1..2, 30), (20..25, 30), (30..40, 30), (32..33, 30), (60..65, 30), (1..64, 1), (1..100, 1)];
    for (lost, first) in cases {
        let limits = Limits { log_age_max: Duration::from_millis(1000), ..Limits::default() };
        let mut world = with_entries(100, limits);
        lose(&mut world, lost.clone());
        // What was stored in the first 29 milliseconds is too old.
        world.now.0 += 930;
        world.send(DM, "alice", "a", 1);
        assert_eq!(world.log(DM)[0], first, "{lost:?}");
        world.now.0 += 2000;
        world.send(DM, "alice", "b", 1);
        assert_eq!(world.log(DM), [102], "{lost:?}");
    }
}

#[test]
fn pages_are_read_past_what_cannot_be_read() {
    let mut world = with_entries(9, Limits::default());
    lose(&mut world, [2, 3, 4, 9]);
    let mut page = |from, limit| {
        let history = History { conversation: name(DM), reader: None, from, limit, bytes: None };
        let Answer::Page(page) = world.run(&Op::History(history)).answer else { panic!() };
        (page.entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(page(From::After(Seq(0)), 2), (vec![1, 5], true));
    assert_eq!(page(From::After(Seq(1)), 1), (vec![5], true));
    assert_eq!(page(From::After(Seq(5)), 3), (vec![6, 7, 8], true));
    assert_eq!(page(From::After(Seq(8)), 3), (vec![], false));
    assert_eq!(page(From::Newest, 1), (vec![8], true));
    assert_eq!(page(From::Before(Seq(5)), 5), (vec![1], false));
}

#[test]
fn what_cannot_be_read_is_delivered_and_a_repeat_of_it_is_answered() {
    let mut world = World::new(Limits::default());
    world.hold("one", &["bob"]);
    world.append(DM, "alice", "1");
    lose(&mut world, [1]);
    let Answer::Appended(again) = world.run(&Op::Append(message(DM, "alice", "1", 1, &[]))).answer else {
        panic!()
    };
    assert_eq!((again.seq, again.repeat), (Seq(1), true));
    let deliver = Op::Deliver(Deliver {
        conversation: name(DM),
        seq: Seq(1),
        count: 1,
        sender: user("alice"),
        kind: Kind::Message,
        mode: Mode::FanOut,
        to: vec![Recipient { user: user("bob"), mentioned: false }],
    });
    let news = world.run(&deliver).news.unwrap();
    assert_eq!((news.to.len(), news.entry), (1, None), "who is told of it looks for themselves");
}
