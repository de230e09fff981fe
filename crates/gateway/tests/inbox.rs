//! Messages between people: kept, in order, once, whatever happens to connections, servers and brokers.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::time::{Duration, Instant};

use naru_gateway::limits::Settings;
use serde_json::{Value, json};
use support::{Client, Harbour, Strait, eventually, gateway, token};

/// Where an SDK that comes back says it stands.
fn standing(connect: &Value, user: &str, offset: u64) -> Value {
    let channel = format!("inbox:{user}");
    let epoch = &connect["subs"][&channel]["epoch"];
    json!({"subs": {channel: {"recover": true, "offset": offset, "epoch": epoch}}})
}

#[test]
fn what_is_sent_to_someone_away_waits_and_arrives_once_in_order_on_any_server() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    let (mut bob, connected) = Client::connect_with(two.address(), "bob", json!({}));
    assert_eq!(connected["data"], json!({"server": "two"}));
    assert_eq!((&connected["ping"], &connected["pong"]), (&json!(25), &json!(true)));
    assert!(connected["version"].as_str().unwrap().starts_with("Naru "));
    assert_eq!(connected["client"].as_str().unwrap().len(), 36);
    let inbox = &connected["subs"]["inbox:bob"];
    assert_eq!((&inbox["recoverable"], &inbox["positioned"]), (&json!(true), &json!(true)));
    assert!(inbox["offset"].is_null() && inbox["was_recovering"].is_null(), "{inbox}");

    let sent = alice.send("bob", "m1", "hello");
    let at = sent["at"].as_u64().unwrap();
    assert_eq!(
        sent,
        json!({"conversation": "dm:alice:bob", "seq": 1, "at": at, "prev": 0, "count": 1, "duplicate": false,
            "level": "fsync"})
    );
    let (channel, publication) = bob.publication();
    assert_eq!(channel, "inbox:bob");
    assert_eq!(
        publication,
        json!({"offset": 1, "data": {
            "kind": "message", "conversation": "dm:alice:bob", "seq": 1, "prev": 0, "count": 1,
            "from": "alice", "to": "bob", "id": "m1", "at": at, "body": {"text": "hello"},
        }})
    );
    // The sender's own inbox has it too, for their other devices.
    assert_eq!(alice.inbox(), (1, "hello".into()));
    assert_eq!(bob.rpc("ack", json!({"offset": 1})), json!({"offset": 1}));

    bob.leave();
    for (id, text) in [("m2", "are you there?"), ("m3", "it will wait")] {
        alice.send("bob", id, text);
    }
    let (mut bob, connected) = Client::connect_with(one.address(), "bob", json!({}));
    assert_eq!(connected["subs"]["inbox:bob"]["offset"], 1);
    assert_eq!(bob.inbox(), (2, "are you there?".into()));
    assert_eq!(bob.inbox(), (3, "it will wait".into()));
    alice.send("bob", "m4", "live again");
    assert_eq!(bob.inbox(), (4, "live again".into()));
    bob.assert_quiet();
    one.stop();
    two.stop();
}

#[test]
fn a_repeated_send_stores_nothing_and_answers_the_first_result() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(two.address(), "bob");
    let mut first = alice.send("bob", "m1", "once");
    let mut elsewhere = Client::connect(two.address(), "alice");
    let again = elsewhere.send("bob", "m1", "once");
    assert_eq!(again["duplicate"], true);
    first["duplicate"] = true.into();
    assert_eq!(again, first);
    assert_eq!(bob.inbox(), (1, "once".into()));
    bob.assert_quiet();
    one.stop();
    two.stop();
}

#[test]
fn each_device_has_its_own_cursor_and_a_position_says_where_to_go_on() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let (mut phone, connected) =
        Client::connect_with(one.address(), "bob", json!({"data": {"device": "phone"}}));
    for n in 1..=5 {
        alice.send("bob", &format!("m{n}"), &n.to_string());
        assert_eq!(phone.inbox().0, n);
    }
    phone.rpc("ack", json!({"offset": 3}));
    phone.leave();

    // Without a position: from the device's cursor.
    let (mut phone, again) = Client::connect_with(one.address(), "bob", json!({"data": {"device": "phone"}}));
    assert_eq!(again["subs"]["inbox:bob"]["offset"], 3);
    assert_eq!((phone.inbox().0, phone.inbox().0), (4, 5));
    phone.assert_quiet();

    // With one: from there, and said so.
    let mut request = standing(&connected, "bob", 4);
    request["data"] = json!({"device": "phone"});
    let (mut phone, again) = Client::connect_with(one.address(), "bob", request);
    let inbox = &again["subs"]["inbox:bob"];
    assert_eq!((&inbox["offset"], &inbox["recovered"]), (&json!(4), &json!(true)));
    assert_eq!(inbox["was_recovering"], true);
    assert_eq!(phone.inbox().0, 5);
    phone.assert_quiet();

    // Another device begins at the oldest change that the user's devices have not all acknowledged.
    let mut tablet = Client::connect_with(one.address(), "bob", json!({"data": {"device": "tablet"}})).0;
    assert_eq!((tablet.inbox().0, tablet.inbox().0), (4, 5));
    tablet.assert_quiet();

    // A position of another life of the ledger means nothing.
    let stale = json!({"subs": {"inbox:bob": {"recover": true, "offset": 5, "epoch": "other"}}, "data": {"device": "phone"}});
    let (mut phone, again) = Client::connect_with(one.address(), "bob", stale);
    let inbox = &again["subs"]["inbox:bob"];
    assert_eq!((&inbox["was_recovering"], &inbox["recovered"]), (&json!(true), &Value::Null));
    assert_eq!((phone.inbox().0, phone.inbox().0), (4, 5));
    one.stop();
}

#[test]
fn a_long_absence_is_replayed_page_by_page_while_new_messages_come_in() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    let send = |client: &mut Client, n: u64| {
        client.command(
            "rpc",
            json!({"method": "send", "data": {"to": "@bob", "id": n.to_string(), "body": {"text": n.to_string()}}}),
        );
    };
    const AWAY: u64 = 700;
    const MORE: u64 = 300;
    (1..=AWAY).for_each(|n| send(&mut alice, n));
    let mut replies = 0;
    while replies < AWAY {
        replies += u64::from(alice.next().get("id").is_some());
    }
    let mut bob = Client::connect(two.address(), "bob");
    (AWAY + 1..=AWAY + MORE).for_each(|n| send(&mut alice, n));
    for n in 1..=AWAY + MORE {
        assert_eq!(bob.inbox().1, n.to_string());
    }
    let listed = bob.rpc("conversations", json!({}));
    let head = listed["conversations"][0]["offset"].as_u64().unwrap();
    while bob.position() < head {
        assert_eq!(bob.mark()["kind"], "read");
    }
    bob.assert_quiet();
    one.stop();
    two.stop();
}

#[test]
fn a_reader_that_stalls_gets_everything_when_it_reads_again() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let write_timeout = Duration::from_secs(120);
        options.limits = Settings { write_timeout, ..Settings::default() }.try_into().unwrap();
    });
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(one.address(), "bob");
    // More than the kernel and the outbox hold, and more than the ring has, while bob reads nothing.
    const MESSAGES: u64 = 150;
    let text = "x".repeat(60_000);
    for n in 1..=MESSAGES {
        alice.send("bob", &n.to_string(), &text);
        assert_eq!(alice.inbox().0, n);
    }
    for n in 1..=MESSAGES {
        let (_, entry) = bob.entry();
        assert_eq!((&entry["seq"], &entry["body"]["text"]), (&json!(n), &json!(text)));
    }
    while bob.position() < MESSAGES {
        assert_eq!(bob.mark()["kind"], "read");
    }
    bob.assert_quiet();
    one.stop();
}

#[test]
fn sends_are_answered_in_order_however_many_are_under_way() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let mut lines = String::new();
    for n in 1..=300 {
        let id = alice.next_id();
        let data = json!({"to": "@bob", "id": n.to_string(), "body": n});
        lines += &json!({"id": id, "rpc": {"method": "send", "data": data}}).to_string();
        lines.push('\n');
    }
    alice.raw(lines);
    let mut seq = 0;
    while seq < 300 {
        let message = alice.next();
        if message.get("id").is_some() {
            seq += 1;
            assert_eq!(message["rpc"]["data"]["seq"], seq, "{message}");
        }
    }
    one.stop();
}

#[test]
fn history_is_read_back_from_the_newest_by_participants_only() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    for n in 1..=5 {
        alice.send("bob", &format!("m{n}"), &n.to_string());
    }
    let seqs = |page: &Value| -> Vec<u64> {
        page["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    };
    let page = alice.rpc("history", json!({"conversation": "dm:alice:bob", "limit": 2}));
    let mut newest = seqs(&page);
    newest.sort_unstable();
    assert_eq!((newest, &page["more"]), (vec![4, 5], &json!(true)));
    assert_eq!(page["entries"][0]["kind"], "message");
    let page = alice.rpc("history", json!({"conversation": "dm:alice:bob", "before": 4}));
    let mut older = seqs(&page);
    older.sort_unstable();
    assert_eq!((older, &page["more"]), (vec![1, 2, 3], &json!(false)));
    let mut eve = Client::connect(one.address(), "eve");
    let refused = eve.refused("rpc", json!({"method": "history", "data": {"conversation": "dm:alice:bob"}}));
    assert_eq!(refused, (103, "permission denied".into()));
    let refused = eve.refused("rpc", json!({"method": "history", "data": {"conversation": "nonsense"}}));
    assert_eq!(refused.0, 107);
    one.stop();
}

#[test]
fn a_request_that_is_wrong_is_told_what_is_wrong() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    for (method, data, says) in [
        ("send", json!({"to": "bob", "id": "1", "body": 1}), "behind an @"),
        ("send", json!({"to": "@", "id": "1", "body": 1}), "user name"),
        ("send", json!({"to": "@b\nob", "id": "1", "body": 1}), "control characters"),
        ("send", json!({"to": "@bob", "id": "", "body": 1}), "client message id"),
        ("send", json!({"to": "@bob", "id": "x".repeat(129), "body": 1}), "1 to 128 bytes"),
        ("send", json!({"to": "@bob", "id": "1"}), "missing field `body`"),
        ("send", json!({"to": "@bob", "id": 1, "body": 1}), "has the form"),
        ("send", Value::Null, "has the form"),
        ("ack", json!({"offset": -1}), "has the form"),
        ("ack", json!({"offset": u64::MAX}), "that high"),
        ("publish", json!({"channel": "public:a"}), "missing field `data`"),
    ] {
        let (code, message) = alice.refused("rpc", json!({"method": method, "data": data}));
        assert_eq!(code, 107);
        assert!(message.starts_with("bad request: ") && message.contains(says), "{message}");
    }
    assert_eq!(alice.refused("rpc", json!({"method": "dance"})).0, 108);
    assert_eq!(alice.rpc("ack", json!({"offset": 1_000_000})), json!({"offset": 0}));
    one.stop();
}

#[test]
fn a_broker_that_is_away_costs_nothing_but_time() {
    let mut harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(two.address(), "bob");
    bob.subscribe("public:news");
    alice.send("bob", "m1", "before");
    assert_eq!(bob.inbox(), (1, "before".into()));
    assert_eq!(alice.inbox(), (1, "before".into()));

    harbour.stop();
    let unreachable = (100, "broker unreachable, try again".to_owned());
    let send = json!({"method": "send", "data": {"to": "@bob", "id": "m2", "body": {"text": "after"}}});
    assert_eq!(alice.refused("rpc", send.clone()), unreachable);
    assert_eq!(alice.refused("publish", json!({"channel": "public:a", "data": 1})), unreachable);
    assert_eq!(alice.refused("subscribe", json!({"channel": "public:a"})), unreachable);
    let mut late = Client::open(one.address());
    let reply = late.ask("connect", json!({"token": support::token("late")}));
    assert_eq!(reply["error"], json!({"code": 100, "message": unreachable.1, "temporary": true}));

    harbour.start();
    // A store that may have lost something goes on with much higher numbers.
    eventually("alice can send again", || !alice.ask("rpc", send.clone())["rpc"]["data"]["seq"].is_null());
    assert_eq!(bob.inbox().1, "after");
    eventually("bob hears the channel again", || harbour.listeners("public:news") == 1);
    alice.ask("publish", json!({"channel": "public:news", "data": "again"}));
    assert_eq!(bob.publication().1["data"], "again");
    one.stop();
    two.stop();
}

#[test]
fn what_was_not_heard_while_the_broker_was_out_of_reach_is_read_afterwards() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let (one, two) = (harbour.gateway("one"), gateway("two", &strait.address));
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(two.address(), "bob");
    alice.send("bob", "m1", "1");
    assert_eq!(bob.inbox(), (1, "1".into()));

    strait.cut();
    // More than the ring has; and what bob has had does not come again, though he has not acknowledged it.
    for n in 2..=200 {
        alice.send("bob", &format!("m{n}"), &n.to_string());
    }
    strait.open();
    for n in 2..=200 {
        assert_eq!(bob.inbox().1, n.to_string());
    }
    while bob.position() < 200 {
        assert_eq!(bob.mark()["kind"], "read");
    }
    alice.send("bob", "m201", "201");
    assert_eq!(bob.inbox().1, "201");
    // It may have been read with what he was behind.
    while bob.position() < 201 {
        assert_eq!(bob.mark()["kind"], "read");
    }
    bob.assert_quiet();
    one.stop();
    two.stop();
}

#[test]
fn a_connect_that_the_broker_is_slow_to_answer_is_refused_before_its_client_gives_up() {
    // It is waited for 4 s, and its client gives up after 5 s: a machine that was busy in between says nothing.
    assert!(
        (0..10).any(|_| is_refused_before_its_client_gives_up()),
        "in none of ten attempts all were told in time"
    );
}

/// Whether it was in time.
fn is_refused_before_its_client_gives_up() -> bool {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let one = gateway("one", &strait.address);
    strait.becalm(true);
    let begun = Instant::now();
    let mut clients: Vec<Client> = (0..40).map(|_| Client::open(one.address())).collect();
    for (nth, client) in clients.iter_mut().enumerate() {
        client.command("connect", json!({"token": token(&format!("user{nth}"))}));
    }
    // Half of them have no patience.
    let mut patient = clients.split_off(20);
    clients.into_iter().for_each(Client::cut);
    let mut codes = Vec::new();
    for client in &mut patient {
        let error = client.next()["error"].clone();
        assert_eq!(error["temporary"], true, "{error}");
        codes.push(error["code"].as_u64().unwrap());
    }
    // Who has left and is not yet seen to have may be given a turn; whoever waited for that is told another code.
    let is_in_time = begun.elapsed() < Duration::from_secs(5) && codes.iter().all(|code| *code == 100);
    strait.becalm(false);
    if !is_in_time {
        one.stop();
        return false;
    }
    eventually("clients get in", || {
        let mut client = Client::open(one.address());
        client.ask("connect", json!({"token": token("user1")}))["error"].is_null()
    });
    // Who has stayed is sent away, to come again.
    assert_eq!(patient[0].closed(), Some((3000, "connection closed".to_owned())));
    one.stop();
    true
}

#[test]
fn what_takes_several_steps_is_done_although_the_client_has_gone() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(one.address(), "bob");
    for n in 1..=5_u64 {
        alice.send("bob", &n.to_string(), "hello");
        bob.inbox();
        let mut other = Client::connect(one.address(), "bob");
        other.command("rpc", json!({"method": "read", "data": {"conversation": "dm:alice:bob", "seq": n}}));
        other.raw(tungstenite::Message::Close(None));
        eventually("it is read", || {
            let listed = bob.rpc_among_pushes("conversations", json!({}));
            listed["conversations"][0]["unread"] == 0
        });
    }
}
