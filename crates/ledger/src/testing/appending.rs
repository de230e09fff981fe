//! What is written into a log, and how it reads afterwards.

use super::words::*;
use super::world::*;

const DM: &str = "dm:alice:bob";

fn edit(sender: &str, id: &str, target: u64, body: &str) -> Op {
    Op::Edit(Edit {
        conversation: conversation(DM),
        sender: user(sender),
        client_id: ClientId::parse(id).unwrap(),
        target: Seq(target),
        body: Body::from(body.as_bytes()),
        level: Level::Fsync,
    })
}

fn delete(at: &str, sender: &str, id: &str, target: u64) -> Op {
    Op::Delete(Delete {
        conversation: conversation(at),
        sender: user(sender),
        client_id: ClientId::parse(id).unwrap(),
        target: Seq(target),
        level: Level::Fsync,
    })
}

fn react(id: &str, target: u64) -> Append {
    let body = Body::from(&b"+1"[..]);
    Append { said: Said::Reaction { target: Seq(target), body }, ..message(DM, "bob", id, &[]) }
}

fn bodies(world: &mut World) -> Vec<Option<String>> {
    let page = world.history(DM, "bob", From::Newest, 50).unwrap();
    let text = |entry: &Entry| Some(String::from_utf8(entry.body()?.as_bytes().to_vec()).unwrap());
    page.entries.iter().map(text).collect()
}

#[test]
fn only_messages_count_and_every_entry_knows_the_one_before() {
    let mut world = World::new(tight());
    let first = world.say(DM, "alice", "1");
    assert_eq!((first.seq, first.prev, first.count, first.repeat), (Seq(1), Seq(0), 1, false));
    let second = world.append(react("2", 1)).unwrap();
    assert_eq!((second.seq, second.prev, second.count), (Seq(2), Seq(1), 1));
    let third = world.say(DM, "bob", "3");
    assert_eq!((third.seq, third.prev, third.count), (Seq(3), Seq(2), 2));
}

#[test]
fn a_client_id_is_its_senders_and_is_known_for_one_window_at_least_and_two_at_most() {
    let mut world = World::new(tight());
    world.wait(13 * HOUR);
    let first = world.say(DM, "alice", "1");
    world.say(DM, "bob", "1");
    world.wait(24 * HOUR);
    assert_eq!(world.say(DM, "alice", "1"), Appended { repeat: true, ..first });
    world.wait(10 * HOUR);
    assert!(world.say(DM, "alice", "1").repeat);
    world.wait(HOUR);
    assert_eq!(world.say(DM, "alice", "1").seq, Seq(3));
}

#[test]
fn a_logs_time_does_not_go_back() {
    let mut world = World::new(tight());
    let first = world.say(DM, "alice", "1");
    world.now = Millis(first.at.0 - HOUR);
    assert_eq!(world.say(DM, "bob", "2").at, first.at);
}

#[test]
fn what_is_edited_reads_so_everywhere_until_it_is_deleted() {
    let mut world = World::new(tight());
    world.say(DM, "alice", "one");
    world.run(edit("alice", "e1", 1, "two")).unwrap();
    world.run(edit("alice", "e2", 1, "three")).unwrap();
    let three = Some("three".to_string());
    assert_eq!(bodies(&mut world), [three.clone(), three.clone(), three]);
    world.run(delete(DM, "alice", "d", 1)).unwrap();
    assert_eq!(bodies(&mut world), [None, None, None, None]);
    let page = world.history(DM, "bob", From::Newest, 50).unwrap();
    assert_eq!(page.entries[0].text(), Some(&Text::Deleted { by: Seq(4) }));
    assert_eq!(page.entries[3].count, 1, "its place stays, and it counts");
    assert_eq!(world.run(edit("alice", "e3", 1, "four")), Err(Refused::NoSuchMessage));
    assert_eq!(world.run(delete(DM, "alice", "d2", 1)), Err(Refused::NoSuchMessage));
    assert_eq!(world.append(react("r", 1)), Err(Refused::NoSuchMessage));
}

#[test]
fn only_who_said_it_may_edit_and_only_messages_are_edited() {
    let mut world = World::new(tight());
    world.say(DM, "alice", "one");
    world.append(react("r", 1)).unwrap();
    assert_eq!(world.run(edit("bob", "e", 1, "x")), Err(Refused::NotAllowed));
    assert_eq!(world.run(delete(DM, "bob", "d", 1)), Err(Refused::NotAllowed));
    assert_eq!(world.run(edit("carol", "e", 1, "x")), Err(Refused::NotAMember));
    assert_eq!(world.run(edit("bob", "e", 2, "x")), Err(Refused::NoSuchMessage));
    assert_eq!(world.run(edit("bob", "e", 9, "x")), Err(Refused::NoSuchMessage));
    world.run(delete(DM, "bob", "d", 2)).unwrap();
}

#[test]
fn a_repeat_gets_the_first_answer_whatever_else_it_asks_for() {
    let mut world = World::new(tight());
    let first = world.say(DM, "alice", "1");
    assert_eq!(
        world.run(edit("alice", "1", 7, "x")),
        Ok(Answer::Appended(Appended { repeat: true, ..first }))
    );
    assert_eq!(world.append(message(DM, "alice", "1", &["bob"])), Ok(Appended { repeat: true, ..first }));
}

#[test]
fn what_is_too_large_is_refused() {
    let mut world = World::new(tight());
    let body = Body::from(&[b'x'; 101][..]);
    let large = Append { said: Said::System { body }, ..message(DM, "alice", "1", &[]) };
    assert_eq!(world.append(large), Err(Refused::BodyTooLarge { bytes: 101, bytes_max: 100 }));
    let many = message(DM, "alice", "1", &["a", "b", "c", "d"]);
    assert_eq!(world.append(many), Err(Refused::TooManyMentions { mentions: 4, mentions_max: 3 }));
    assert_eq!(world.append(message(DM, "carol", "1", &[])), Err(Refused::NotAMember));
    assert_eq!(world.log(DM), [0; 0]);
}

#[test]
fn the_oldest_entries_make_room_by_number_bytes_and_age() {
    let mut world = World::new(Limits { log_entries_max: 3, log_bytes_max: 5, ..tight() });
    for id in ["1", "2", "3", "4"] {
        world.say(DM, "alice", id);
    }
    assert_eq!(world.log(DM), [2, 3, 4]);
    world.say(DM, "alice", "fiv");
    assert_eq!(world.log(DM), [3, 4, 5]);
    world.say(DM, "alice", "long");
    assert_eq!(world.log(DM), [6]);
    world.wait(91 * DAY);
    world.say(DM, "alice", "7");
    assert_eq!(world.log(DM), [7]);
    let page = world.history(DM, "bob", From::After(Seq(2)), 10).unwrap();
    assert_eq!((page.trimmed, page.head, page.more), (Seq(6), Seq(7), false));
    assert_eq!(page.entries[0].prev, Seq(6));
}

#[test]
fn the_first_answer_to_what_is_trimmed_is_its_number() {
    let mut world = World::new(Limits { log_entries_max: 1, ..tight() });
    let first = world.say(DM, "alice", "1");
    world.say(DM, "alice", "2");
    let again = world.say(DM, "alice", "1");
    let gone = Appended { at: Millis(0), prev: Seq(0), count: 0, repeat: true, ..first };
    assert_eq!(again, gone);
    assert_eq!(world.done(DM, Seq(1)), Seq(1), "what is trimmed is done");
}

#[test]
fn an_edit_whose_target_it_pushes_out_has_nothing_to_say() {
    let mut world = World::new(Limits { log_entries_max: 1, ..tight() });
    world.say(DM, "alice", "1");
    world.run(edit("alice", "e", 1, "two")).unwrap();
    assert_eq!(bodies(&mut world), [None]);
}

#[test]
fn pages_of_both_directions_meet_and_say_whether_there_is_more() {
    let mut world = World::new(tight());
    for n in 1..=9 {
        world.say(DM, "alice", &n.to_string());
    }
    let mut read = |from, limit| {
        let page = world.history(DM, "bob", from, limit).unwrap();
        (page.entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(read(From::Newest, 4), (vec![6, 7, 8, 9], true));
    assert_eq!(read(From::Before(Seq(6)), 4), (vec![2, 3, 4, 5], true));
    assert_eq!(read(From::Before(Seq(2)), 4), (vec![1], false));
    assert_eq!(read(From::After(Seq(0)), 9), ((1..=9).collect(), false));
    assert_eq!(read(From::After(Seq(5)), 0), (vec![6], true));
    assert_eq!(read(From::After(Seq(9)), 4), (vec![], false));
}

#[test]
fn a_page_ends_where_it_would_be_too_large_but_has_one_entry() {
    let mut world = World::new(Limits { page_bytes_max: 15, ..tight() });
    for n in 1..=3 {
        world.say(DM, "alice", &n.to_string());
    }
    let page = world.history(DM, "bob", From::After(Seq(0)), 10).unwrap();
    assert_eq!((page.entries.len(), page.more), (2, true), "7 bytes each");
    let history = History {
        conversation: conversation(DM),
        reader: None,
        from: From::Newest,
        limit: 10,
        bytes: Some(1),
    };
    let Answer::Page(page) = world.run(Op::History(history)).unwrap() else { panic!() };
    assert_eq!((page.entries.len(), page.more), (1, true));
}

#[test]
fn numbers_jump_for_each_generation_that_has_passed() {
    let mut world = World::new(tight());
    world.say(DM, "alice", "1");
    world.model.raise(Generation(3));
    world.model.raise(Generation(2));
    let after = world.say(DM, "alice", "2");
    assert_eq!((after.seq, after.prev, after.count), (Seq(2 + 2 * JUMP), Seq(1), 2));
    assert_eq!(world.say(DM, "alice", "3").seq, Seq(3 + 2 * JUMP));
    let new = world.say("dm:alice:carol", "alice", "1");
    assert_eq!((new.seq, new.prev, new.count), (Seq(1 + 2 * JUMP), Seq(0), 1));
    let delivered = world.deliver(DM, Seq(3 + 2 * JUMP));
    assert_eq!((delivered[0].useq, delivered[0].after), (Useq(1 + 2 * JUMP), Seq(0)));
    let between =
        Deliver { seq: Seq(9), count: 2, ..world.model.fan_out(&conversation(DM), Seq(1)).unwrap() };
    assert_eq!(world.run(Op::Deliver(between)), Err(Refused::NoSuchMessage));
}
