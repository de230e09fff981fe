//! Devices that come back: soon, late, never before, from another store.

use super::words::*;
use super::world::*;

const DM: &str = "dm:alice:bob";

/// Bob has `n` changes from alice, and one from carol at the front.
fn inbox(n: u64) -> World {
    let mut world = World::new(tight());
    world.send(message("dm:bob:carol", "carol", "1", &[]));
    for n in 1..n {
        world.send(message(DM, "alice", &n.to_string(), &[]));
    }
    world
}

#[test]
fn a_short_absence_is_read_from_the_ring() {
    let mut world = inbox(6);
    let first = world.resume("bob", "d", None);
    assert_eq!((first.how, first.cursor, first.head, first.start), (How::Ring, Useq(0), Useq(6), Useq(0)));
    assert_eq!(useqs(&first), [1, 2, 3, 4, 5, 6]);
    assert_eq!(world.ack("bob", "d", 4), 4);
    assert_eq!(useqs(&world.resume("bob", "d", None)), [5, 6]);
    assert_eq!(useqs(&world.resume("bob", "d", Some(("first", 5)))), [6]);
    assert_eq!(
        useqs(&world.resume("bob", "d", Some(("first", 99)))),
        [5, 6],
        "beyond the head is no position"
    );
    assert_eq!((world.ack("bob", "d", 3), world.ack("bob", "d", 99)), (4, 6));
}

#[test]
fn a_position_is_only_where_to_read_from() {
    let mut world = inbox(6);
    world.resume("bob", "slow", None);
    world.ack("bob", "fast", 5);
    let back = world.resume("bob", "fast", Some(("first", 2)));
    assert_eq!((back.start, back.cursor, useqs(&back)), (Useq(2), Useq(5), vec![3, 4, 5, 6]));
    world.ack("bob", "slow", 4);
    let back = world.resume("bob", "fast", Some(("first", 2)));
    assert_eq!((back.start, useqs(&back)), (Useq(4), vec![5, 6]), "moved up: it has acknowledged the rest");
}

#[test]
fn a_long_absence_is_read_from_the_index_each_conversation_from_where_the_device_stood() {
    let mut world = inbox(6);
    world.resume("bob", "d", None);
    world.ack("bob", "d", 3);
    for n in 10..20 {
        world.send(message(DM, "alice", &n.to_string(), &[]));
    }
    let back = world.resume("bob", "d", None);
    assert_eq!((back.how, back.start, back.pointers.len()), (How::Index, Useq(3), 0));
    let rows = world.changed("bob", "d", 3);
    assert_eq!(rows.len(), 1, "carol's was acknowledged");
    assert_eq!((rows[0].from, rows[0].head, rows[0].useq), (Seq(2), Seq(15), Useq(16)));

    assert_eq!(world.ack_within("bob", "d", 3, Some((DM, 9))), 3);
    assert_eq!(world.changed("bob", "d", 3)[0].from, Seq(9), "a replay that was cut goes on");
    world.ack_within("bob", "d", 3, Some((DM, 5)));
    assert_eq!(world.changed("bob", "d", 3)[0].from, Seq(9), "never back");
    world.ack_within("bob", "d", 3, Some((DM, 99)));
    assert_eq!(world.changed("bob", "d", 3)[0].from, Seq(15), "to the head at most");
    world.ack("bob", "d", 16);
    assert_eq!(world.resume("bob", "d", None).how, How::Ring);
    assert_eq!(world.changed("bob", "d", 16), []);
}

#[test]
fn a_position_that_left_the_ring_is_where_the_index_is_read_from() {
    let mut world = inbox(4);
    world.resume("bob", "d", None);
    for n in 10..20 {
        world.send(message(DM, "alice", &n.to_string(), &[]));
    }
    let back = world.resume("bob", "d", Some(("first", 3)));
    assert_eq!((back.how, back.cursor, back.start), (How::Index, Useq(0), Useq(3)));
    assert_eq!(world.changed("bob", "d", 0).len(), 2);
    let rows = world.changed("bob", "d", 3);
    let from: Vec<_> = rows.iter().map(|row| (row.conversation.as_str(), row.from.0, row.head.0)).collect();
    assert_eq!(from, [(DM, 0, 13)], "carol's it has; of what changed, all that is not acknowledged");

    // Cut in the middle, it names it again; what it acknowledges meanwhile is no more than that.
    assert_eq!(world.ack_within("bob", "d", 3, Some((DM, 7))), 3);
    let again = world.resume("bob", "d", Some(("first", 3)));
    assert_eq!((again.how, again.start, world.changed("bob", "d", 3)[0].from), (How::Index, Useq(3), Seq(7)));

    assert_eq!(world.ack("bob", "d", 5), 5);
    let behind = world.resume("bob", "d", Some(("first", 4)));
    assert_eq!((behind.how, behind.start), (How::Index, Useq(5)), "it has acknowledged more");
}

#[test]
fn what_came_before_there_was_a_device_waits_for_the_first() {
    let mut world = inbox(20);
    let first = world.resume("bob", "first", None);
    assert_eq!((first.how, first.start), (How::Index, Useq(0)));
    let rows = world.changed("bob", "first", 0);
    let from: Vec<_> = rows.iter().map(|row| (row.conversation.as_str(), row.from.0, row.head.0)).collect();
    assert_eq!(from, [("dm:bob:carol", 0, 1), (DM, 0, 19)]);

    let second = world.resume("bob", "second", None);
    assert_eq!((second.how, second.start, useqs(&second)), (How::Ring, Useq(14), (15..=20).collect()));
}

#[test]
fn a_device_unseen_for_too_long_holds_nothing_back_but_the_last_is_not_forgotten() {
    let mut world = inbox(3);
    world.resume("bob", "old", None);
    world.wait(31 * DAY);
    assert_eq!(useqs(&world.resume("bob", "old", None)), [1, 2, 3]);
    world.wait(31 * DAY);
    world.ack("bob", "new", 3);
    let back = world.resume("bob", "old", None);
    assert_eq!((back.cursor, useqs(&back)), (Useq(3), vec![]), "new to us, and the ring is empty");
}

#[test]
fn of_too_many_devices_the_longest_unseen_goes() {
    let mut world = inbox(3);
    for name in ["a", "b", "c"] {
        world.resume("bob", name, None);
        world.wait(2 * HOUR);
    }
    world.resume("bob", "a", None);
    world.resume("bob", "d", None);
    let standing = Op::Standing { user: user("bob"), conversation: conversation(DM) };
    let Answer::Standing(standing) = world.run(standing).unwrap() else { panic!() };
    let devices: Vec<_> = standing.devices.iter().map(|device| device.device.as_str()).collect();
    assert_eq!(devices, ["a", "c", "d"]);
    assert_eq!(standing.devices[0].from, Seq(0));
}

#[test]
fn a_position_of_another_store_is_a_reset() {
    let mut world = inbox(3);
    let reset = world.resume("bob", "d", Some(("second", 1)));
    assert_eq!((reset.how, reset.start, reset.pointers.len()), (How::Reset, Useq(0), 0));
    assert_eq!(useqs(&world.resume("bob", "d", None)), [1, 2, 3]);
}

#[test]
fn reading_tells_the_users_other_devices() {
    let mut world = inbox(2);
    world.resume("bob", "d", None);
    assert_eq!(world.read("bob", DM, 1, 1).unwrap().useq, Useq(3));
    assert_eq!(world.read("bob", DM, 1, 1).unwrap().useq, Useq(3), "nothing new");
    let pointers = spans(&world.resume("bob", "d", Some(("first", 2))));
    assert_eq!(pointers, [(1, 1, "read")]);
}

#[test]
fn the_index_is_paged_in_both_orders() {
    let mut world = World::new(tight());
    for other in ["a", "c", "d", "e"] {
        let at = Direct::between(&user(other), &user("bob")).to_string();
        world.send(message(&at, other, "1", &[]));
    }
    let mut page = |before, limit| {
        let op = Op::Conversations { user: user("bob"), before, limit };
        let Answer::Rows(rows) = world.run(op).unwrap() else { panic!() };
        (rows.rows.iter().map(|row| row.useq.0).collect::<Vec<_>>(), rows.more)
    };
    assert_eq!(page(None, 3), (vec![4, 3, 2], true));
    assert_eq!(page(Some(Useq(2)), 3), (vec![1], false));
    assert_eq!(world.changed("bob", "d", 2).iter().map(|row| row.useq.0).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(world.changed("nobody", "d", 0), []);
}

#[test]
fn the_conversation_that_changed_longest_ago_makes_room_those_left_first() {
    let mut world = World::new(Limits { conversations_max: 2, ..tight() });
    world.send(message(DM, "alice", "1", &[]));
    world.join("room:r", "bob");
    world.send(message("dm:bob:carol", "carol", "1", &[]));
    assert_eq!(world.row("bob", DM), None);
    let left = world.member("room:r", "bob", Change::Leave).written.unwrap();
    world.deliver("room:r", left.seq);
    world.send(message(DM, "alice", "2", &[]));
    assert_eq!(world.row("bob", "room:r"), None);
    assert_eq!(world.row("bob", DM).unwrap().head, Seq(2));
}

#[test]
fn where_a_device_stood_is_kept_until_it_has_what_left_the_ring() {
    let mut world = inbox(6);
    world.resume("bob", "d", None);
    world.ack("bob", "d", 3);
    world.send(message("dm:bob:carol", "carol", "2", &[]));
    for n in 10..22 {
        world.send(message(DM, "alice", &n.to_string(), &[]));
    }
    let from = |world: &mut World, after| {
        let rows = world.changed("bob", "d", after);
        rows.iter().map(|row| (row.conversation.to_string(), row.from.0)).collect::<Vec<_>>()
    };
    let (carol, dm) = ("dm:bob:carol".to_string(), DM.to_string());
    assert_eq!(from(&mut world, 3), [(carol.clone(), 1), (dm.clone(), 2)]);
    assert_eq!(world.ack("bob", "d", 8), 8, "which is not in the ring any more, but has carol's");
    world.send(message("dm:bob:carol", "carol", "3", &[]));
    assert_eq!(from(&mut world, 8), [(dm.clone(), 2), (carol, 2)]);

    assert_eq!(world.ack("bob", "d", 20), 20);
    for n in 30..40 {
        world.send(message(DM, "alice", &n.to_string(), &[]));
    }
    assert_eq!(from(&mut world, 20), [(dm, 17)]);
}
