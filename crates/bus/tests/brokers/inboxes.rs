//! Messages into inboxes, and who is told: the same on every broker.

use std::collections::BTreeSet;

use naru_bus::{BusError, Delivery, Target, Terms};
use naru_ledger::answer::{Appended, Changed, Content, How, PointerKind};
use naru_ledger::op::{Ack, Change, Delete, Edit, From, History, Membership, Said};
use naru_ledger::{
    Answer, Body, ClientId, Conversation, Device, Kind, Level, Mode, Op, Position, Role, Room, Seq, Useq,
};

use crate::broker::{Broker, each};
use crate::gateway::{Gateway, direct, id, message, to, user};
use crate::server::{Server, redis, valkey};

#[test]
fn a_message_reaches_the_server_that_holds_its_recipient_and_waits_for_one_who_is_away() {
    each(|broker| {
        let first = Gateway::up("first", broker.target());
        let second = Gateway::up("second", broker.target());
        let bob = user("bob");
        second.ask(async |bus| bus.route(&bob).await.unwrap());

        let sent = first.send("alice", "bob", "c1").unwrap();
        assert_eq!((sent.seq, sent.count, sent.repeat), (Seq(1), 1, false));
        let delivery = second.delivered();
        assert_eq!((delivery.conversation.as_str(), delivery.seq), ("dm:alice:bob", Seq(1)));
        assert_eq!((delivery.kind, to(&delivery)), (PointerKind::Entry(Kind::Message), vec![("bob", 1, 0)]));
        let entry = delivery.entry.unwrap();
        assert_eq!(entry.body().unwrap().as_bytes(), br#"{"text": "c1"}"#);
        assert_eq!((entry.at, entry.prev, entry.sender.as_str()), (sent.at, Seq(0), "alice"));
        assert_eq!(first.send("alice", "bob", "c1"), Ok(Appended { repeat: true, ..sent }));

        second.ask(async |bus| bus.unroute(&bob).await.unwrap());
        for id in ["c2", "c3"] {
            first.send("alice", "bob", id).unwrap();
        }
        let resumed = first.resume("bob", None, 2);
        let at = (resumed.cursor, resumed.head, resumed.how, resumed.more);
        assert_eq!(at, (Useq(0), Useq(3), How::Ring, true));
        assert_eq!(resumed.pointers.iter().map(|pointer| pointer.seq.0).collect::<Vec<_>>(), [1, 2]);
        let ack = Ack { user: bob.clone(), device: Device::default(), useq: Useq(2), within: None };
        assert_eq!(first.ask(async |bus| bus.ack(ack).await), Ok(Useq(2)));
        let resumed = first.resume("bob", Some(Position { epoch: resumed.epoch, useq: Useq(2) }), 10);
        assert_eq!((resumed.how, resumed.cursor, resumed.start), (How::Ring, Useq(2), Useq(2)));
        assert_eq!(resumed.pointers.iter().map(|pointer| pointer.seq.0).collect::<Vec<_>>(), [3]);

        assert_eq!(history(&first, "bob").unwrap(), ["c2", "c3"]);
        let refused = history(&first, "eve");
        assert!(matches!(refused, Err(BusError::Refused { code, .. }) if code == "FORBIDDEN"));
        assert!(second.events.try_recv().is_err(), "nothing came for a user who is not held any more");
    });
}

fn history(gateway: &Gateway, reader: &str) -> Result<Vec<String>, BusError> {
    let (conversation, reader) = (direct("alice", "bob"), Some(user(reader)));
    let history = History { conversation, reader, from: From::Newest, limit: 2, bytes: None };
    let page = gateway.ask(async |bus| bus.history(history).await)?;
    Ok(page.entries.iter().map(|entry| entry.client_id.as_ref().unwrap().to_string()).collect())
}

#[test]
fn an_edit_a_deletion_and_what_was_read_are_told_and_a_large_entry_is_left_to_be_read() {
    each(|broker| {
        let [first, second] = ["first", "second"].map(|name| Gateway::up(name, broker.target()));
        second.ask(async |bus| bus.route(&user("bob")).await.unwrap());
        let (conversation, sender) = (direct("alice", "bob"), user("alice"));
        first.send("alice", "bob", "c1").unwrap();
        second.delivered();

        let client_id = ClientId::parse("c2").unwrap();
        let edit = Edit {
            conversation: conversation.clone(),
            sender: sender.clone(),
            client_id,
            target: Seq(1),
            body: Body::from(b"2".as_slice()),
            level: Level::Fsync,
        };
        let edited = first.ask(async |bus| bus.edit(&edit).await).unwrap();
        let delivery = second.delivered();
        assert_eq!((delivery.seq, delivery.kind), (edited.seq, PointerKind::Entry(Kind::Edit)));
        assert_eq!(to(&delivery), [("bob", 2, 1)]);
        let body = Some(Body::from(b"2".as_slice()));
        assert_eq!(delivery.entry.unwrap().content, Content::Edit { target: Seq(1), body });
        assert!(first.ask(async |bus| bus.edit(&edit).await).unwrap().repeat);

        let unread = second.ask(async |bus| bus.read(&user("bob"), &conversation, Seq(7)).await).unwrap();
        assert_eq!((unread.useq, unread.count, unread.read), (Useq(3), 1, 1));
        let delivery = second.delivered();
        assert_eq!((delivery.kind, delivery.seq), (PointerKind::Read, Seq(2)));
        assert_eq!((to(&delivery), &delivery.entry), (vec![("bob", 3, 2)], &None));
        second.ask(async |bus| bus.read(&user("bob"), &conversation, Seq(2)).await).unwrap();

        let delete = Delete {
            conversation: conversation.clone(),
            sender,
            client_id: ClientId::parse("c3").unwrap(),
            target: Seq(1),
            level: Level::Fsync,
        };
        first.ask(async |bus| bus.delete(&delete).await).unwrap();
        let delivery = second.delivered();
        assert_eq!(to(&delivery), [("bob", 4, 2)], "that it was read again changed nothing");
        assert_eq!(delivery.entry.unwrap().content, Content::Delete { target: Seq(1) });

        let mut large = message(conversation, "alice", "c4");
        let body = Body::from(format!("\"{}\"", "x".repeat(5000)).as_bytes());
        large.said = Said::Message { body, mentions: BTreeSet::new() };
        first.ask(async |bus| bus.send(&large).await).unwrap();
        let delivery = second.delivered();
        assert_eq!((to(&delivery), &delivery.entry), (vec![("bob", 5, 3)], &None));
    });
}

#[test]
fn what_is_begun_is_finished_although_who_asked_has_given_up() {
    each(|broker| {
        // So it is no sweep that brings it.
        let [first, second] = ["first", "second"].map(|name| {
            let terms = Terms { sweeps: false, ..Terms::default() };
            let gateway = Gateway::start_on(terms, name, broker.target());
            gateway.comes_up();
            gateway
        });
        second.ask(async |bus| bus.route(&user("bob")).await.unwrap());
        let append = message(direct("alice", "bob"), "alice", "c1");
        first.ask(async |bus| {
            tokio::select! {
                biased;
                _ = bus.send(&append) => {}
                () = std::future::ready(()) => {}
            }
        });
        assert_eq!(id(&second.delivered()), "c1");
    });
}

/// A room of these, who are all members.
fn room(gateway: &Gateway, name: &str, members: impl Iterator<Item = String>) -> Room {
    let room = Room::named(name).unwrap();
    for member in members {
        let membership =
            Membership { room: room.clone(), user: user(&member), change: Change::Join(Role::Member) };
        gateway.ask(async |bus| bus.membership(&membership).await).unwrap();
    }
    room
}

#[test]
fn the_members_of_a_room_are_told_once_a_server() {
    each(|broker| {
        let [first, second] = ["first", "second"].map(|name| Gateway::up(name, broker.target()));
        first.ask(async |bus| bus.route(&user("ann")).await.unwrap());
        second.ask(async |bus| {
            for name in ["bob", "carol"] {
                bus.route(&user(name)).await.unwrap();
            }
        });
        let room = room(&first, "general", ["ann", "bob", "carol"].map(str::to_owned).into_iter());
        let joined: Vec<Delivery> = (0..3).map(|_| first.delivered()).collect();
        assert_eq!(joined.iter().map(|delivery| delivery.seq.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(joined[2].entry.as_ref().unwrap().content, Content::Join { role: Role::Member });
        for (seq, about) in [(2, vec![("bob", 1, 1)]), (3, vec![("bob", 2, 2), ("carol", 1, 2)])] {
            let delivery = second.delivered();
            assert_eq!((delivery.seq.0, to(&delivery)), (seq, about));
        }

        let conversation: Conversation = room.clone().into();
        let sent = first.ask(async |bus| bus.send(&message(conversation, "ann", "c1")).await).unwrap();
        let delivery = second.delivered();
        assert_eq!((id(&delivery), delivery.seq), ("c1", sent.seq));
        assert_eq!(to(&delivery), [("bob", 3, 3), ("carol", 2, 3)]);
        assert_eq!(to(&first.delivered()), [("ann", 4, 3)]);

        let leave = Membership { room, user: user("bob"), change: Change::Leave };
        first.ask(async |bus| bus.membership(&leave).await).unwrap();
        let delivery = second.delivered();
        assert_eq!(delivery.entry.as_ref().unwrap().content, Content::Leave);
        assert_eq!(to(&delivery), [("bob", 4, 4), ("carol", 3, 4)], "who leaves is told");
        let again = first.ask(async |bus| bus.membership(&leave).await).unwrap();
        assert_eq!(again.written, None);
    });
}

#[test]
fn a_room_with_too_many_for_an_inbox_each_is_followed_by_its_channel() {
    each(|broker| {
        let [first, second] = ["first", "second"].map(|name| Gateway::up(name, broker.target()));
        let room = Room::named("hall").unwrap();
        let conversation: Conversation = room.clone().into();
        let join = |i: u32| Membership {
            room: room.clone(),
            user: user(&format!("u{i}")),
            change: Change::Join(Role::Member),
        };
        // Nobody is told of the many that come before.
        for i in 0..500 {
            let joined = first.ask(async |bus| bus.ask(&Op::Membership(join(i))).await).unwrap();
            let Answer::Changed(Changed { written: Some(written), .. }) = joined else {
                panic!("{joined:?}")
            };
            let done = Op::Done { conversation: conversation.clone(), seq: written.seq };
            first.ask(async |bus| bus.ask(&done).await).unwrap();
        }
        let joined = first.ask(async |bus| bus.membership(&join(500)).await).unwrap();
        assert_eq!(joined.mode, Mode::Broadcast);
        second.ask(async |bus| {
            bus.follow(&conversation).await.unwrap();
            bus.route(&user("u7")).await.unwrap();
        });
        let said = |id: &str, mentions: &[&str]| {
            let mut append = message(conversation.clone(), "u1", id);
            let (body, mentions) =
                (Body::from(b"1".as_slice()), mentions.iter().map(|name| user(name)).collect());
            append.said = Said::Message { body, mentions };
            first.ask(async |bus| bus.send(&append).await).unwrap()
        };
        let sent = said("c1", &[]);
        assert_eq!(sent.mode, Mode::Broadcast);
        let delivery = second.delivered();
        assert_eq!((id(&delivery), to(&delivery)), ("c1", vec![]));

        let sent = said("c2", &["u7", "nobody"]);
        let (mut one, mut other) = (second.delivered(), second.delivered());
        if one.to.is_empty() {
            (one, other) = (other, one);
        }
        assert_eq!((id(&one), id(&other), other.to.len()), ("c2", "c2", 0));
        let reached: Vec<(&str, u64)> = to(&one).into_iter().map(|(name, _, after)| (name, after)).collect();
        assert_eq!(reached, [("u7", sent.seq.0 - 1)], "the mention alone is for the inbox");

        // Whatever is written is said there by the step that writes it; who delivers it says nothing there.
        let (sender, level) = (user("u1"), Level::Fsync);
        let named = |id: &str| (conversation.clone(), sender.clone(), ClientId::parse(id).unwrap());
        let member = |i: u32, change| {
            Op::Membership(Membership { room: room.clone(), user: user(&format!("u{i}")), change })
        };
        let edit = {
            let ((conversation, sender, client_id), body) = (named("e1"), Body::from(b"2".as_slice()));
            Op::Edit(Edit { conversation, sender, client_id, target: sent.seq, body, level })
        };
        let delete = {
            let (conversation, sender, client_id) = named("d1");
            Op::Delete(Delete { conversation, sender, client_id, target: Seq(sent.seq.0 - 1), level })
        };
        let steps = [
            Op::Append(message(conversation.clone(), "u1", "a1")),
            member(2, Change::Leave),
            edit,
            member(3, Change::Role(Role::Moderator)),
            delete,
            member(2, Change::Join(Role::Reader)),
        ];
        for step in &steps {
            first.ask(async |bus| bus.ask(step).await).unwrap();
        }
        first.ask(async |bus| bus.membership(&join(501)).await).unwrap();
        let heard = (0..=steps.len()).map(|_| second.delivered());
        let heard: Vec<_> = heard.map(|delivery| (delivery.to.len(), delivery.entry.unwrap())).collect();
        let (conversation, from) = (conversation.clone(), From::After(sent.seq));
        let history =
            History { conversation: conversation.clone(), reader: None, from, limit: 9, bytes: None };
        let page = first.ask(async |bus| bus.history(history).await).unwrap();
        assert_eq!(heard, page.entries.into_iter().map(|entry| (0, entry)).collect::<Vec<_>>());
        second.ask(async |bus| bus.unfollow(&conversation).await.unwrap());
        said("c3", &[]);
        assert!(second.events.try_recv().is_err());
    });
}

#[test]
fn who_joins_while_another_entry_is_on_its_way_gets_what_comes_from_the_own_join_on() {
    each(|broker| {
        let gateway = Gateway::up("first", broker.target());
        let room = room(&gateway, "long", std::iter::once("ann".to_owned()));
        let conversation: Conversation = room.clone().into();
        let said = |i: u32| {
            let mut append = message(conversation.clone(), "ann", &format!("c{i}"));
            let body = Body::from(b"1".as_slice());
            append.said = Said::Message { body, mentions: BTreeSet::from([user("bob"), user("carol")]) };
            append
        };
        for i in 0..20 {
            gateway.ask(async |bus| bus.send(&said(i)).await).unwrap();
        }
        // Said, and not in any inbox yet.
        gateway.ask(async |bus| bus.ask(&Op::Append(said(20))).await).unwrap();
        let join =
            |name| Membership { room: room.clone(), user: user(name), change: Change::Join(Role::Member) };
        let joined = gateway.ask(async |bus| {
            // As if at once: both have joined before anybody is told of either.
            let bob = bus.ask(&Op::Membership(join("bob"))).await.unwrap();
            (bob, bus.membership(&join("carol")).await.unwrap())
        });
        let (Answer::Changed(Changed { written: Some(bob), .. }), Some(carol)) = (joined.0, joined.1.written)
        else {
            panic!("both have joined")
        };
        let sent = gateway.ask(async |bus| bus.send(&said(20)).await).unwrap();
        assert!(sent.repeat && sent.seq < bob.seq && bob.seq < carol.seq);

        let spans = |name| {
            let pointers = gateway.resume(name, None, 100).pointers;
            pointers.into_iter().map(|pointer| (pointer.after, pointer.seq)).collect::<Vec<_>>()
        };
        for (name, joined) in [("bob", bob), ("carol", carol)] {
            let spans = spans(name);
            assert!(spans.iter().all(|(after, _)| *after >= joined.prev), "{name}: {spans:?}");
            assert!(!spans.is_empty(), "{name}");
        }
    });
}

#[test]
fn a_level_that_is_out_of_reach_is_refused_before_anything_is_stored() {
    let on = |target: Target, level, most: &str| {
        let gateway = Gateway::up("first", target);
        let mut append = message(direct("alice", "bob"), "alice", "c1");
        append.level = level;
        match gateway.ask(async |bus| bus.send(&append).await) {
            Err(BusError::Refused { code, message }) => {
                assert_eq!(code, "INVALID");
                assert!(message.contains(most), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert!(gateway.resume("bob", None, 10).pointers.is_empty());
    };
    let naru = Broker::naru();
    on(naru.target(), Level::Replica, "fsync");
    for program in [redis(), valkey()].into_iter().flatten() {
        // Snapshots at most.
        let server = Server::start(&program, &[]);
        on(server.target(), Level::Fsync, "memory");
    }
}
