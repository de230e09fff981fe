//! Who takes part, what they may do, and rooms that are too large to fan out.

use super::words::*;
use super::world::*;

const ROOM: &str = "room:r";

fn members(world: &mut World, at: &str) -> Members {
    match world.run(Op::Members { conversation: conversation(at), after: None, limit: 50 }).unwrap() {
        Answer::Members(members) => members,
        other => panic!("{other:?}"),
    }
}

fn mark(at: &str, name: &str, seq: u64) -> Op {
    Op::Mark { conversation: conversation(at), user: user(name), seq: Seq(seq) }
}

#[test]
fn each_change_of_the_members_is_an_entry_and_a_version() {
    let mut world = World::new(tight());
    let joined = world.member(ROOM, "alice", Change::Join(Role::Owner));
    assert_eq!((joined.version, joined.written.unwrap().seq), (Version(1), Seq(1)));
    let again = world.member(ROOM, "alice", Change::Join(Role::Reader));
    assert_eq!((again.version, again.written), (Version(1), None), "a member keeps their role");
    world.member(ROOM, "bob", Change::Join(Role::Reader));
    world.member(ROOM, "bob", Change::Role(Role::Member));
    assert_eq!(world.say(ROOM, "bob", "1").version, Version(3));
    let list = members(&mut world, ROOM);
    let rows: Vec<_> = list.members.iter().map(|m| (m.user.as_str(), m.role, m.since.0)).collect();
    assert_eq!(rows, [("alice", Role::Owner, 1), ("bob", Role::Member, 2)]);
    assert_eq!(world.member(ROOM, "bob", Change::Leave).version, Version(4));
    assert_eq!(world.member(ROOM, "bob", Change::Leave).written, None);
    let role = Membership { room: room(ROOM), user: user("bob"), change: Change::Role(Role::Owner) };
    assert_eq!(world.run(Op::Membership(role)), Err(Refused::NoSuchMember));
    let page = world.history(ROOM, "alice", From::Newest, 50).unwrap();
    let kinds: Vec<_> = page.entries.iter().map(|entry| entry.kind().as_str()).collect();
    assert_eq!(kinds, ["join", "join", "role", "message", "leave"]);
}

#[test]
fn a_room_is_made_once_and_keeps_an_owner() {
    let mut world = World::new(tight());
    let ask = |world: &mut World, name: &str, change| {
        world.run(Op::Membership(Membership { room: room(ROOM), user: user(name), change }))
    };
    assert_eq!(world.member(ROOM, "alice", Change::Make).version, Version(1));
    assert_eq!(
        ask(&mut world, "bob", Change::Make),
        Err(Refused::RoomExists),
        "of two at once one has made it"
    );
    assert_eq!(world.member(ROOM, "alice", Change::Make).written, None, "whose answer was lost repeats it");
    world.member(ROOM, "bob", Change::Join(Role::Member));
    assert_eq!(members(&mut world, ROOM).members[0].role, Role::Owner);
    for change in [Change::Leave, Change::Role(Role::Moderator)] {
        assert_eq!(ask(&mut world, "alice", change), Err(Refused::LastOwner));
    }
    world.member(ROOM, "bob", Change::Role(Role::Owner));
    world.member(ROOM, "alice", Change::Leave);
    assert_eq!(
        ask(&mut world, "bob", Change::Role(Role::Reader)),
        Err(Refused::LastOwner),
        "also of oneself alone"
    );
    world.member(ROOM, "bob", Change::Leave);
    assert_eq!(ask(&mut world, "carol", Change::Make), Err(Refused::RoomExists), "though nobody is in it");
    assert_eq!(world.member(ROOM, "carol", Change::Join(Role::Member)).version, Version(6));
    world.member(ROOM, "carol", Change::Leave);
}

#[test]
fn roles_say_who_may_write_and_delete() {
    let mut world = World::new(tight());
    world.member(ROOM, "mo", Change::Join(Role::Moderator));
    world.member(ROOM, "me", Change::Join(Role::Member));
    world.member(ROOM, "re", Change::Join(Role::Reader));
    let said = world.say(ROOM, "me", "1");
    assert_eq!(world.append(message(ROOM, "re", "1", &[])), Err(Refused::NotAllowed));
    assert_eq!(world.append(message(ROOM, "other", "1", &[])), Err(Refused::NotAMember));
    assert_eq!(world.append(message("room:none", "me", "1", &[])), Err(Refused::NotAMember));
    let delete = |sender: &str| {
        Op::Delete(Delete {
            conversation: conversation(ROOM),
            sender: user(sender),
            client_id: ClientId::parse("d").unwrap(),
            target: said.seq,
            level: Level::Fsync,
        })
    };
    assert_eq!(world.run(delete("re")), Err(Refused::NotAllowed));
    world.run(delete("mo")).unwrap();
    for (reader, fault) in [("re", None), ("", None), ("other", Some(Refused::NotAMember))] {
        assert_eq!(world.history(ROOM, reader, From::Newest, 1).err(), fault);
    }
    world.member(ROOM, "me", Change::Leave);
    assert_eq!(world.history(ROOM, "me", From::Newest, 1), Err(Refused::NotAMember));
    assert!(world.say(ROOM, "me", "1").repeat, "what they said before they left was said");
}

#[test]
fn what_was_said_before_one_joined_is_not_missed() {
    let mut world = World::new(tight());
    world.join(ROOM, "alice");
    world.send(message(ROOM, "alice", "1", &[]));
    let joined = world.join(ROOM, "bob");
    world.send(message(ROOM, "alice", "2", &[]));
    assert_eq!(spans(&world.resume("bob", "d", None)), [(2, 3, "join"), (3, 4, "message")]);
    assert_eq!(world.unread("bob", ROOM), (1, 0));

    let left = world.member(ROOM, "bob", Change::Leave).written.unwrap();
    world.deliver(ROOM, left.seq);
    let row = world.row("bob", ROOM).unwrap();
    assert_eq!((row.follow, row.count - row.read, joined), (Follow::Left, 0, Seq(3)));
    world.send(message(ROOM, "alice", "3", &[]));
    let again = world.join(ROOM, "bob");
    assert_eq!(spans(&world.resume("bob", "d", None)).last(), Some(&(again.0 - 1, again.0, "join")));
    assert_eq!(world.unread("bob", ROOM), (0, 0));
    assert_eq!(world.row("bob", ROOM).unwrap().follow, Follow::Inbox);
}

#[test]
fn what_was_said_while_one_was_out_is_not_unread_though_their_coming_back_is_not_delivered() {
    let mut world = World::new(tight());
    for name in ["alice", "bob"] {
        world.join(ROOM, name);
    }
    let left = world.member(ROOM, "bob", Change::Leave).written.unwrap();
    world.deliver(ROOM, left.seq);
    world.done(ROOM, left.seq);
    world.send(message(ROOM, "alice", "1", &[]));
    let back = world.member(ROOM, "bob", Change::Join(Role::Member)).written.unwrap();
    world.send(message(ROOM, "alice", "2", &[]));
    assert_eq!(world.unread("bob", ROOM), (1, 0));
    let resumed = world.resume("bob", "d", None);
    let news: Vec<_> = spans(&resumed).into_iter().rev().take(2).collect();
    let Seq(joined) = back.seq;
    assert_eq!(news, [(joined, joined + 1, "message"), (joined - 1, joined, "join")]);
    assert!(world.deliver(ROOM, back.seq).iter().all(|one| one.user.as_str() != "bob"), "it has come");
}

#[test]
fn what_was_said_before_one_left_comes_though_they_are_back_before_it_is_delivered() {
    let mut world = World::new(tight());
    for name in ["alice", "bob"] {
        world.join(ROOM, name);
    }
    let head = world.row("bob", ROOM).unwrap().head.0;
    let said = world.say(ROOM, "alice", "1");
    let left = world.member(ROOM, "bob", Change::Leave).written.unwrap();
    let back = world.member(ROOM, "bob", Change::Join(Role::Member)).written.unwrap();
    for seq in [back.seq, left.seq, said.seq] {
        world.deliver(ROOM, seq);
    }
    let spans = spans(&world.resume("bob", "d", None));
    let (left, back) = (left.seq.0, back.seq.0);
    assert_eq!(spans[spans.len() - 2..], [(head, left, "leave"), (left, back, "join")]);
    assert_eq!(world.unread("bob", ROOM), (0, 0));
}

#[test]
fn a_room_with_one_member_too_many_goes_over_to_broadcast() {
    let mut world = World::new(tight());
    for name in ["a", "b", "c"] {
        world.join(ROOM, name);
    }
    let changed = world.member(ROOM, "d", Change::Join(Role::Member));
    assert_eq!(changed.mode, Mode::Broadcast);
    let written = changed.written.unwrap();
    assert_eq!((written.seq, written.switched), (Seq(4), Some(Seq(5))));
    world.deliver(ROOM, Seq(4));
    assert_eq!(world.row("a", ROOM).unwrap().follow, Follow::Inbox);
    assert_eq!(world.deliver(ROOM, Seq(5)).len(), 4, "all hear of it");
    assert_eq!(world.row("a", ROOM).unwrap().follow, Follow::Channel);

    let delivered = |world: &mut World, seq| {
        let delivered = world.deliver(ROOM, seq);
        delivered.iter().map(|one| (one.user.to_string(), one.after.0)).collect::<Vec<_>>()
    };
    let plain = world.say(ROOM, "a", "1");
    assert_eq!((plain.mode, plain.seq), (Mode::Broadcast, Seq(6)));
    assert_eq!(delivered(&mut world, Seq(6)), [("a".to_string(), 5)]);
    world.say(ROOM, "a", "2");
    world.append(message(ROOM, "a", "3", &["b", "stranger"])).unwrap();
    assert_eq!(
        delivered(&mut world, Seq(8)),
        [("a".to_string(), 7), ("b".to_string(), 7)],
        "the entry alone"
    );
    let row = world.row("b", ROOM).unwrap();
    assert_eq!((row.follow, row.count, row.read, row.mentions), (Follow::Channel, 3, 0, 1));
    assert_eq!(world.row("a", ROOM).unwrap().read, 3);
    let read = world.read("c", ROOM, 8, 3).unwrap();
    assert_eq!((read.count, read.read), (0, 3), "its own record stands still");
    assert_eq!(read.follow, Follow::Channel);

    world.join(ROOM, "e");
    let resumed = world.resume("e", "d", None);
    let channels: Vec<_> =
        resumed.channels.iter().map(|room| (room.conversation.as_str(), room.read)).collect();
    assert_eq!((channels, spans(&resumed)), (vec![(ROOM, 3)], vec![(8, 9, "join")]));
    for name in ["a", "b", "c"] {
        world.member(ROOM, name, Change::Leave);
    }
    assert_eq!(members(&mut world, ROOM).mode, Mode::Broadcast, "never back");
}

#[test]
fn a_mark_goes_on_to_the_head_at_most_and_leaves_with_its_member() {
    let mut world = World::new(tight());
    for name in ["a", "b"] {
        world.join(ROOM, name);
    }
    assert_eq!(world.run(mark(ROOM, "a", 1)), Ok(Answer::Marked(Seq(1))));
    assert_eq!(world.run(mark(ROOM, "a", 9)), Ok(Answer::Marked(Seq(2))));
    assert_eq!(world.run(mark(ROOM, "a", 1)), Ok(Answer::Marked(Seq(2))));
    assert_eq!(world.run(mark(ROOM, "c", 1)), Err(Refused::NotAMember));
    assert_eq!(members(&mut world, ROOM).members[0].read, Seq(2));
    world.member(ROOM, "a", Change::Leave);
    world.join(ROOM, "a");
    assert_eq!(members(&mut world, ROOM).members[0].read, Seq(0));

    assert_eq!(world.run(mark("dm:a:b", "a", 1)), Ok(Answer::Marked(Seq(0))));
    assert_eq!(members(&mut world, "dm:a:a").members.len(), 1);
    world.join(ROOM, "c");
    world.run(mark(ROOM, "b", 1)).unwrap();
    world.join(ROOM, "d");
    assert_eq!(world.run(mark(ROOM, "b", 2)), Ok(Answer::Marked(Seq(0))), "none in broadcast mode");
    assert!(members(&mut world, ROOM).members.iter().all(|member| member.read == Seq(0)));
}

#[test]
fn members_are_paged_by_name() {
    let mut world = World::new(tight());
    for name in ["c", "a", "b"] {
        world.join(ROOM, name);
    }
    let after = |after: Option<&str>| Op::Members {
        conversation: conversation(ROOM),
        after: after.map(user),
        limit: 2,
    };
    let Answer::Members(first) = world.run(after(None)).unwrap() else { panic!() };
    assert_eq!((first.members[1].user.as_str(), first.more), ("b", true));
    let Answer::Members(rest) = world.run(after(Some("b"))).unwrap() else { panic!() };
    assert_eq!((rest.members.len(), rest.members[0].user.as_str(), rest.more), (1, "c", false));
}
