//! From a log into inboxes: in any order, more than once, by several servers, half-done.

use super::words::*;
use super::world::*;

const DM: &str = "dm:alice:bob";
const ROOM: &str = "room:r";

fn to(delivered: &[Delivered]) -> Vec<(&str, u64, u64)> {
    delivered.iter().map(|one| (one.user.as_str(), one.useq.0, one.after.0)).collect()
}

#[test]
fn what_was_missed_before_is_covered() {
    let mut world = World::new(tight());
    for id in ["1", "2", "3"] {
        world.say(DM, "alice", id);
    }
    assert_eq!(to(&world.deliver(DM, Seq(2))), [("alice", 1, 0), ("bob", 1, 0)]);
    assert_eq!(to(&world.deliver(DM, Seq(1))), [], "late, and nothing in it");
    assert_eq!(to(&world.deliver(DM, Seq(3))), [("alice", 2, 2), ("bob", 2, 2)]);
    assert_eq!(spans(&world.resume("bob", "d", None)), [(0, 2, "message"), (2, 3, "message")]);
}

#[test]
fn ones_own_are_never_unread_in_whichever_order_they_come() {
    let mut world = World::new(tight());
    world.say(DM, "bob", "1");
    world.deliver(DM, Seq(1));
    world.say(DM, "alice", "2");
    world.say(DM, "bob", "3");
    world.deliver(DM, Seq(3));
    assert_eq!(world.unread("alice", DM), (3, 0));
    assert_eq!(to(&world.deliver(DM, Seq(2))), [("alice", 3, 2)], "late, but her own");
    assert_eq!(world.unread("alice", DM), (1, 0));
    assert_eq!(world.unread("bob", DM), (0, 0));
    assert_eq!(spans(&world.resume("alice", "d", None)).last(), Some(&(2, 2, "read")));
}

#[test]
fn a_mention_that_comes_late_counts_unless_it_is_read() {
    let mut world = World::new(tight());
    for name in ["alice", "bob"] {
        world.join(ROOM, name);
    }
    let mention = world.append(message(ROOM, "alice", "1", &["bob", "carol", "alice"])).unwrap();
    let plain = world.say(ROOM, "alice", "2");
    world.deliver(ROOM, plain.seq);
    assert_eq!(world.unread("bob", ROOM), (2, 0));
    assert_eq!(to(&world.deliver(ROOM, mention.seq)), [("bob", 3, 3)]);
    assert_eq!(world.unread("bob", ROOM), (2, 1));
    assert_eq!(world.unread("alice", ROOM), (0, 0), "nobody mentions themselves");

    let next = world.append(message(ROOM, "alice", "3", &["bob"])).unwrap();
    let last = world.say(ROOM, "alice", "4");
    world.deliver(ROOM, last.seq);
    assert_eq!(world.read("bob", ROOM, last.seq.0, last.count).unwrap().mentions, 0);
    assert_eq!(to(&world.deliver(ROOM, next.seq)), []);
    assert_eq!(world.unread("bob", ROOM), (0, 0));
}

#[test]
fn of_too_many_mentions_the_newest_count_and_the_oldest_do_not_come_back() {
    let mut world = World::new(tight());
    for name in ["alice", "bob"] {
        world.join(ROOM, name);
    }
    let sent: Vec<Appended> =
        (0..5).map(|n| world.send(message(ROOM, "alice", &n.to_string(), &["bob"]))).collect();
    assert_eq!(world.unread("bob", ROOM), (5, 3));
    assert_eq!(to(&world.deliver(ROOM, sent[0].seq)), []);
    let unread = world.read("bob", ROOM, sent[3].seq.0, sent[3].count).unwrap();
    assert_eq!((unread.count - unread.read, unread.mentions), (1, 1));
}

#[test]
fn what_is_read_before_it_has_come_is_read_when_it_comes() {
    let mut world = World::new(tight());
    world.send(message(DM, "alice", "1", &[]));
    let second = world.say(DM, "alice", "2");
    let unread = world.read("bob", DM, 2, 2).unwrap();
    assert_eq!(unread, Unread { useq: Useq(2), count: 1, read: 2, ..Unread::default() });
    world.deliver(DM, second.seq);
    assert_eq!(world.unread("bob", DM), (0, 0));
    assert_eq!(world.read("bob", DM, 1, 1).unwrap().read, 2, "never back");
    assert_eq!(world.read("bob", DM, 2, 1), Err(Refused::NoSuchMessage));
    assert_eq!(world.read("bob", DM, 3, 3), Err(Refused::NoSuchMessage));
    assert_eq!(world.read("carol", DM, 2, 2), Err(Refused::NotAMember));
    world.say("dm:bob:carol", "carol", "1");
    assert_eq!(world.read("bob", "dm:bob:carol", 1, 1), Ok(Unread::default()), "it has not come yet");
}

#[test]
fn an_entry_is_open_until_it_is_done_itself() {
    let mut world = World::new(tight());
    for id in ["1", "2", "3"] {
        world.say(DM, "alice", id);
    }
    assert_eq!(world.done(DM, Seq(2)), Seq(0));
    assert_eq!(world.done(DM, Seq(3)), Seq(0));
    let open = world.sweep("s1", 0);
    assert_eq!((open[0].from, open[0].to), (Seq(0), Seq(3)));
    assert_eq!(world.done(DM, Seq(1)), Seq(3));
    assert_eq!(world.sweep("s1", 0), []);
    let beyond = Op::Done { conversation: conversation(DM), seq: Seq(4) };
    assert_eq!(world.run(beyond), Err(Refused::NoSuchMessage));
}

#[test]
fn a_send_is_done_and_its_repeat_finishes_what_was_begun() {
    let mut world = World::new(tight());
    world.say(DM, "alice", "1");
    world.send(message(DM, "alice", "2", &[]));
    assert_eq!(world.sweep("s1", 0)[0].from, Seq(0), "the first is still open");
    world.model.run(&Op::Send(message(DM, "alice", "1", &[])), world.now).unwrap();
    assert_eq!(world.sweep("s1", 0), []);
    assert_eq!(useqs(&world.resume("bob", "d", None)), [1]);
}

#[test]
fn a_sweep_finds_what_has_waited_longest_and_leases_it() {
    let mut world = World::new(tight());
    world.say(DM, "alice", "1");
    world.wait(500);
    world.say("dm:alice:carol", "alice", "1");
    world.wait(600);
    let ids = |open: Vec<Open>| open.into_iter().map(|one| one.conversation.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(world.sweep("s1", 1000)), [DM]);
    assert_eq!(ids(world.sweep("s2", 0)), ["dm:alice:carol"], "the other is s1's for 5 s");
    assert_eq!(ids(world.sweep("s1", 0)), [DM]);
    world.wait(5000);
    assert_eq!(ids(world.sweep("s2", 0)), [DM, "dm:alice:carol"]);
    world.done(DM, Seq(1));
    world.say(DM, "alice", "2");
    assert_eq!(ids(world.sweep("s1", 0)), [DM], "a lease ends with what it was for");
    world.model.restart();
    assert_eq!(
        ids(world.sweep("s3", 0)),
        [DM, "dm:alice:carol"].map(String::from).into_iter().rev().collect::<Vec<_>>()
    );
}

/// It may be of a past that was lost, and then its count is.
#[test]
fn what_is_not_in_the_log_any_more_is_neither_delivered_nor_read() {
    let mut world = World::new(Limits { log_entries_max: 1, ..tight() });
    world.say(DM, "alice", "1");
    let late = world.model.fan_out(&conversation(DM), Seq(1)).unwrap();
    world.send(message(DM, "alice", "2", &[]));
    assert_eq!(world.run(Op::Deliver(late)), Err(Refused::NoSuchMessage));
    assert_eq!(world.read("bob", DM, 1, 1), Err(Refused::NoSuchMessage));
    assert_eq!(world.read("bob", DM, 2, 2).unwrap().read, 2);
}
