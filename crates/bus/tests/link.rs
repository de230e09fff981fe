//! The link against a broker played by the test over the in-process stream, so that it can be lost, refuse and
//! come back at any moment.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use naru_bus::{Bus, BusError, Event, Target, Terms};
use naru_ledger::answer::{Appended, How};
use naru_ledger::op::{Ack, Append, Delete, From, History, Resume, Said};
use naru_ledger::{
    Answer, Body, ClientId, Conversation, Device, Epoch, Level, Millis, Mode, Op, Position, Seq, Server,
    Useq, User, Version,
};

/// Nothing here takes long; a test that waits longer is stuck.
const SOON: Duration = Duration::from_secs(10);

const HELLO_NARU: &str = "%2\r\n$6\r\nserver\r\n$4\r\nnaru\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n";
const HELLO_OTHER: &str = "%2\r\n$6\r\nserver\r\n$5\r\nother\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n";
const ENTRY: &str = r#"{"conversation":"dm:alice:bob","seq":4,"prev":3,"count":4,"kind":"message","from":"alice","id":"c1","at":9,"body":"hi"}"#;

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
        // Nothing is asked but what the test asks.
        let terms = Terms { sweeps: false, ..Terms::default() };
        let bus = Bus::start_on(terms, target, server, move |event| drop(happened.send(event))).unwrap();
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
        assert_eq!(hears(&mut broker), "HELLO 3");
        says(&mut broker, HELLO_NARU);
        assert!(hears(&mut broker).starts_with("CLIENT SETINFO LIB-NAME naru-bus"));
        says(&mut broker, "+OK\r\n+OK\r\n");
        assert_eq!(hears(&mut broker), "HELLO 3");
        says(&mut broker, HELLO_NARU);
        let words = hears(&mut broker);
        assert_eq!(words.replace(&run_in(&words), "RUN"), "NARU.SERVER s1 RUN");
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

/// The epoch of a run, which is anew each time.
fn run_in(words: &str) -> String {
    words.split(' ').nth(2).unwrap().to_owned()
}

/// What the broker hears about routes, without the run.
fn hears_of(broker: &mut UnixStream) -> String {
    let words = hears(broker);
    words.replacen(&format!("{} ", run_in(&words)), "", 1)
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

fn ack(useq: u64) -> Ack {
    Ack { user: bob(), device: Device::default(), useq: Useq(useq), within: None }
}

fn direct() -> Conversation {
    Conversation::parse("dm:alice:bob").unwrap()
}

fn hi() -> Append {
    Append {
        conversation: direct(),
        sender: User::parse("alice").unwrap(),
        client_id: ClientId::parse("c1").unwrap(),
        said: Said::Message {
            body: Body::from(br#"{"text":"hi"}"#.as_slice()),
            mentions: BTreeSet::default(),
        },
        level: Level::Fsync,
    }
}

#[test]
fn what_is_no_broker_is_named_and_refused_and_asked_again() {
    let scene = Scene::new(64);
    let mut other = scene.connections.recv_timeout(SOON).unwrap();
    assert_eq!(hears(&mut other), "HELLO 3");
    says(&mut other, HELLO_OTHER);
    assert!(hears(&mut other).starts_with("CLIENT SETINFO"));
    says(&mut other, "+OK\r\n+OK\r\n");
    assert_eq!(hears(&mut other), "HELLO 3");
    says(&mut other, HELLO_OTHER);
    assert_eq!(
        scene.reason(),
        "the server in this process is other 7.0.15: neither Naru's broker nor Redis nor Valkey; trying again"
    );
    assert!(!scene.bus.is_up());
    // It may have been wanted while it was not there, so the first time counts as again.
    let _broker = scene.greet();
    assert!(scene.again());
    assert!(scene.bus.is_up());
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
    let took: Vec<_> = (0..3).map(|_| calls_without_a_broker()).collect();
    // None waits as long as a call may, 4 s; a busy machine may hold up one of the three.
    assert!(took.iter().any(|took| *took < Duration::from_secs(1)), "{took:?}");
}

/// How long they take.
fn calls_without_a_broker() -> Duration {
    // It takes the connection and says nothing.
    let scene = Scene::new(64);
    let _silent = scene.connections.recv_timeout(SOON).unwrap();
    let asked = Instant::now();
    let outcomes = scene.asks(async |bus| {
        [
            bus.publish("room", Bytes::from_static(b"hi")).await.map(drop),
            bus.subscribe("room").await,
            bus.route(&bob()).await,
            bus.ack(ack(1)).await.map(drop),
        ]
    });
    for outcome in outcomes.join().unwrap() {
        assert_eq!(outcome, Err(BusError::Unreachable));
    }
    let removed = scene.asks(async |bus| (bus.unsubscribe("room").await, bus.unroute(&bob()).await));
    assert_eq!(removed.join().unwrap(), (Ok(()), Ok(())));
    asked.elapsed()
}

#[test]
fn everything_wanted_is_asked_for_again_before_the_link_is_up() {
    let (scene, mut broker) = Scene::up();
    let wanted = scene
        .asks(async |bus| [bus.route(&bob()).await, bus.subscribe("room").await, bus.subscribe("old").await]);
    assert_eq!(hears_of(&mut broker), "NARU.ROUTE s1 bob");
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
    assert_eq!(hears_of(&mut broker), "NARU.ROUTE s1 bob");
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
    let delivery = format!(
        r#"{{"conversation":"dm:alice:bob","seq":4,"kind":"message","to":[["bob",7,3]],"entry":{ENTRY}}}"#
    );
    let mut pushes = String::new();
    for n in 0..20 {
        pushes += &message("room", &n.to_string());
        pushes += &message("naru:server:s1", &delivery);
    }
    says(&mut broker, &pushes);
    drop(broker);
    for n in 0..20 {
        match scene.event() {
            Event::Published { channel, payload, .. } => {
                assert_eq!((channel.as_str(), payload), ("room", n.to_string().into()));
            }
            other => panic!("{other:?}"),
        }
        match scene.event() {
            Event::Delivered(delivery) => {
                assert_eq!((delivery.to[0].user.as_str(), delivery.to[0].useq), ("bob", Useq(7)));
                assert_eq!(delivery.entry.unwrap().seq, delivery.seq);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(scene.reason().contains("was closed"));
}

#[test]
fn ledger_calls_say_what_was_asked_and_read_what_was_answered() {
    let (scene, mut broker) = Scene::up();

    let sent = scene.asks(async |bus| bus.send(&hi()).await);
    assert_eq!(hears(&mut broker), r#"NARU.SEND dm:alice:bob alice c1 {"text":"hi"}"#);
    says(&mut broker, "*8\r\n:4\r\n:9\r\n:3\r\n:4\r\n:1\r\n:0\r\n$6\r\nfanout\r\n$5\r\nfsync\r\n");
    let first = Appended {
        seq: Seq(4),
        at: Millis(9),
        prev: Seq(3),
        count: 4,
        repeat: true,
        version: Version(0),
        mode: Mode::FanOut,
        level: Level::Fsync,
    };
    assert_eq!(sent.join().unwrap(), Ok(first));

    let sent = scene.asks(async |bus| bus.send(&hi()).await);
    hears(&mut broker);
    says(&mut broker, "*8\r\n:4\r\n:9\r\n:3\r\n:4\r\n:1\r\n:0\r\n$6\r\nfanout\r\n$6\r\nmemory\r\n");
    let unsure = sent.join().unwrap().unwrap_err();
    assert!(unsure.is_temporary() && unsure.to_string().starts_with("LEVEL "), "{unsure}");

    let resumed = scene.asks(async |bus| {
        let from = Some(Position { epoch: Epoch::parse("e1").unwrap(), useq: Useq(6) });
        bus.resume(Resume { user: bob(), device: Device::default(), from, limit: 50 }).await
    });
    assert_eq!(hears(&mut broker), "NARU.RESUME bob default e1 6 50");
    let pointer = "*5\r\n:7\r\n$12\r\ndm:alice:bob\r\n:3\r\n:4\r\n$7\r\nmessage\r\n";
    let reply = "*8\r\n$2\r\ne1\r\n:5\r\n:8\r\n:6\r\n$4\r\nring\r\n:1\r\n";
    says(&mut broker, &format!("{reply}*1\r\n{pointer}*0\r\n"));
    let resumed = resumed.join().unwrap().unwrap();
    assert_eq!((resumed.cursor, resumed.head, resumed.start), (Useq(5), Useq(8), Useq(6)));
    assert_eq!((resumed.how, resumed.more, resumed.pointers[0].seq), (How::Ring, true, Seq(4)));

    let acknowledged = scene.asks(async |bus| bus.ack(ack(7)).await);
    assert_eq!(hears(&mut broker), "NARU.ACK bob default 7");
    says(&mut broker, ":7\r\n");
    assert_eq!(acknowledged.join().unwrap(), Ok(Useq(7)));

    let read = scene.asks(async |bus| bus.read(&bob(), &direct(), Seq(5)).await);
    assert_eq!(hears(&mut broker), "NARU.HISTORY dm:alice:bob bob BEFORE 6 1 1");
    says(&mut broker, &format!("*4\r\n:0\r\n:4\r\n:0\r\n*1\r\n{}", bulk(ENTRY)));
    assert_eq!(hears(&mut broker), "NARU.READ bob dm:alice:bob 4 4", "what there is, and its count");
    says(&mut broker, "*5\r\n:9\r\n:4\r\n:4\r\n:0\r\n$5\r\ninbox\r\n");
    assert_eq!(hears(&mut broker), "NARU.MARK dm:alice:bob bob 4");
    says(&mut broker, "-NOPERM not this\r\n");
    assert_eq!(read.join().unwrap().unwrap().useq, Useq(9));

    let history = |reader| {
        scene.asks(async move |bus| {
            let (conversation, from) = (direct(), From::Newest);
            bus.history(History { conversation, reader, from, limit: 20, bytes: None }).await
        })
    };
    let forbidden = history(User::parse("eve").ok());
    assert_eq!(hears(&mut broker), "NARU.HISTORY dm:alice:bob eve BEFORE 0 20");
    says(&mut broker, "-FORBIDDEN eve takes no part in it\r\n");
    let reason =
        BusError::Refused { code: "FORBIDDEN".to_owned(), message: "eve takes no part in it".to_owned() };
    assert_eq!(forbidden.join().unwrap(), Err(reason));

    let full = scene.asks(async |bus| bus.ack(ack(7)).await);
    hears(&mut broker);
    says(&mut broker, "-DISKFULL there is no room\r\n");
    assert!(matches!(full.join().unwrap(), Err(BusError::Uncertain { code, .. }) if code == "DISKFULL"));

    let odd = scene.asks(async |bus| bus.ack(ack(7)).await);
    hears(&mut broker);
    says(&mut broker, "$3\r\nyes\r\n");
    assert!(matches!(odd.join().unwrap(), Err(BusError::Protocol(_))));
}

#[test]
fn a_deletion_is_brought_to_everybody_in_steps() {
    let (scene, mut broker) = Scene::up();
    let deleted = scene.asks(async |bus| {
        let (conversation, sender) = (direct(), User::parse("alice").unwrap());
        let (client_id, target) = (ClientId::parse("c2").unwrap(), Seq(4));
        bus.delete(&Delete { conversation, sender, client_id, target, level: Level::Fsync }).await
    });
    assert_eq!(hears(&mut broker), "NARU.DELETE dm:alice:bob alice c2 4");
    says(&mut broker, "*8\r\n:5\r\n:9\r\n:4\r\n:4\r\n:0\r\n:0\r\n$6\r\nfanout\r\n$5\r\nfsync\r\n");
    assert_eq!(hears(&mut broker), "NARU.DELIVER dm:alice:bob 5 4 alice USERS 2 alice bob KIND delete");
    says(&mut broker, "*0\r\n");
    assert_eq!(hears(&mut broker), "NARU.DONE dm:alice:bob 5");
    says(&mut broker, ":5\r\n");
    assert_eq!(deleted.join().unwrap().unwrap().seq, Seq(5));
}

#[test]
fn what_is_written_is_asked_in_the_order_in_which_it_began_in_steps_or_in_one() {
    const TIMES: usize = 50;
    let (scene, mut broker) = Scene::up();
    let asked = scene.asks(async |bus| {
        let (conversation, sender) = (direct(), User::parse("alice").unwrap());
        let (client_id, target) = (ClientId::parse("c2").unwrap(), Seq(4));
        let delete = Delete { conversation, sender, client_id, target, level: Level::Fsync };
        for _ in 0..TIMES {
            let hi = hi();
            let (deleted, sent) = tokio::join!(biased; bus.delete(&delete), bus.send(&hi));
            assert!(deleted.is_err() && sent.is_err());
        }
    });
    for _ in 0..TIMES {
        let mut heard = hears(&mut broker);
        while !(heard.contains("NARU.DELETE") && heard.contains("NARU.SEND")) {
            heard += &hears(&mut broker);
        }
        assert!(heard.starts_with("NARU.DELETE"), "{heard}");
        says(&mut broker, "-INVALID no\r\n-INVALID no\r\n");
    }
    asked.join().unwrap();
}

#[test]
fn what_was_under_way_when_the_link_was_lost_is_asked_again_on_the_next() {
    let (scene, mut broker) = Scene::up();
    let asked = scene.asks(async |bus| bus.ask(&Op::Done { conversation: direct(), seq: Seq(4) }).await);
    let published = scene.asks(async |bus| bus.publish("room", Bytes::from_static(b"hi")).await);
    let mut heard = hears(&mut broker);
    while !(heard.contains("NARU.DONE") && heard.contains("PUBLISH")) {
        heard += &hears(&mut broker);
    }
    drop(broker);
    assert_eq!(published.join().unwrap(), Err(BusError::Unreachable), "it may have been heard");
    scene.reason();
    let mut broker = scene.greet();
    assert_eq!(hears(&mut broker), "NARU.DONE dm:alice:bob 4");
    says(&mut broker, ":4\r\n");
    assert_eq!(asked.join().unwrap(), Ok(Answer::Done(Seq(4))));

    let asked = scene.asks(async |bus| bus.ask(&Op::Done { conversation: direct(), seq: Seq(4) }).await);
    hears(&mut broker);
    let begun = Instant::now();
    drop(broker);
    assert_eq!(asked.join().unwrap(), Err(BusError::Unreachable), "there is no next one in time");
    assert!(begun.elapsed() < SOON);
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
