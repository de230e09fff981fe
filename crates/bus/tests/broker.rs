//! The link to a real broker in this process, over TCP and over the socket pair.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use naru_broker::{Broker, Options, Storage};
use naru_bus::{Bus, BusError, Delivery, Event, Target};
use naru_fanout::Listener;
use naru_ledger::answer::{Appended, How};
use naru_ledger::op::{Ack, Append, From, History, Resume, Said};
use naru_ledger::{Body, ClientId, Conversation, Device, Direct, Level, Position, Seq, Server, Useq, User};

/// Nothing here takes long; a test that waits longer is stuck.
const SOON: Duration = Duration::from_secs(20);

/// A broker on loopback, on a free port when `port` is 0.
fn broker(port: u16, storage: Storage) -> (Broker, u16) {
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    let port = listener.address().port();
    let broker = Broker::start(Options::new(vec![listener], storage, 2)).unwrap();
    (broker, port)
}

fn in_folder(port: u16, folder: &Path) -> (Broker, u16) {
    broker(port, Storage::Folder(folder.to_owned()))
}

fn by_tcp(port: u16) -> Target {
    Target::Url(format!("redis://127.0.0.1:{port}"))
}

/// A chat server's bus, what it says, and a runtime to ask on.
struct Gateway {
    bus: Bus,
    events: Receiver<Event>,
    runtime: tokio::runtime::Runtime,
}

impl Gateway {
    fn start(name: &str, target: Target) -> Gateway {
        let (happened, events) = sync_channel(4096);
        let server = Server::parse(name).unwrap();
        let bus = Bus::start(target, server, move |event| drop(happened.send(event))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Gateway { bus, events, runtime }
    }

    fn up(name: &str, target: Target) -> Gateway {
        let gateway = Gateway::start(name, target);
        assert!(matches!(gateway.event(), Event::Up { again: false }));
        gateway
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(SOON).unwrap()
    }

    fn ask<T>(&self, call: impl AsyncFnOnce(&Bus) -> T) -> T {
        self.runtime.block_on(call(&self.bus))
    }

    fn publish(&self, channel: &str, payload: &'static str) -> u64 {
        self.ask(async |bus| bus.publish(channel, Bytes::from_static(payload.as_bytes())).await.unwrap())
    }

    fn send(&self, from: &str, to: &str, id: &str) -> Result<Appended, BusError> {
        let (sender, to) = (user(from), user(to));
        let append = Append {
            conversation: Direct::between(&sender, &to).into(),
            sender,
            client_id: ClientId::parse(id).unwrap(),
            said: Said::Message {
                body: Body::from(format!(r#"{{"text": "{id}"}}"#).as_bytes()),
                mentions: BTreeSet::new(),
            },
            level: Level::Fsync,
        };
        self.ask(async |bus| bus.send(&append).await)
    }

    fn heard(&self) -> (String, Bytes) {
        match self.event() {
            Event::Published { channel, payload } => (channel, payload),
            other => panic!("{other:?}"),
        }
    }

    fn delivered(&self) -> Delivery {
        match self.event() {
            Event::Delivered(delivery) => delivery,
            other => panic!("{other:?}"),
        }
    }

    fn resume(&self, from: Option<Position>) -> naru_ledger::answer::Resumed {
        let (user, device) = (user("bob"), Device::default());
        self.ask(async |bus| bus.resume(Resume { user, device, from, limit: 2 }).await.unwrap())
    }

    fn history(&self, reader: &str) -> Result<Vec<String>, BusError> {
        let (conversation, reader) = (Conversation::parse("dm:alice:bob").unwrap(), Some(user(reader)));
        let history = History { conversation, reader, from: From::Newest, limit: 2, bytes: None };
        let page = self.ask(async |bus| bus.history(history).await)?;
        Ok(page.entries.iter().map(|entry| entry.client_id.as_ref().unwrap().to_string()).collect())
    }
}

fn user(name: &str) -> User {
    User::parse(name).unwrap()
}

fn id(delivery: &Delivery) -> &str {
    delivery.entry.as_ref().unwrap().client_id.as_ref().unwrap().as_str()
}

#[test]
fn all_servers_hear_a_channel_in_one_order_whichever_way_they_are_linked() {
    let (broker, port) = broker(0, Storage::Memory);
    let near = Gateway::up("near", Target::Embedded(Arc::new(broker.connector())));
    let far = Gateway::up("far", by_tcp(port));
    for gateway in [&near, &far] {
        gateway.ask(async |bus| bus.subscribe("room").await.unwrap());
    }
    let heard = thread::scope(|scope| {
        for gateway in [&near, &far] {
            let bus = gateway.bus.clone();
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                for n in 0..200 {
                    let published = bus.publish("room", Bytes::from(n.to_string()));
                    assert_eq!(runtime.block_on(published), Ok(2));
                }
            });
        }
        [&near, &far].map(|gateway| (0..400).map(|_| gateway.heard()).collect::<Vec<_>>())
    });
    assert_eq!(heard[0], heard[1]);

    near.ask(async |bus| bus.unsubscribe("room").await.unwrap());
    assert_eq!(far.publish("room", "to one"), 1);
    far.ask(async |bus| bus.unsubscribe("room").await.unwrap());
    assert_eq!(near.publish("room", "to nobody"), 0);
    broker.stop();
}

#[test]
fn a_message_reaches_the_server_that_holds_its_recipient_and_waits_for_one_who_is_away() {
    let (broker, port) = broker(0, Storage::Memory);
    let first = Gateway::up("first", Target::Embedded(Arc::new(broker.connector())));
    let second = Gateway::up("second", by_tcp(port));
    let bob = user("bob");
    second.ask(async |bus| bus.route(&bob).await.unwrap());

    let sent = first.send("alice", "bob", "c1").unwrap();
    assert_eq!((sent.seq, sent.count, sent.repeat), (Seq(1), 1, false));
    let delivery = second.delivered();
    assert_eq!((delivery.conversation.as_str(), delivery.seq), ("dm:alice:bob", Seq(1)));
    assert_eq!(delivery.to.len(), 1);
    assert_eq!(
        (delivery.to[0].user.as_str(), delivery.to[0].useq, delivery.to[0].after),
        ("bob", Useq(1), Seq(0))
    );
    let body = delivery.entry.as_ref().unwrap().body().unwrap();
    assert_eq!(body.as_bytes(), br#"{"text": "c1"}"#);
    assert_eq!(first.send("alice", "bob", "c1"), Ok(Appended { repeat: true, ..sent }));

    second.ask(async |bus| bus.unroute(&bob).await.unwrap());
    for id in ["c2", "c3"] {
        first.send("alice", "bob", id).unwrap();
    }
    let resumed = first.resume(None);
    assert_eq!(
        (resumed.cursor, resumed.head, resumed.how, resumed.more),
        (Useq(0), Useq(3), How::Ring, true)
    );
    assert_eq!(resumed.pointers.iter().map(|pointer| pointer.seq.0).collect::<Vec<_>>(), [1, 2]);
    let ack = Ack { user: bob.clone(), device: Device::default(), useq: Useq(2), within: None };
    assert_eq!(first.ask(async |bus| bus.ack(ack).await), Ok(Useq(2)));
    let resumed = first.resume(Some(Position { epoch: resumed.epoch, useq: Useq(2) }));
    assert_eq!((resumed.how, resumed.cursor, resumed.start), (How::Ring, Useq(2), Useq(2)));
    assert_eq!(resumed.pointers.iter().map(|pointer| pointer.seq.0).collect::<Vec<_>>(), [3]);

    assert_eq!(first.history("bob").unwrap(), ["c2", "c3"]);
    let refused = first.history("eve");
    assert!(matches!(refused, Err(BusError::Refused { code, .. }) if code == "FORBIDDEN"));
    assert!(second.events.try_recv().is_err(), "nothing came for a user who is not held any more");
    broker.stop();
}

#[test]
fn a_broker_that_comes_back_finds_everything_wanted_and_has_everything_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, port) = in_folder(0, folder.path());
    let gateway = Gateway::up("s1", by_tcp(port));
    let bob = user("bob");
    gateway.ask(async |bus| {
        bus.route(&bob).await.unwrap();
        bus.subscribe("room").await.unwrap();
    });
    let sent = gateway.send("alice", "bob", "c1").unwrap();
    assert_eq!(id(&gateway.delivered()), "c1");

    broker.stop();
    assert!(matches!(gateway.event(), Event::Down { .. }));
    let asked = Instant::now();
    assert_eq!(gateway.send("alice", "bob", "c2"), Err(BusError::Unreachable));
    assert_eq!(gateway.ask(async |bus| bus.subscribe("late").await), Err(BusError::Unreachable));
    assert!(asked.elapsed() < Duration::from_secs(2), "calls do not wait for a broker that is not there");

    let (broker, _) = in_folder(port, folder.path());
    loop {
        match gateway.event() {
            Event::Up { again } => break assert!(again),
            Event::Down { reason } => assert!(reason.contains("naru broker"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(gateway.publish("room", "hi"), 1);
    assert_eq!(gateway.heard(), ("room".to_owned(), Bytes::from_static(b"hi")));
    assert_eq!(gateway.publish("late", "hi"), 0);
    assert_eq!(gateway.send("alice", "bob", "c1"), Ok(Appended { repeat: true, ..sent }));
    gateway.send("alice", "bob", "c2").unwrap();
    let delivery = gateway.delivered();
    assert_eq!((delivery.to[0].useq, id(&delivery)), (Useq(2), "c2"));
    broker.stop();
}
