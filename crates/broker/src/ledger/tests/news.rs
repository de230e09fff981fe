use naru_ledger::answer::{Content, Delivered, Entry, PointerKind};
use naru_ledger::op::{Change, Delete, Deliver, Edit, From, History, Membership, Read, Recipient};
use naru_ledger::{Answer, ClientId, Kind, Level, Limits, Mode, Op, Role, Room, Seq, Server};

use super::super::News;
use super::world::{World, message, name, user};

const DM: &str = "dm:alice:bob";

/// Who is told of it by which servers.
fn told(news: &News) -> Vec<(&str, u64, u64, Vec<&str>)> {
    let to = news.to.iter();
    to.map(|Delivered { user, useq, after, servers }| {
        (user.as_str(), useq.0, after.0, servers.iter().map(Server::as_str).collect())
    })
    .collect()
}

fn body(entry: Option<&Entry>) -> usize {
    entry.and_then(|entry| entry.body()).unwrap().as_bytes().len()
}

#[test]
fn servers_are_told_of_what_is_sent_with_the_entry() {
    let mut world = World::new(Limits::default());
    assert_eq!(world.run(&Op::Send(message(DM, "alice", "1", 5, &[]))).news, None, "nobody is connected");
    world.hold("one", &["alice", "bob"]);
    world.hold("two", &["bob"]);
    let news = world.run(&Op::Send(message(DM, "alice", "2", 7, &[]))).news.unwrap();
    assert_eq!(told(&news), [("alice", 2, 1, vec!["one"]), ("bob", 2, 1, vec!["one", "two"])]);
    assert_eq!(
        (news.seq, news.kind, body(news.entry.as_ref())),
        (Seq(2), PointerKind::Entry(Kind::Message), 7)
    );
    let history = History { conversation: name(DM), reader: None, from: From::Newest, limit: 1, bytes: None };
    let Answer::Page(page) = world.run(&Op::History(history)).answer else { panic!() };
    assert_eq!(news.entry.as_ref(), page.entries.first(), "as it is read");
    assert_eq!(world.run(&Op::Send(message(DM, "alice", "2", 7, &[]))).news, None, "a repeat is no news");
}

#[test]
fn a_send_that_repeats_an_append_tells_of_it() {
    let mut world = World::new(Limits::default());
    world.hold("one", &["bob"]);
    world.append(DM, "alice", "1");
    let news = world.run(&Op::Send(message(DM, "alice", "1", 9, &[]))).news.unwrap();
    assert_eq!(told(&news), [("alice", 1, 0, vec![]), ("bob", 1, 0, vec!["one"])]);
    assert_eq!(body(news.entry.as_ref()), 1, "as it was appended");
}

#[test]
fn servers_are_told_of_what_is_delivered_and_read() {
    let mut world = World::new(Limits::default());
    world.hold("one", &["bob"]);
    world.append(DM, "alice", "1");
    let deliver = Op::Deliver(Deliver {
        conversation: name(DM),
        seq: Seq(1),
        count: 1,
        sender: user("alice"),
        kind: Kind::Message,
        mode: Mode::FanOut,
        to: ["bob", "alice", "bob"].map(|name| Recipient { user: user(name), mentioned: false }).to_vec(),
    });
    let news = world.run(&deliver).news.unwrap();
    assert_eq!(told(&news), [("bob", 1, 0, vec!["one"]), ("alice", 1, 0, vec![])], "each once");
    assert!(matches!(news.entry.unwrap().content, Content::Message { .. }));
    assert_eq!(world.run(&deliver).news, None);

    let read = Op::Read(Read { user: user("bob"), conversation: name(DM), seq: Seq(1), count: 1 });
    let news = world.run(&read).news.unwrap();
    assert_eq!(told(&news), [("bob", 2, 1, vec!["one"])]);
    assert_eq!((news.seq, news.kind, news.entry), (Seq(1), PointerKind::Read, None));
    assert_eq!(world.run(&read).news, None);
}

#[test]
fn a_room_in_broadcast_mode_is_told_whoever_is_connected() {
    let mut world = World::new(Limits { members_max: 1, ..Limits::default() });
    world.join("room:r", "alice");
    world.join("room:r", "bob");
    let news = world.run(&Op::Send(message("room:r", "alice", "1", 4, &["bob", "carol"]))).news.unwrap();
    assert!(news.in_room);
    assert_eq!(told(&news), [("alice", 2, 3, vec![]), ("bob", 2, 3, vec![])], "behind their joining");
    assert_eq!(body(news.entry.as_ref()), 4);
}

#[test]
fn whatever_is_written_in_a_room_in_broadcast_mode_is_said_there_with_its_writing_and_only_then() {
    let mut world = World::new(Limits { members_max: 1, ..Limits::default() });
    let room = Room::parse("room:r").unwrap();
    let member =
        |name: &str, change| Op::Membership(Membership { room: room.clone(), user: user(name), change });
    let sign = |id: &str| (name("room:r"), user("alice"), ClientId::parse(id).unwrap());
    let edit = |id: &str| {
        let (conversation, sender, client_id) = sign(id);
        let (target, body, level) = (Seq(4), "\"b\"".as_bytes().into(), Level::Fsync);
        Op::Edit(Edit { conversation, sender, client_id, target, body, level })
    };
    let delete = |id: &str| {
        let (conversation, sender, client_id) = sign(id);
        Op::Delete(Delete { conversation, sender, client_id, target: Seq(4), level: Level::Fsync })
    };
    assert_eq!(world.run(&member("alice", Change::Make)).news, None);
    assert_eq!(world.run(&member("bob", Change::Join(Role::Member))).news, None, "with it the mode changes");
    let deeds = [
        Op::Send(message("room:r", "alice", "1", 4, &[])),
        member("carol", Change::Join(Role::Member)),
        member("carol", Change::Role(Role::Reader)),
        edit("2"),
        Op::Append(message("room:r", "alice", "3", 4, &[])),
        member("carol", Change::Leave),
        delete("4"),
    ];
    let mut said = Vec::new();
    for deed in &deeds {
        let news = world.run(deed).news.unwrap();
        assert!(news.in_room, "{deed:?}");
        said.push(news.entry.unwrap());
        assert!(
            world.run(deed).news.is_none_or(|news| !news.in_room),
            "a repeat is not said again: {deed:?}"
        );
    }
    let first = said[0].seq.0;
    assert!(said.iter().enumerate().all(|(n, entry)| entry.seq.0 == first + n as u64), "{said:?}");
    assert_eq!(said[3].body().map(|body| body.as_bytes().to_vec()), Some(b"\"b\"".to_vec()));

    // What comes into inboxes later is told there.
    world.hold("one", &["carol"]);
    let left = &said[5];
    let to = vec![Recipient { user: user("carol"), mentioned: false }];
    let deliver = Deliver {
        conversation: name("room:r"),
        seq: left.seq,
        count: left.count,
        sender: user("carol"),
        kind: Kind::Leave,
        mode: Mode::Broadcast,
        to,
    };
    let news = world.run(&Op::Deliver(deliver)).news.unwrap();
    assert!(!news.in_room);
    let useq = 3;
    assert_eq!(told(&news), [("carol", useq, left.seq.0 - 1, vec!["one"])], "behind what came before");
}
