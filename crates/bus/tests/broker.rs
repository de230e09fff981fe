//! The link to a real broker in this process, over TCP and over the socket pair.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use naru_broker::{Broker, Options, Storage};
use naru_bus::{Bus, BusError, Entry, Event, NewMessage, Position, Sent, Target};
use naru_fanout::Listener;
use naru_ledger::{ClientId, Device, Server, User};
use serde_json::value::RawValue;

/// Nothing here takes long; a test that waits longer is stuck.
const SOON: Duration = Duration::from_secs(20);

/// A broker on loopback, on a free port when `port` is 0.
fn broker(port: u16, storage: Storage) -> (Broker, u16) {
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    let port = listener.address().port();
    let broker = Broker::start(Options {
        listeners: vec![listener],
        unix_listener: None,
        storage,
        password: None,
        acl: naru_broker::AclOptions::default(),
        cores: 2,
    })
    .unwrap();
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

    fn send(&self, from: &str, to: &str, id: &str) -> Result<Sent, BusError> {
        let body = RawValue::from_string(format!(r#"{{"text": "{id}"}}"#)).unwrap();
        let (from, to, id) = (user(from), user(to), ClientId::parse(id).unwrap());
        self.ask(async |bus| bus.send(NewMessage { from, to, id, body }).await)
    }

    fn heard(&self) -> (String, Bytes) {
        match self.event() {
            Event::Published { channel, payload } => (channel, payload),
            other => panic!("{other:?}"),
        }
    }

    fn delivered(&self) -> (String, String, Entry) {
        match self.event() {
            Event::Delivered { user, epoch, entry } => (user, epoch, entry),
            other => panic!("{other:?}"),
        }
    }
}

fn user(name: &str) -> User {
    User::parse(name).unwrap()
}

fn ids(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
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
    let (bob, phone) = (user("bob"), Device::default());
    second.ask(async |bus| bus.route(&bob).await.unwrap());

    let sent = first.send("alice", "bob", "c1").unwrap();
    assert_eq!((sent.conversation.as_str(), sent.seq, sent.duplicate), ("dm:alice:bob", 1, false));
    let (to, epoch, entry) = second.delivered();
    assert_eq!((to.as_str(), entry.offset, entry.at), ("bob", Some(1), sent.at));
    assert_eq!(entry.body.get(), r#"{"text": "c1"}"#);
    assert_eq!(first.send("alice", "bob", "c1"), Ok(Sent { duplicate: true, ..sent }));

    second.ask(async |bus| bus.unroute(&bob).await.unwrap());
    for id in ["c2", "c3"] {
        first.send("alice", "bob", id).unwrap();
    }
    let resumed = first.ask(async |bus| bus.resume(&bob, &phone, None, 2).await).unwrap();
    assert_eq!(
        (resumed.epoch.as_str(), resumed.cursor, resumed.head, resumed.more),
        (epoch.as_str(), 0, 3, true)
    );
    assert_eq!(ids(&resumed.entries), ["c1", "c2"]);
    let rest = first.ask(async |bus| bus.entries(&bob, 2, 10).await).unwrap();
    assert_eq!((rest.head, rest.more, ids(&rest.entries)), (3, false, vec!["c3"]));
    assert_eq!(first.ask(async |bus| bus.ack(&bob, &phone, 2).await), Ok(2));
    let position = Position { epoch, offset: 1 };
    let resumed = first.ask(async |bus| bus.resume(&bob, &phone, Some(position), 10).await).unwrap();
    assert_eq!((resumed.recovered, resumed.cursor, resumed.start), (true, 2, 1));
    assert_eq!(ids(&resumed.entries), ["c2", "c3"]);

    let history = first.ask(async |bus| bus.history(&bob, "dm:alice:bob", None, 2).await).unwrap();
    assert_eq!((history.more, history.entries.len()), (true, 2));
    let eve = user("eve");
    let refused = first.ask(async |bus| bus.history(&eve, "dm:alice:bob", None, 2).await.map(drop));
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
    assert_eq!(ids(&[gateway.delivered().2]), ["c1"]);

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
    assert_eq!(gateway.send("alice", "bob", "c1"), Ok(Sent { duplicate: true, ..sent }));
    gateway.send("alice", "bob", "c2").unwrap();
    let (_, _, entry) = gateway.delivered();
    assert_eq!((entry.offset, entry.id.as_str()), (Some(2), "c2"));
    broker.stop();
}
