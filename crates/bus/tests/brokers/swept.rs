//! What a server that died has left half-done.

use std::time::{Duration, Instant};

use naru_bus::Terms;
use naru_ledger::op::{Change, Deliver, Membership, Recipient};
use naru_ledger::{Answer, Conversation, Kind, Mode, Op, Role, Room, Seq};

use crate::broker::{Broker, each};
use crate::gateway::{Gateway, direct, id, message, to, user};

/// It takes about two seconds; the rest is for a busy machine.
const IN_TIME: Duration = Duration::from_secs(8);

fn on_the_brink<T>(broker: &Broker, ask: impl AsyncFnOnce(naru_bus::Line) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { ask(broker.line().await).await })
}

#[test]
fn who_dies_between_append_and_deliver_keeps_nobody_waiting() {
    each(|broker| {
        let servers = ["s1", "s2"].map(|name| Gateway::up(name, broker.target()));
        servers[1].ask(async |bus| bus.route(&user("bob")).await.unwrap());
        let begun = Instant::now();
        on_the_brink(&broker, async |line| {
            let append = message(direct("alice", "bob"), "alice", "c1");
            line.ask(&Op::Append(append)).await.unwrap();
        });
        let delivery = servers[1].delivered();
        assert_eq!((id(&delivery), to(&delivery)), ("c1", vec![("bob", 1, 0)]));
        let took = begun.elapsed();
        println!("after {took:?}");
        assert!(took < IN_TIME, "{took:?}");
        assert!(took > Duration::from_millis(500), "it is left to its server for a while");
        // It is done, by one of them, so it is not open any more: after another look of theirs nothing has come.
        std::thread::sleep(Duration::from_millis(1200));
        assert!(servers[1].events.try_recv().is_err());
    });
}

#[test]
fn who_dies_between_deliver_and_telling_keeps_nobody_waiting() {
    each(|broker| {
        // Where the broker tells the servers, nothing is left to be told.
        let Broker::Other(_) = broker else { return };
        let server = Gateway::up("s1", broker.target());
        // So many that no script tells their servers.
        let members: Vec<String> = (0..12).map(|i| format!("u{i}")).collect();
        let room = Room::named("general").unwrap();
        for member in &members {
            let change = Change::Join(Role::Member);
            let membership = Membership { room: room.clone(), user: user(member), change };
            server.ask(async |bus| bus.membership(&membership).await).unwrap();
        }
        server.ask(async |bus| bus.route(&user("u7")).await.unwrap());
        let conversation: Conversation = room.into();
        on_the_brink(&broker, async |line| {
            let append = message(conversation.clone(), "u1", "c1");
            line.ask(&Op::Append(append)).await.unwrap();
            let recipient = |name: &String| Recipient { user: user(name), mentioned: false };
            let deliver = Deliver {
                conversation: conversation.clone(),
                seq: Seq(13),
                count: 1,
                sender: user("u1"),
                kind: Kind::Message,
                mode: Mode::FanOut,
                to: members.iter().map(recipient).collect(),
            };
            line.ask(&Op::Deliver(deliver)).await.unwrap();
        });
        let delivery = server.delivered();
        assert_eq!((to(&delivery)[0].0, to(&delivery)[0].2, &delivery.entry), ("u7", 12, &None));
        let delivery = server.delivered();
        assert_eq!(id(&delivery), "c1");
        assert_eq!(to(&delivery), [("u7", 0, 13)], "without a number: the session looks for itself");
    });
}

#[test]
fn what_is_left_in_many_places_is_found_by_one_server_after_the_other() {
    each(|broker| {
        const LEFT: usize = 600;
        on_the_brink(&broker, async |line| {
            for i in 0..LEFT {
                let from = format!("u{i}");
                let append = message(direct(&from, "bob"), &from, "c1");
                line.ask(&Op::Append(append)).await.unwrap();
            }
        });
        let sweeping: Vec<Gateway> =
            ["s1", "s2", "s3"].iter().map(|name| Gateway::up(name, broker.target())).collect();
        let quiet = Gateway::start_on(Terms { sweeps: false, ..Terms::default() }, "s4", broker.target());
        quiet.comes_up();
        let end = Instant::now() + crate::server::SOON;
        let rows = loop {
            let head = quiet.resume("bob", None, 1).head;
            if head.0 == LEFT as u64 {
                break head;
            }
            assert!(Instant::now() < end, "{head} of {LEFT}");
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(rows.0, LEFT as u64, "each once");
        drop(sweeping);
        on_the_brink(&broker, async |line| {
            let what = naru_ledger::op::What::Seq(Seq(1));
            let trace = Op::Trace { conversation: direct("u7", "bob"), what };
            match line.ask(&trace).await.unwrap() {
                Answer::Traced(traced) => assert!(traced.done),
                other => panic!("{other:?}"),
            }
        });
    });
}

#[test]
fn who_comes_and_goes_at_a_server_that_dies_has_all_of_it_in_order_with_the_next_message() {
    each(|broker| {
        let server = Gateway::up("s1", broker.target());
        let room = Room::named("general").unwrap();
        let conversation: Conversation = room.clone().into();
        let change = |name: &str, change| Membership { room: room.clone(), user: user(name), change };
        let join = || Change::Join(Role::Member);
        for name in ["alice", "bob"] {
            server.ask(async |bus| bus.membership(&change(name, join())).await).unwrap();
        }
        let send = |id: &str| {
            let append = message(conversation.clone(), "alice", id);
            server.ask(async |bus| bus.send(&append).await).unwrap()
        };
        // Of these nobody has been told when it is gone. What it has begun is finished with the next message, not by a sweep.
        on_the_brink(&broker, async |line| {
            line.ask(&Op::Append(message(conversation.clone(), "alice", "c1"))).await.unwrap();
            line.ask(&Op::Membership(change("bob", Change::Leave))).await.unwrap();
            line.ask(&Op::Append(message(conversation.clone(), "alice", "c2"))).await.unwrap();
            line.ask(&Op::Membership(change("bob", join()))).await.unwrap();
        });
        assert_eq!(send("c3").seq, Seq(7));
        let standing = Op::Standing { user: user("bob"), conversation: conversation.clone() };
        let Answer::Standing(standing) =
            on_the_brink(&broker, async |line| line.ask(&standing).await.unwrap())
        else {
            panic!()
        };
        let row = standing.row.unwrap();
        assert_eq!(
            (row.head, row.count - row.read),
            (Seq(7), 1),
            "what was said while bob was out is not unread"
        );
        let spans: Vec<(u64, u64)> = server
            .resume("bob", None, 10)
            .pointers
            .iter()
            .map(|pointer| (pointer.after.0, pointer.seq.0))
            .collect();
        assert_eq!(spans[spans.len() - 3..], [(2, 4), (5, 6), (6, 7)], "c1 and leave, join, c3");
    });
}
