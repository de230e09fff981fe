//! Brokers that go, and come back.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use naru_bus::BusError;
use naru_ledger::Useq;
use naru_ledger::answer::Appended;

use crate::broker::each;
use crate::gateway::{Gateway, direct, id, message, to, user};

#[test]
fn a_broker_that_comes_back_finds_everything_wanted_and_has_everything_sent() {
    each(|mut broker| {
        let gateway = Gateway::up("s1", broker.target());
        let bob = user("bob");
        gateway.ask(async |bus| {
            bus.route(&bob).await.unwrap();
            bus.subscribe("room").await.unwrap();
        });
        let sent = gateway.send("alice", "bob", "c1").unwrap();
        assert_eq!(id(&gateway.delivered()), "c1");

        broker.end();
        gateway.goes_down();
        assert_eq!(gateway.send("alice", "bob", "c2"), Err(BusError::Unreachable));
        assert_eq!(gateway.ask(async |bus| bus.subscribe("late").await), Err(BusError::Unreachable));
        assert!(!gateway.bus.is_up(), "calls do not wait for a broker that is not there");

        broker.come_back();
        assert!(gateway.comes_up());
        assert_eq!(gateway.publish("room", "hi"), 1);
        assert_eq!(gateway.heard(), ("room".to_owned(), Bytes::from_static(b"hi")));
        assert_eq!(gateway.publish("late", "hi"), 0);
        assert_eq!(gateway.send("alice", "bob", "c1"), Ok(Appended { repeat: true, ..sent }));
        gateway.send("alice", "bob", "c2").unwrap();
        let delivery = gateway.delivered();
        assert_eq!((id(&delivery), to(&delivery)[0].0), ("c2", "bob"));
    });
}

#[test]
fn what_is_sent_while_the_broker_is_killed_and_restarted_is_there_once() {
    each(|mut broker| {
        let gateway = Gateway::up("s1", broker.target());
        let senders: Vec<_> = (0..16)
            .map(|sender| {
                let bus = gateway.bus.clone();
                thread::spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    let from = format!("u{sender}");
                    let (mut sent, mut asked) = (0, 0);
                    while sent < 40 {
                        let append = message(direct(&from, "bob"), &from, &format!("c{sent}"));
                        asked += 1;
                        match runtime.block_on(bus.send(&append)) {
                            Ok(_) => sent += 1,
                            Err(error) => assert!(error.is_temporary(), "{error}"),
                        }
                        thread::sleep(Duration::from_millis(5));
                    }
                    asked
                })
            })
            .collect();
        for _ in 0..2 {
            // In the midst of what is sent, which takes longer: each waits between two.
            thread::sleep(Duration::from_millis(60));
            broker.end();
            broker.come_back();
        }
        let asked: u32 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        println!("asked {asked} times for 640 messages");
        let (user, device) = (user("bob"), naru_ledger::Device::default());
        let rows = gateway.ask(async |bus| bus.changed(&user, &device, Useq::ZERO, 100).await).unwrap();
        let counts: Vec<u64> = rows.rows.iter().map(|row| row.count).collect();
        assert_eq!(counts, [40; 16]);
    });
}

#[test]
fn a_call_does_not_wait_longer_than_a_call_may() {
    each(|mut broker| {
        let gateway = Gateway::up("s1", broker.target());
        let bus = gateway.bus.clone();
        let asking = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let mut n = 0;
            loop {
                let append = message(direct("alice", "bob"), "alice", &format!("c{n}"));
                let begun = Instant::now();
                if let Err(error) = runtime.block_on(bus.send(&append)) {
                    return (error, begun.elapsed());
                }
                n += 1;
            }
        });
        // It asks without a pause, so whenever that is, something is under way.
        thread::sleep(Duration::from_millis(50));
        broker.end();
        let (error, took) = asking.join().unwrap();
        assert_eq!(error, BusError::Unreachable);
        // 4 s; the rest is for a busy machine.
        assert!(took < Duration::from_secs(12), "{took:?}");
    });
}
