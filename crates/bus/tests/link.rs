//! The link against a broker played by the test over the in-process stream, so that it can be lost, refuse and
//! come back at any moment.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use naru_bus::{Bus, BusError, Event, NewMessage, Position, Sent, Target};
use naru_ledger::{ClientId, Device, Server, User};
use serde_json::value::RawValue;

/// Nothing here takes long; a test that waits longer is stuck.
const SOON: Duration = Duration::from_secs(10);

const HELLO_NARU: &str = "%2\r\n$6\r\nserver\r\n$4\r\nnaru\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n";
const HELLO_REDIS: &str = "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n";
const ENTRY: &str = r#"{"offset":7,"conversation":"dm:alice:bob","seq":4,"from":"alice","to":"bob","id":"c1","at":9,"body":"hi"}"#;

/// A bus and what it says, and the far ends of its connections as it makes them.
struct Scene {
    bus: Bus,
    events: Receiver<Event>,
    connections: Receiver<UnixStream>,
}

impl Scene {
    /// A bus whose handler waits once `events_max` events were not taken.
    fn new(events_max: usize) -> Scene {
        let (connected, connections) = sync_channel(64);
        let connect = move || {
            let (ours, theirs) = UnixStream::pair()?;
            theirs.set_read_timeout(Some(SOON))?;
            ours.set_nonblocking(true)?;
            connected.send(theirs).map_err(|_| std::io::ErrorKind::ConnectionRefused)?;
            Ok(ours)
        };
        let (happened, events) = sync_channel(events_max);
        let target = Target::Embedded(Arc::new(connect));
        let server = Server::parse("s1").unwrap();
        let bus = Bus::start(target, server, move |event| drop(happened.send(event))).unwrap();
        Scene { bus, events, connections }
    }

    /// A link that is up, and the broker to play.
    fn up() -> (Scene, UnixStream) {
        let scene = Scene::new(64);
        let broker = scene.greet();
        assert!(!scene.again());
        (scene, broker)
    }

    /// Plays the broker until this server is registered.
    fn greet(&self) -> UnixStream {
        let mut broker = self.connections.recv_timeout(SOON).unwrap();
        assert!(hears(&mut broker).starts_with("HELLO 3 CLIENT SETINFO LIB-NAME naru-bus"));
        says(&mut broker, &format!("{HELLO_NARU}+OK\r\n+OK\r\n"));
        assert_eq!(hears(&mut broker), "HELLO 3");
        says(&mut broker, HELLO_NARU);
        assert_eq!(hears(&mut broker), "NARU.SERVER s1");
        says(&mut broker, "+OK\r\n");
        assert_eq!(hears(&mut broker), "SUBSCRIBE naru:server:s1");
        confirms(&mut broker, "subscribe", "naru:server:s1");
        broker
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(SOON).unwrap()
    }

    fn again(&self) -> bool {
        match self.event() {
            Event::Up { again } => again,
            other => panic!("{other:?}"),
        }
    }

    fn reason(&self) -> String {
        match self.event() {
            Event::Down { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Asks on a thread and a runtime of its own.
    fn asks<T: Send + 'static>(&self, call: impl AsyncFnOnce(Bus) -> T + Send + 'static) -> JoinHandle<T> {
        let bus = self.bus.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(call(bus))
        })
    }
}

/// The words of what the broker was sent since it last listened; none when the connection was closed.
fn hears(broker: &mut UnixStream) -> String {
    let mut bytes = vec![0; 64 * 1024];
    let len = broker.read(&mut bytes).unwrap();
    let text = std::str::from_utf8(&bytes[..len]).unwrap();
    let arguments: Vec<_> = text.split("\r\n").filter(|line| !line.starts_with(['*', '$'])).collect();
    arguments.join(" ").trim_end().to_owned()
}

fn says(broker: &mut UnixStream, reply: &str) {
    broker.write_all(reply.as_bytes()).unwrap();
}

fn confirms(broker: &mut UnixStream, kind: &str, channel: &str) {
    says(broker, &format!(">3\r\n{}{}:1\r\n", bulk(kind), bulk(channel)));
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn message(channel: &str, payload: &str) -> String {
    format!(">3\r\n{}{}{}", bulk("message"), bulk(channel), bulk(payload))
}

fn bob() -> User {
    User::parse("bob").unwrap()
}

#[test]
fn a_redis_is_named_and_refused_and_asked_again() {
    let scene = Scene::new(64);
    let mut redis = scene.connections.recv_timeout(SOON).unwrap();
    hears(&mut redis);
    says(&mut redis, &format!("{HELLO_REDIS}+OK\r\n+OK\r\n"));
    assert_eq!(hears(&mut redis), "HELLO 3");
    says(&mut redis, HELLO_REDIS);
    assert_eq!(
        scene.reason(),
        "the server in this process is redis 7.0.15, not a Naru broker: Redis and Valkey are not supported yet; \
         start one with `naru broker`; trying again"
    );
    assert!(!scene.bus.is_up());
    // It may have been wanted while it was not there, so the first time counts as again.
    let _broker = scene.greet();
    assert!(scene.again());
    assert!(scene.bus.is_up());
}

#[test]
fn a_real_redis_is_refused_over_tcp() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let redis = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut redis) = redis else {
        eprintln!("skipped: there is no redis-server; scripts/test installs one");
        return;
    };
    let (happened, events) = sync_channel(64);
    let target = Target::Url(format!("redis://127.0.0.1:{port}"));
    let server = Server::parse("s1").unwrap();
    let bus = Bus::start(target, server, move |event| drop(happened.send(event))).unwrap();
    let refused = loop {
        match events.recv_timeout(SOON) {
            Ok(Event::Down { reason }) if reason.contains("not a Naru broker") => break Ok(reason),
            Ok(Event::Down { reason }) if reason.starts_with("no broker at 127.0.0.1:") => {}
            other => break Err(other),
        }
    };
    bus.stop();
    redis.kill().unwrap();
    redis.wait().unwrap();
    let refused = refused.unwrap();
    assert!(refused.starts_with(&format!("the server at 127.0.0.1:{port} is redis ")), "{refused}");
}

#[test]
fn a_refused_login_says_what_to_check() {
    let scene = Scene::new(64);
    let mut broker = scene.connections.recv_timeout(SOON).unwrap();
    hears(&mut broker);
    says(&mut broker, "-WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n+OK\r\n");
    let reason = scene.reason();
    assert!(reason.contains("(WRONGPASS invalid username-password pair or user is disabled.)"), "{reason}");
    assert!(reason.contains("check"), "{reason}");
}

#[test]
fn calls_fail_at_once_while_there_is_no_broker() {
    // It takes the connection and says nothing.
    let scene = Scene::new(64);
    let _silent = scene.connections.recv_timeout(SOON).unwrap();
    let asked = Instant::now();
    let outcomes = scene.asks(async |bus| {
        [
            bus.publish("room", Bytes::from_static(b"hi")).await.map(drop),
            bus.subscribe("room").await,
            bus.route(&bob()).await,
            bus.ack(&bob(), &Device::default(), 1).await.map(drop),
        ]
    });
    for outcome in outcomes.join().unwrap() {
        assert_eq!(outcome, Err(BusError::Unreachable));
    }
    let removed = scene.asks(async |bus| (bus.unsubscribe("room").await, bus.unroute(&bob()).await));
    assert_eq!(removed.join().unwrap(), (Ok(()), Ok(())));
    assert!(asked.elapsed() < Duration::from_secs(3));
}

#[test]
fn everything_wanted_is_asked_for_again_before_the_link_is_up() {
    let (scene, mut broker) = Scene::up();
    let wanted = scene
        .asks(async |bus| [bus.route(&bob()).await, bus.subscribe("room").await, bus.subscribe("old").await]);
    assert_eq!(hears(&mut broker), "NARU.ROUTE bob");
    says(&mut broker, "+OK\r\n");
    for channel in ["room", "old"] {
        assert_eq!(hears(&mut broker), format!("SUBSCRIBE {channel}"));
        confirms(&mut broker, "subscribe", channel);
    }
    assert_eq!(wanted.join().unwrap(), [Ok(()), Ok(()), Ok(())]);

    drop(broker);
    assert!(scene.reason().contains("was closed"));
    // Not greeted yet: what is refused is not wanted, what is left is not restored.
    let changed = scene.asks(async |bus| [bus.subscribe("new").await, bus.unsubscribe("old").await]);
    assert_eq!(changed.join().unwrap(), [Err(BusError::Unreachable), Ok(())]);

    let mut broker = scene.greet();
    assert_eq!(hears(&mut broker), "NARU.ROUTE bob");
    assert!(!scene.bus.is_up());
    says(&mut broker, "+OK\r\n");
    assert_eq!(hears(&mut broker), "SUBSCRIBE room");
    assert!(scene.events.try_recv().is_err());
    confirms(&mut broker, "subscribe", "room");
    assert!(scene.again());
    assert!(scene.bus.is_up());
}

#[test]
fn changes_in_quick_succession_end_in_the_state_last_asked_for() {
    let (scene, mut broker) = Scene::up();
    let changes = scene.asks(async |bus| {
        tokio::join!(
            biased;
            bus.subscribe("room"),
            bus.unsubscribe("room"),
            bus.subscribe("room"),
            bus.unsubscribe("room"),
        )
    });
    for _ in 0..2 {
        for command in ["subscribe", "unsubscribe"] {
            assert_eq!(hears(&mut broker), format!("{} room", command.to_uppercase()));
            confirms(&mut broker, command, "room");
        }
    }
    assert_eq!(changes.join().unwrap(), (Ok(()), Ok(()), Ok(()), Ok(())));
    drop(broker);
    scene.reason();
    let _broker = scene.greet();
    assert!(scene.again(), "nothing is left to restore");
}

#[test]
fn events_come_in_the_order_the_broker_sent_them() {
    let (scene, mut broker) = Scene::up();
    let delivery = format!(r#"{{"user":"bob","epoch":"e1","entry":{ENTRY}}}"#);
    let mut pushes = String::new();
    for n in 0..20 {
        pushes += &message("room", &n.to_string());
        pushes += &message("naru:server:s1", &delivery);
    }
    says(&mut broker, &pushes);
    drop(broker);
    for n in 0..20 {
        match scene.event() {
            Event::Published { channel, payload } => {
                assert_eq!((channel.as_str(), payload), ("room", n.to_string().into()));
            }
            other => panic!("{other:?}"),
        }
        match scene.event() {
            Event::Delivered { user, epoch, entry } => {
                assert_eq!((user.as_str(), epoch.as_str(), entry.offset), ("bob", "e1", Some(7)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(scene.reason().contains("was closed"));
}

#[test]
fn ledger_calls_say_what_was_asked_and_read_what_was_answered() {
    let (scene, mut broker) = Scene::up();
    let entries = format!("*1\r\n{}", bulk(ENTRY));

    let sent = scene.asks(async |bus| {
        let [from, to] = ["alice", "bob"].map(|name| User::parse(name).unwrap());
        let body = RawValue::from_string(r#"{"text":"hi"}"#.to_owned()).unwrap();
        bus.send(NewMessage { from, to, id: ClientId::parse("c1").unwrap(), body }).await
    });
    assert_eq!(hears(&mut broker), r#"NARU.SEND alice bob c1 {"text":"hi"}"#);
    says(&mut broker, "*4\r\n$12\r\ndm:alice:bob\r\n:4\r\n:9\r\n:1\r\n");
    let first = Sent { conversation: "dm:alice:bob".to_owned(), seq: 4, at: 9, duplicate: true };
    assert_eq!(sent.join().unwrap(), Ok(first));

    let resumed = scene.asks(async |bus| {
        let position = Position { epoch: "e1".to_owned(), offset: 6 };
        bus.resume(&bob(), &Device::default(), Some(position), 50).await
    });
    assert_eq!(hears(&mut broker), "NARU.RESUME bob default e1 6 50");
    says(&mut broker, &format!("*7\r\n$2\r\ne1\r\n:5\r\n:8\r\n:6\r\n:1\r\n:1\r\n{entries}"));
    let resumed = resumed.join().unwrap().unwrap();
    assert_eq!((resumed.epoch.as_str(), resumed.cursor, resumed.head, resumed.start), ("e1", 5, 8, 6));
    assert!(resumed.recovered && resumed.more);
    assert_eq!(resumed.entries[0].offset, Some(7));

    let from_cursor = scene.asks(async |bus| bus.resume(&bob(), &Device::default(), None, 1).await);
    assert_eq!(hears(&mut broker), "NARU.RESUME bob default  0 1");
    says(&mut broker, "*7\r\n$2\r\ne1\r\n:5\r\n:8\r\n:5\r\n:0\r\n:0\r\n*0\r\n");
    assert!(!from_cursor.join().unwrap().unwrap().recovered);

    let page = scene.asks(async |bus| bus.entries(&bob(), 6, 50).await);
    assert_eq!(hears(&mut broker), "NARU.ENTRIES bob 6 50");
    says(&mut broker, &format!("*3\r\n:8\r\n:1\r\n{entries}"));
    let page = page.join().unwrap().unwrap();
    assert_eq!((page.head, page.more, page.entries.len()), (8, true, 1));

    let acknowledged = scene.asks(async |bus| bus.ack(&bob(), &Device::default(), 7).await);
    assert_eq!(hears(&mut broker), "NARU.ACK bob default 7");
    says(&mut broker, ":7\r\n");
    assert_eq!(acknowledged.join().unwrap(), Ok(7));

    let history = scene.asks(async |bus| bus.history(&bob(), "dm:alice:bob", None, 20).await);
    assert_eq!(hears(&mut broker), "NARU.HISTORY bob dm:alice:bob 0 20");
    says(&mut broker, &format!("*2\r\n:0\r\n{entries}"));
    let history = history.join().unwrap().unwrap();
    assert_eq!((history.more, history.entries[0].body.get()), (false, r#""hi""#));

    let refused = scene.asks(async |bus| bus.history(&bob(), "dm:alice:eve", Some(3), 20).await.map(drop));
    assert_eq!(hears(&mut broker), "NARU.HISTORY bob dm:alice:eve 3 20");
    says(&mut broker, "-FORBIDDEN bob takes no part in it\r\n");
    let forbidden =
        BusError::Refused { code: "FORBIDDEN".to_owned(), message: "bob takes no part in it".to_owned() };
    assert_eq!(refused.join().unwrap(), Err(forbidden));

    let odd = scene.asks(async |bus| bus.ack(&bob(), &Device::default(), 7).await);
    hears(&mut broker);
    says(&mut broker, "$3\r\nyes\r\n");
    assert!(matches!(odd.join().unwrap(), Err(BusError::Protocol(_))));
}

#[test]
fn calls_in_hand_fail_when_the_link_is_lost_and_when_it_is_stopped() {
    let (scene, mut broker) = Scene::up();
    let publish = || scene.asks(async |bus| bus.publish("room", Bytes::from_static(b"hi")).await);
    let lost = publish();
    assert_eq!(hears(&mut broker), "PUBLISH room hi");
    drop(broker);
    assert_eq!(lost.join().unwrap(), Err(BusError::Unreachable));
    scene.reason();

    let mut broker = scene.greet();
    assert!(scene.again());
    let stopped = publish();
    hears(&mut broker);
    scene.bus.stop();
    assert_eq!(stopped.join().unwrap(), Err(BusError::Unreachable));
    assert_eq!(hears(&mut broker), "", "the connection is closed");
    assert_eq!(publish().join().unwrap(), Err(BusError::Unreachable));
    let wanted = scene.asks(async |bus| bus.subscribe("room").await);
    assert_eq!(wanted.join().unwrap(), Err(BusError::Unreachable));
    assert!(!scene.bus.is_up());
}

#[test]
fn the_link_ends_with_its_last_handle() {
    let (Scene { bus, events, .. }, mut broker) = Scene::up();
    let other = bus.clone();
    drop(bus);
    assert!(other.is_up());
    drop(other);
    assert_eq!(hears(&mut broker), "", "the connection is closed");
    // The thread drops the handler as it ends.
    assert!(matches!(events.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected)));
}

#[test]
fn a_slow_handler_makes_the_broker_wait_and_loses_nothing() {
    let scene = Scene::new(0);
    let mut broker = scene.greet();
    assert!(!scene.again());

    // Nobody takes an event: the socket fills, and the broker cannot write any more.
    broker.set_nonblocking(true).unwrap();
    let payload = "x".repeat(16 * 1024);
    let push = message("room", &payload);
    let (mut whole, mut part) = (0, 0);
    while let Ok(len) = broker.write(&push.as_bytes()[part..]) {
        part += len;
        if part == push.len() {
            (whole, part) = (whole + 1, 0);
        }
        assert!(whole < 1000, "the bus takes in what it cannot pass on");
    }
    broker.set_nonblocking(false).unwrap();
    let rest = push[part..].to_owned();
    let writer = thread::spawn(move || says(&mut broker, &rest));
    for _ in 0..=whole {
        match scene.event() {
            Event::Published { payload: heard, .. } => assert_eq!(heard.len(), payload.len()),
            other => panic!("{other:?}"),
        }
    }
    writer.join().unwrap();
    assert!(scene.reason().contains("was closed"));
}
