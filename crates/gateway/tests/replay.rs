//! Coming back: after a short absence by the changes in their order, after a long one conversation by conversation.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use naru_gateway::limits::Settings;
use serde_json::{Value, json};
use support::{Client, Harbour, eventually};

/// More than a ring has.
const FAR: u64 = 300;

fn device(name: &str) -> Value {
    json!({"data": {"device": name}})
}

/// Has somebody send numbered messages to somebody, all on their way at once.
fn send_many(address: SocketAddr, from: &str, to: &str, numbers: std::ops::RangeInclusive<u64>) {
    let mut client = Client::connect(address, from);
    let mut lines = String::new();
    let mut left = 0;
    for n in numbers {
        let data = json!({"to": to, "id": n.to_string(), "body": {"text": format!("{from} {n}")}});
        lines += &json!({"id": client.next_id(), "rpc": {"method": "send", "data": data}}).to_string();
        lines.push('\n');
        left += 1;
    }
    client.raw(lines);
    while left > 0 {
        left -= u64::from(client.next().get("id").is_some());
    }
    client.leave();
}

/// What has come, by conversation: each entry once, in the order in which it came first.
#[derive(Default)]
struct Had(BTreeMap<String, Vec<u64>>);

impl Had {
    /// Takes an entry; answers whether it is new.
    fn take(&mut self, data: &Value) -> bool {
        let seqs = self.0.entry(data["conversation"].as_str().unwrap().to_owned()).or_default();
        let seq = data["seq"].as_u64().unwrap();
        let is_new = seqs.last().is_none_or(|last| seq > *last);
        assert!(is_new || seqs.contains(&seq), "{seq} has been passed over: {seqs:?}");
        if is_new {
            seqs.push(seq);
        }
        is_new
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// Where a user's inbox stands.
fn head(client: &mut Client) -> u64 {
    client.rpc("conversations", json!({"limit": 1}))["conversations"][0]["offset"].as_u64().unwrap()
}

#[test]
fn a_short_absence_is_made_good_in_the_order_of_the_changes() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let (mut alice, mut carol) =
        (Client::connect(one.address(), "alice"), Client::connect(one.address(), "carol"));
    let (mut phone, _) = Client::connect_with(one.address(), "bob", device("phone"));
    let (mut laptop, _) = Client::connect_with(one.address(), "bob", device("laptop"));
    alice.send("bob", "1", "first");
    assert_eq!((phone.inbox(), laptop.inbox()), ((1, "first".into()), (1, "first".into())));
    phone.leave();

    alice.send("bob", "2", "second");
    carol.send("bob", "1", "from carol");
    alice.send("bob", "3", "third");
    laptop.inbox();
    laptop.inbox();
    laptop.inbox();
    let read = laptop.rpc("read", json!({"conversation": "dm:alice:bob", "seq": 2}));
    assert_eq!((&read["count"], &read["read"], &read["unread"]), (&json!(3), &json!(2), &json!(1)));
    laptop.rpc("read", json!({"conversation": "dm:alice:bob", "seq": 3}));

    let (mut phone, connected) = Client::connect_with(two.address(), "bob", device("phone"));
    assert!(connected["subs"]["inbox:bob"]["offset"].is_null(), "nothing was acknowledged");
    for (offset, text) in [(1, "first"), (2, "second"), (3, "from carol"), (4, "third")] {
        assert_eq!(phone.inbox(), (offset, text.into()));
    }
    // Of two changes of what is read the last says it all.
    let (_, publication) = phone.publication();
    let counts = json!({"kind": "read", "conversation": "dm:alice:bob", "seq": 3, "count": 3, "read": 3, "unread": 0, "mentions": 0});
    assert_eq!(publication, json!({"offset": 6, "data": counts}));
    phone.assert_quiet();
    one.stop();
    two.stop();
}

#[test]
fn what_another_connection_of_the_device_has_acknowledged_is_a_hole_and_said_to_be_one() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let (mut away, connected) = Client::connect_with(one.address(), "bob", json!({}));
    alice.send("bob", "1", "first");
    away.inbox();
    away.cut();
    let (mut other, _) = Client::connect_with(one.address(), "bob", json!({}));
    for n in 2..=4 {
        alice.send("bob", &n.to_string(), "more");
        other.pushed(|push| push["pub"]["offset"] == n);
    }
    other.rpc("ack", json!({"offset": 3}));

    let epoch = &connected["subs"]["inbox:bob"]["epoch"];
    for (from, start, recovered) in [(1, 3, Value::Null), (3, 3, true.into()), (4, 4, true.into())] {
        let standing = json!({"recover": true, "offset": from, "epoch": epoch});
        let (mut back, connected) =
            Client::connect_with(one.address(), "bob", json!({"subs": {"inbox:bob": standing}}));
        let inbox = &connected["subs"]["inbox:bob"];
        assert_eq!((&inbox["offset"], &inbox["recovered"]), (&json!(start), &recovered), "from {from}");
        for offset in start + 1..=4 {
            assert_eq!(back.inbox().0, offset);
        }
        back.assert_quiet();
    }
    one.stop();
}

#[test]
fn a_connection_whose_device_has_acknowledged_more_on_another_is_sent_to_be_told() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let write_timeout = Duration::from_secs(120);
        options.limits = Settings { write_timeout, ..Settings::default() }.try_into().unwrap();
    });
    let mut alice = Client::connect(one.address(), "alice");
    let (mut slow, _) = Client::connect_with(one.address(), "bob", json!({}));
    let (mut other, _) = Client::connect_with(one.address(), "bob", json!({}));
    // More than waits for a client that does not read, in the outbox and in the sockets.
    let body = "x".repeat(60_000);
    let mut last = 0;
    for n in 1..=120 {
        alice.send("bob", &n.to_string(), &body);
        last = n;
        other.pushed(|push| push["pub"]["offset"] == n);
    }
    other.rpc("ack", json!({"offset": last}));
    assert_eq!(slow.closed(), Some((3010, "insufficient state".to_owned())));

    // Who acknowledges by itself what it was not pushed yet has no hole.
    alice.send("bob", "ahead", "ahead");
    other.rpc("ack", json!({"offset": last + 1}));
    other.pushed(|push| push["pub"]["offset"] == last + 1);
    other.assert_quiet();
    one.stop();
}

#[test]
fn a_long_absence_is_made_good_conversation_by_conversation() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    for from in ["alice", "carol", "dave"] {
        send_many(one.address(), from, "@bob", 1..=FAR);
    }
    let mut bob = Client::connect(two.address(), "bob");
    let mut had = Had::default();
    while had.count() < 3 * FAR as usize {
        let (offset, data) = bob.entry();
        assert_eq!(offset, 0, "until all is there its position is the one it came with");
        assert!(had.take(&data), "nothing comes twice: {data}");
    }
    assert!(had.0.values().all(|seqs| seqs.iter().copied().eq(1..=FAR)));
    let last = bob.mark();
    assert_eq!((&last["kind"], &last["unread"]), (&json!("read"), &json!(FAR)));
    let head = head(&mut bob);
    assert_eq!(bob.position(), head);
    // From here on as if it had never been away.
    send_many(one.address(), "alice", "@bob", FAR + 1..=FAR + 1);
    assert_eq!(bob.inbox(), (head + 1, format!("alice {}", FAR + 1)));
    bob.assert_quiet();
    one.stop();
    two.stop();
}

#[test]
fn what_comes_in_during_a_long_replay_is_part_of_it() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    for from in ["alice", "carol"] {
        send_many(one.address(), from, "@bob", 1..=FAR);
    }
    let mut bob = Client::connect(two.address(), "bob");
    let mut had = Had::default();
    let address = one.address();
    let more = std::thread::spawn(move || {
        for from in ["carol", "alice", "dave"] {
            send_many(address, from, "@bob", FAR + 1..=2 * FAR);
        }
    });
    while had.count() < 5 * FAR as usize {
        let before = bob.position();
        let (_, publication) = bob.publication();
        assert!(bob.position() >= before, "a position never goes back");
        if publication["data"]["kind"] == "message" {
            had.take(&publication["data"]);
        }
    }
    let head = head(&mut bob);
    while bob.position() < head {
        assert_eq!(bob.mark()["kind"], "read");
    }
    bob.assert_quiet();
    assert!(had.0.values().all(|seqs| seqs.iter().copied().eq(1..=seqs.len() as u64)));
    more.join().unwrap();
    one.stop();
    two.stop();
}

#[test]
fn a_long_replay_that_is_cut_goes_on_elsewhere_where_the_client_says_it_is() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    for from in ["alice", "carol"] {
        send_many(one.address(), from, "@bob", 1..=FAR);
    }
    let mut bob = Client::connect(one.address(), "bob");
    let mut had = Had::default();
    for _ in 0..FAR + 100 {
        assert!(had.take(&bob.entry().1));
    }
    // Where it stands in the second conversation, and that it has all of the first.
    let (first, second) = ("dm:alice:bob", "dm:bob:carol");
    for (conversation, seq) in [(first, FAR), (second, 100)] {
        let within = json!({"conversation": conversation, "seq": seq});
        assert_eq!(bob.rpc("ack", json!({"offset": 0, "within": within})), json!({"offset": 0}));
    }
    bob.cut();

    let (mut bob, connected) = Client::connect_with(two.address(), "bob", json!({}));
    assert!(connected["subs"]["inbox:bob"]["offset"].is_null());
    for n in 101..=FAR {
        let (offset, data) = bob.entry();
        assert_eq!((offset, &data["conversation"], &data["seq"]), (0, &json!(second), &json!(n)));
    }
    assert_eq!(bob.mark()["kind"], "read");
    let head = head(&mut bob);
    assert_eq!(bob.position(), head);
    assert_eq!(bob.rpc("ack", json!({"offset": head})), json!({"offset": head}));
    bob.leave();

    let (mut bob, connected) = Client::connect_with(one.address(), "bob", json!({}));
    assert_eq!(connected["subs"]["inbox:bob"]["offset"], head);
    bob.assert_quiet();
    one.stop();
    two.stop();
}

#[test]
fn another_device_hears_what_was_read_at_once() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    let (mut phone, _) = Client::connect_with(one.address(), "bob", device("phone"));
    let (mut laptop, _) = Client::connect_with(two.address(), "bob", device("laptop"));
    for n in 1..=3 {
        alice.send("bob", &n.to_string(), "hi");
        phone.inbox();
        laptop.inbox();
    }
    phone.rpc("read", json!({"conversation": "dm:alice:bob", "seq": 2}));
    let read = json!({"kind": "read", "conversation": "dm:alice:bob", "seq": 2, "count": 3, "read": 2, "unread": 1, "mentions": 0});
    assert_eq!(laptop.mark(), read);
    assert_eq!(phone.mark(), read, "the one that has read as well: its own numbers have no hole");
    // Read back: nothing changes.
    assert_eq!(phone.rpc("read", json!({"conversation": "dm:alice:bob", "seq": 1}))["read"], 2);
    alice.send("bob", "4", "next");
    assert_eq!((phone.inbox(), laptop.inbox()), ((5, "next".into()), (5, "next".into())));
    let listed = laptop.rpc("conversations", json!({}));
    assert_eq!(
        listed,
        json!({"more": false, "conversations": [{"conversation": "dm:alice:bob", "seq": 4, "count": 4, "read": 2,
            "unread": 2, "mentions": 0, "offset": 5, "follow": "inbox"}]})
    );
    one.stop();
    two.stop();
}

#[test]
fn edits_deletions_and_reactions_come_as_publications_and_change_what_is_read_back() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(one.address(), "bob");
    for text in ["one", "two"] {
        alice.send("bob", text, text);
        bob.inbox();
    }
    let conversation = "dm:alice:bob";
    let edited = alice.rpc(
        "edit",
        json!({"conversation": conversation, "id": "e1", "target": 1, "body": {"text": "one!"}}),
    );
    assert_eq!((&edited["seq"], &edited["prev"], &edited["count"]), (&json!(3), &json!(2), &json!(2)));
    alice.rpc("delete", json!({"conversation": conversation, "id": "d1", "target": 2}));
    bob.rpc("send", json!({"to": conversation, "id": "r1", "kind": "reaction", "target": 1, "body": "+1"}));
    let short = |(offset, data): (u64, Value)| json!([offset, data["kind"], data["target"], data["body"]]);
    assert_eq!(short(bob.entry()), json!([3, "edit", 1, {"text": "one!"}]));
    assert_eq!(short(bob.entry()), json!([4, "delete", 2, null]));
    assert_eq!(short(bob.entry()), json!([5, "reaction", 1, "+1"]));

    let page = bob.rpc("history", json!({"conversation": conversation, "after": 0}));
    let read: Vec<Value> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| json!([entry["kind"], entry["body"], entry["changed"]]))
        .collect();
    assert_eq!(read[..2], [json!(["message", {"text": "one!"}, 3]), json!(["message", null, 4])]);
    assert_eq!((&page["head"], &page["more"], &page["trimmed"]), (&json!(5), &json!(false), &Value::Null));

    let refused = |client: &mut Client, method: &str, data: Value| {
        client.refused("rpc", json!({"method": method, "data": data}))
    };
    let edit = json!({"conversation": conversation, "id": "e2", "target": 1, "body": 1});
    assert_eq!(refused(&mut bob, "edit", edit).0, 103, "it is not his");
    let gone = json!({"conversation": conversation, "id": "e3", "target": 2, "body": 1});
    let (code, message) = refused(&mut alice, "edit", gone);
    assert_eq!(code, 107);
    assert!(message.contains("no such message"), "{message}");
    one.stop();
}

#[test]
fn where_retention_has_passed_a_reader_it_is_said() {
    let harbour = Harbour::open_with(|limits| limits.log_entries_max = 40);
    let one = harbour.gateway("one");
    // Far behind, and not: of 50 messages the ring has all pointers, of 300 it has not.
    for count in [50, FAR] {
        let user = format!("bob{count}");
        send_many(one.address(), "alice", &format!("@{user}"), 1..=count);
        let mut bob = Client::connect(one.address(), &user);
        let mark = bob.entry().1;
        let conversation = format!("dm:alice:{user}");
        let trimmed = mark["seq"].as_u64().unwrap();
        assert_eq!(mark, json!({"kind": "trimmed", "conversation": conversation, "seq": trimmed}));
        assert!(trimmed >= 1 && trimmed <= count - 40, "{trimmed}");
        for n in trimmed + 1..=count {
            assert_eq!(bob.inbox().1, format!("alice {n}"));
        }
        let head = head(&mut bob);
        while bob.position() < head {
            assert_eq!(bob.mark()["kind"], "read");
        }
        bob.assert_quiet();
        let page = bob.rpc("history", json!({"conversation": conversation, "limit": 1}));
        assert_eq!((&page["trimmed"], &page["head"]), (&json!(trimmed), &json!(count)));
    }
    one.stop();
}

#[test]
fn a_store_that_has_lost_everything_is_noticed_and_begun_anew() {
    let mut harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let (mut bob, connected) = Client::connect_with(one.address(), "bob", json!({}));
    for n in 1..=3 {
        alice.send("bob", &n.to_string(), "before");
        bob.inbox();
    }
    harbour.stop();
    harbour.start_empty();
    assert_eq!(bob.closed(), Some((3010, "insufficient state".to_owned())));

    let standing = json!({"recover": true, "offset": 3, "epoch": connected["subs"]["inbox:bob"]["epoch"]});
    let (mut bob, again) =
        Client::connect_with(one.address(), "bob", json!({"subs": {"inbox:bob": standing}}));
    let inbox = &again["subs"]["inbox:bob"];
    assert_ne!(inbox["epoch"], connected["subs"]["inbox:bob"]["epoch"]);
    assert_eq!((&inbox["was_recovering"], &inbox["recovered"]), (&json!(true), &Value::Null));
    let mut alice = Client::connect(one.address(), "alice");
    alice.send("bob", "1", "after");
    assert_eq!(bob.inbox(), (1, "after".into()));
    one.stop();
}

#[test]
fn unread_counts_are_what_the_log_says() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(one.address(), "bob");
    let unread = |bob: &mut Client| {
        let page = bob.rpc("conversations", json!({}));
        page["conversations"][0]["unread"].as_u64().unwrap()
    };
    for n in 1..=5 {
        alice.send("bob", &n.to_string(), "hi");
    }
    eventually("all five are unread", || unread(&mut bob) == 5);
    alice.rpc("delete", json!({"conversation": "dm:alice:bob", "id": "d", "target": 5}));
    alice.rpc("edit", json!({"conversation": "dm:alice:bob", "id": "e", "target": 4, "body": 4}));
    assert_eq!(unread(&mut bob), 5, "what is no message does not count, and what was one does");
    bob.rpc("read", json!({"conversation": "dm:alice:bob", "seq": 3}));
    assert_eq!(unread(&mut bob), 2);
    // Whoever writes has read.
    bob.rpc("send", json!({"to": "@alice", "id": "b", "body": 1}));
    assert_eq!((unread(&mut bob), unread(&mut alice)), (0, 1));
    // Read beyond the end: to the end.
    alice.rpc("read", json!({"conversation": "dm:alice:bob", "seq": 1000}));
    assert_eq!(unread(&mut alice), 0);
    one.stop();
}
