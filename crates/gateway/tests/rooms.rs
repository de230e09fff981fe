//! Rooms: who may join whom, what members get, and what becomes of a room that has many.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use naru_gateway::{Gateway, RoomRules};
use serde_json::{Value, json};
use support::{Client, Harbour, eventually, is_skipped_elsewhere};

fn gateway(harbour: &Harbour, name: &str) -> Gateway {
    harbour.gateway_with(name, |options| {
        let rooms = RoomRules { made: vec!["team-*".into()], open: vec!["open-*".into()] };
        options.rooms = rooms;
    })
}

fn room(name: &str) -> Value {
    json!({"conversation": format!("room:{name}")})
}

fn with(mut data: Value, member: &str, value: &str) -> Value {
    data[member] = value.into();
    data
}

fn refused(client: &mut Client, method: &str, data: Value) -> u64 {
    client.refused("rpc", json!({"method": method, "data": data})).0
}

fn say(client: &mut Client, to: &str, id: &str, mentions: &[&str]) -> Value {
    client.rpc("send", json!({"to": to, "id": id, "body": {"text": id}, "mentions": mentions}))
}

fn short(entry: (u64, Value)) -> Value {
    json!([entry.1["kind"], entry.1["from"]])
}

#[test]
fn a_room_is_made_by_whom_the_rules_let_and_its_owner_lets_others_in() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one");
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(one.address(), "bob");
    let mut carol = Client::connect(one.address(), "carol");

    assert_eq!(refused(&mut alice, "room.join", room("general")), 103, "no rule opens it");
    let made = alice.rpc("room.join", room("team-1"));
    assert_eq!(made, json!({"conversation": "room:team-1", "version": 1, "seq": 1, "mode": "fanout"}));
    assert_eq!(short(alice.entry()), json!(["join", "alice"]));
    assert_eq!(refused(&mut bob, "room.join", room("team-1")), 103, "it is there, and not open");
    for method in ["room.members", "presence", "history", "room.leave"] {
        assert_eq!(refused(&mut bob, method, room("team-1")), 103, "{method}");
        assert_eq!(refused(&mut bob, method, room("nowhere")), 103, "{method} looks the same for none");
    }
    assert_eq!(refused(&mut bob, "send", json!({"to": "room:team-1", "id": "1", "body": 1})), 103);

    alice.rpc("room.join", with(room("team-1"), "user", "bob"));
    assert_eq!(short(bob.entry()), json!(["join", "bob"]), "of what was before him he gets nothing");
    assert_eq!(short(alice.entry()), json!(["join", "bob"]));
    assert_eq!(
        refused(&mut bob, "room.join", with(room("team-1"), "user", "carol")),
        103,
        "he is no moderator"
    );
    let moderator = with(with(room("team-1"), "user", "bob"), "role", "moderator");
    assert_eq!(refused(&mut bob, "room.role", moderator.clone()), 103);
    assert_eq!(alice.rpc("room.role", moderator.clone())["version"], 3);
    assert!(alice.rpc("room.role", moderator)["seq"].is_null(), "it is so already");
    bob.rpc("room.join", with(with(room("team-1"), "user", "carol"), "role", "reader"));
    assert_eq!(refused(&mut carol, "send", json!({"to": "room:team-1", "id": "1", "body": 1})), 103);
    assert_eq!(refused(&mut bob, "room.leave", with(room("team-1"), "user", "alice")), 103);

    let members = carol.rpc("room.members", room("team-1"));
    let listed: Vec<Value> =
        members["members"].as_array().unwrap().iter().map(|one| json!([one["user"], one["role"]])).collect();
    assert_eq!(json!(listed), json!([["alice", "owner"], ["bob", "moderator"], ["carol", "reader"]]));
    assert_eq!(
        (&members["version"], &members["mode"], &members["more"]),
        (&json!(4), &json!("fanout"), &json!(false))
    );
    let page =
        carol.rpc("room.members", json!({"conversation": "room:team-1", "after": "alice", "limit": 1}));
    assert_eq!((&page["members"][0]["user"], &page["more"]), (&json!("bob"), &json!(true)));
    let online = carol.rpc("presence", room("team-1"));
    assert_eq!(online, json!({"online": ["alice", "bob", "carol"]}));
    carol.leave();
    eventually("carol is not online", || {
        alice.rpc("presence", room("team-1"))["online"] == json!(["alice", "bob"])
    });

    bob.rpc("room.leave", with(room("team-1"), "user", "carol"));
    bob.rpc("room.leave", room("team-1"));
    assert_eq!(refused(&mut bob, "history", room("team-1")), 103);
    alice.rpc("room.leave", room("team-1"));
    assert_eq!(
        refused(&mut bob, "room.join", room("team-1")),
        103,
        "what was said there is not for whoever comes next"
    );
    let (code, message) =
        alice.refused("rpc", json!({"method": "room.join", "data": {"conversation": "dm:alice:bob"}}));
    assert_eq!(code, 107);
    assert!(message.contains("only rooms"), "{message}");
    one.stop();
}

#[test]
fn who_may_only_read_does_not_come_to_speak_by_leaving_and_joining_again() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one");
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(one.address(), "bob");
    alice.rpc("room.join", room("open-1"));
    bob.rpc("room.join", room("open-1"));
    let hello = |id: u64| json!({"to": "room:open-1", "id": id.to_string(), "body": id});
    let role = |role: &str| with(with(room("open-1"), "user", "bob"), "role", role);
    alice.rpc("room.role", role("reader"));
    for n in 0..150 {
        alice.rpc_among_pushes("send", hello(n));
    }
    for id in 0..2 {
        bob.rpc("room.leave", room("open-1"));
        bob.rpc("room.join", room("open-1"));
        assert_eq!(refused(&mut bob, "send", hello(id)), 103);
    }
    alice.rpc("room.role", role("member"));
    bob.rpc("send", hello(2));
    bob.rpc("room.leave", room("open-1"));
    bob.rpc("room.join", room("open-1"));
    bob.rpc("send", hello(3));
    one.stop();
}

#[test]
fn of_those_who_make_a_room_at_once_one_owns_it() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one");
    let names = ["alice", "bob", "carol", "dave", "erin", "frank"];
    let mut people = names.map(|name| Client::connect(one.address(), name));
    for (name, others) in [("team-1", None), ("open-1", Some("member"))] {
        let data = json!({"method": "room.join", "data": room(name)});
        let ids: Vec<u64> = people.iter_mut().map(|client| client.command("rpc", data.clone())).collect();
        let mut let_in = Vec::new();
        for (nth, id) in ids.into_iter().enumerate() {
            let answer = people[nth].reply(id);
            match others {
                None if !answer["error"].is_null() => assert_eq!(answer["error"]["code"], 103),
                _ => let_in.push(nth),
            }
        }
        assert_eq!(let_in.len(), if others.is_some() { names.len() } else { 1 }, "{name}");
        let listed = people[let_in[0]].rpc("room.members", room(name));
        let mut roles: Vec<&str> =
            listed["members"].as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap()).collect();
        roles.sort_unstable();
        let mut wanted = vec![others.unwrap_or_default(); let_in.len() - 1];
        wanted.push("owner");
        assert_eq!(roles, wanted, "{name}");
        let page = people[let_in[0]].rpc("history", room(name));
        let entries = page["entries"].as_array().unwrap();
        let owned = entries.iter().filter(|entry| entry["role"] == "owner").count();
        assert_eq!(
            (entries.len(), owned),
            (let_in.len(), 1),
            "nobody else did, not even for a moment: {page}"
        );
    }
    one.stop();
}

#[test]
fn the_last_owner_of_a_room_that_others_are_in_makes_another_one_its_owner_first() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one");
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| Client::connect(one.address(), name));
    alice.rpc("room.join", room("open-1"));
    bob.rpc("room.join", room("open-1"));
    let member = |user: &str, role: &str| with(with(room("open-1"), "user", user), "role", role);
    for (method, data) in [("room.leave", room("open-1")), ("room.role", member("alice", "member"))] {
        let (code, message) = alice.refused("rpc", json!({"method": method, "data": data}));
        assert_eq!(code, 400);
        assert!(message.contains("make another member the room's owner first"), "{message}");
    }
    alice.rpc("room.role", member("bob", "owner"));
    alice.rpc("room.leave", room("open-1"));
    assert_eq!(refused(&mut bob, "room.role", member("bob", "member")), 400);
    bob.rpc("room.leave", room("open-1"));
    one.stop();
}

#[test]
fn whether_somebody_is_there_is_told_to_those_they_have_written_to() {
    let harbour = Harbour::open();
    let one = gateway(&harbour, "one");
    let mut mallory = Client::connect(one.address(), "mallory");
    let mut bob = Client::connect(one.address(), "bob");
    let talk = json!({"conversation": "dm:bob:mallory"});
    assert_eq!(refused(&mut mallory, "presence", talk.clone()), 103);
    mallory.send("bob", "1", "are you there?");
    assert_eq!(refused(&mut mallory, "presence", talk.clone()), 103);
    assert_eq!(bob.rpc("presence", talk.clone()), json!({"online": ["bob", "mallory"]}));
    bob.send("mallory", "1", "yes");
    assert_eq!(mallory.rpc("presence", talk), json!({"online": ["bob", "mallory"]}));
    one.stop();
}

#[test]
fn members_on_all_servers_get_what_is_said_and_who_comes_and_goes() {
    let harbour = Harbour::open();
    let (one, two) = (gateway(&harbour, "one"), gateway(&harbour, "two"));
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(two.address(), "bob");
    alice.rpc("room.join", room("open-1"));
    assert_eq!(bob.rpc("room.join", room("open-1"))["version"], 2);
    assert_eq!(short(bob.entry()), json!(["join", "bob"]));
    for _ in 0..2 {
        alice.entry();
    }
    let sent = say(&mut alice, "room:open-1", "hello", &["bob", "nobody"]);
    assert_eq!(
        (&sent["conversation"], &sent["seq"], &sent["count"]),
        (&json!("room:open-1"), &json!(3), &json!(1))
    );
    for client in [&mut alice, &mut bob] {
        let (_, entry) = client.entry();
        assert_eq!((&entry["from"], &entry["mentions"]), (&json!("alice"), &json!(["bob", "nobody"])));
        assert_eq!((&entry["to"], &entry["prev"]), (&Value::Null, &json!(2)));
    }
    let listed = bob.rpc("conversations", json!({}));
    let row = &listed["conversations"][0];
    assert_eq!((&row["unread"], &row["mentions"]), (&json!(1), &json!(1)));
    let read = bob.rpc("read", json!({"conversation": "room:open-1", "seq": 3}));
    assert_eq!((&read["unread"], &read["mentions"]), (&json!(0), &json!(0)));
    let mut read_by_bob = || alice.rpc("room.members", room("open-1"))["members"][1]["read"].as_u64();
    eventually("the others are told how far bob has read", || read_by_bob() == Some(3));

    // While bob is away others come, speak and go.
    bob.leave();
    let mut carol = Client::connect(one.address(), "carol");
    carol.rpc("room.join", room("open-1"));
    say(&mut carol, "room:open-1", "short", &[]);
    carol.rpc("room.leave", room("open-1"));
    let mut bob = Client::connect(two.address(), "bob");
    let mut come = Vec::new();
    while come.last() != Some(&json!(["leave", "carol"])) {
        come.push(short(bob.entry()));
    }
    let end = [json!(["join", "carol"]), json!(["message", "carol"]), json!(["leave", "carol"])];
    assert_eq!(come[come.len() - 3..], end);
    assert_eq!(refused(&mut carol, "history", room("open-1")), 103);
    one.stop();
    two.stop();
}

/// The next publication in a room's channel.
fn heard(client: &mut Client, name: &str) -> Value {
    loop {
        let (channel, publication) = client.publication();
        if channel == format!("room:{name}") {
            assert!(publication["offset"].is_null(), "live: {publication}");
            return publication["data"].clone();
        }
    }
}

#[test]
fn a_room_of_many_is_followed_by_its_channel() {
    let harbour = Harbour::open_with(|limits| limits.members_max = 3);
    let (one, two) = (gateway(&harbour, "one"), gateway(&harbour, "two"));
    let names = ["alice", "bob", "carol", "dave"];
    let mut people: Vec<Client> = Vec::new();
    for (nth, name) in names.iter().enumerate() {
        let mut client = Client::connect([&one, &two][nth % 2].address(), name);
        client.rpc("room.join", room("open-1"));
        people.push(client);
    }
    // With the fourth it is too large: the server subscribes all of them, and says how far it is.
    for client in &mut people {
        let subscribed = client.pushed(|push| push["channel"] == "room:open-1");
        assert_eq!(subscribed["subscribe"], json!({}), "{subscribed}");
        let head = heard(client, "open-1");
        assert_eq!((&head["kind"], &head["seq"], &head["unread"]), (&json!("head"), &json!(5), &json!(0)));
    }
    let [alice, bob, carol, dave] = &mut people[..] else { panic!() };
    let mode = &alice.rpc("room.members", room("open-1"))["mode"];
    assert_eq!(mode, "broadcast");
    say(alice, "room:open-1", "to all", &["bob"]);
    for client in [&mut *alice, bob, carol, dave] {
        let entry = heard(client, "open-1");
        assert_eq!(
            (&entry["kind"], &entry["seq"], &entry["count"]),
            (&json!("message"), &json!(6), &json!(1))
        );
    }
    // Whom it mentions has it in the inbox as well, and so has its sender; nobody else.
    eventually("it is in bob's inbox", || {
        bob.rpc("conversations", json!({}))["conversations"][0]["mentions"] == json!(1)
    });
    let row = carol.rpc("conversations", json!({}))["conversations"][0].clone();
    assert_eq!(
        (&row["seq"], &row["count"], &row["unread"], &row["mentions"], &row["follow"]),
        (&json!(6), &json!(1), &json!(1), &json!(0), &json!("channel"))
    );
    assert_eq!(refused(carol, "presence", room("open-1")), 108);
    let read = dave.rpc("read", json!({"conversation": "room:open-1", "seq": 5}));
    assert_eq!((&read["count"], &read["read"], &read["unread"]), (&json!(1), &json!(0), &json!(1)));

    // Who was away is told how far it is.
    let carol = people.remove(2);
    carol.leave();
    say(&mut people[0], "room:open-1", "again", &[]);
    let (mut carol, connected) = Client::connect_with(one.address(), "carol", json!({}));
    assert_eq!(connected["subs"]["room:open-1"], json!({}));
    let head = heard(&mut carol, "open-1");
    assert_eq!(
        head,
        json!({"kind": "head", "conversation": "room:open-1", "seq": 7, "count": 2, "read": 0, "unread": 2, "mentions": 0})
    );
    // And who leaves hears nothing any more.
    carol.rpc("room.leave", room("open-1"));
    let unsubscribed = carol.pushed(|push| push.get("unsubscribe").is_some());
    assert_eq!(
        (&unsubscribed["channel"], &unsubscribed["unsubscribe"]["code"]),
        (&json!("room:open-1"), &json!(2000))
    );
    assert_eq!(refused(&mut carol, "subscribe", Value::Null), 108);
    assert_eq!(carol.refused("subscribe", json!({"channel": "room:open-1"})).0, 103);
    one.stop();
    two.stop();
}

/// How often Naru's broker was asked something since it started.
fn asked(harbour: &Harbour, command: &str) -> usize {
    let all = harbour.redis_text(b"INFO commandstats\r\nQUIT\r\n");
    let begin = format!("cmdstat_{command}:calls=");
    let calls = all.lines().find_map(|line| line.strip_prefix(&begin)?.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

#[test]
fn when_the_broker_is_back_a_rooms_log_is_looked_at_once_for_all_in_it() {
    if is_skipped_elsewhere("it has other commands") {
        return;
    }
    let mut harbour = Harbour::open_with(|limits| limits.members_max = 3);
    let (one, two) = (gateway(&harbour, "one"), gateway(&harbour, "two"));
    let mut people: Vec<Client> =
        (0..24).map(|nth| Client::connect(one.address(), &format!("user{nth}"))).collect();
    for client in &mut people {
        client.rpc("room.join", room("open-1"));
    }
    for client in &mut people {
        client.pushed(|push| push["pub"]["data"]["kind"] == "head");
    }
    let mut other = Client::connect(two.address(), "other");
    harbour.stop();
    harbour.start();
    eventually("the other gateway is there again", || {
        other.ask("rpc", json!({"method": "room.join", "data": room("open-1")}))["error"].is_null()
    });
    eventually("all have compared their inboxes", || asked(&harbour, "naru.resume") > people.len());
    eventually("and the room", || asked(&harbour, "naru.history") > 0);
    for client in &mut people {
        client.rpc("room.join", room("open-1"));
    }
    let looks = asked(&harbour, "naru.history");
    assert!(looks < people.len() / 2, "{looks} looks");
    say(&mut other, "room:open-1", "hi", &[]);
    for client in &mut people {
        client.pushed(|push| push["pub"]["data"]["kind"] == "message");
    }
    one.stop();
    two.stop();
}
