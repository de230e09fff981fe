//! Live channels: across servers, from and to Redis clients, and gone when nobody is there.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use serde_json::{Value, json};
use support::{Client, Harbour, eventually, signed};

#[test]
fn a_publication_reaches_subscribers_on_every_server_and_its_publisher() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let (mut alice, connected) = Client::connect_with(one.address(), "alice", json!({}));
    let mut bob = Client::connect(two.address(), "bob");
    alice.subscribe("public:news");
    bob.subscribe("public:news");
    assert_eq!(harbour.listeners("public:news"), 2);
    let reply = alice.ask("publish", json!({"channel": "public:news", "data": {"text": "hi", "n": 1.50}}));
    assert_eq!(reply["publish"], json!({}));
    for client in [&mut alice, &mut bob] {
        let (channel, publication) = client.publication();
        assert_eq!(channel, "public:news");
        assert_eq!(
            publication,
            json!({"data": {"text": "hi", "n": 1.5}, "info": {"user": "alice", "client": connected["client"]}})
        );
    }
    assert_eq!(
        alice.rpc("publish", json!({"channel": "public:news", "data": null})),
        json!({"receivers": 2})
    );
    assert_eq!(bob.publication().1["data"], Value::Null);
    one.stop();
    two.stop();
}

#[test]
fn redis_clients_and_browsers_hear_each_other() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut bob = Client::connect(one.address(), "bob");
    bob.subscribe("public:news");
    for (published, data) in [
        ("hi", json!("hi")),
        ("{\"a\":\n1}", json!({"a": 1})),
        ("two\nlines", json!("two\nlines")),
        ("나루", json!("나루")),
    ] {
        assert_eq!(harbour.redis(&[b"PUBLISH", b"public:news", published.as_bytes()]), ":1");
        assert_eq!(bob.publication(), ("public:news".into(), json!({"data": data})));
    }
    // What cannot be said in JSON ends the connection of who speaks it.
    assert_eq!(harbour.redis(&[b"PUBLISH", b"public:news", b"\xff\xfe"]), ":1");
    assert_eq!(bob.closed(), Some((3506, "inappropriate protocol".into())));
    one.stop();
}

#[test]
fn what_is_published_while_nobody_listens_is_gone_and_said_to_be() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    assert_eq!(alice.rpc("publish", json!({"channel": "public:news", "data": 1})), json!({"receivers": 0}));
    alice.subscribe("public:news");
    alice.assert_quiet();
    one.stop();
}

#[test]
fn the_broker_is_told_when_the_first_comes_and_when_the_last_has_gone() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut clients: Vec<Client> =
        (0..4).map(|n| Client::connect(one.address(), &format!("user{n}"))).collect();
    for client in &mut clients {
        client.subscribe("public:news");
        assert_eq!(harbour.listeners("public:news"), 1);
    }
    let unsubscribed = clients[0].ask("unsubscribe", json!({"channel": "public:news"}));
    assert_eq!(unsubscribed["unsubscribe"], json!({}));
    clients[3].ask("publish", json!({"channel": "public:news", "data": 1}));
    clients[0].assert_quiet();
    assert_eq!(clients[1].publication().1["data"], 1);
    for client in clients {
        assert_eq!(harbour.listeners("public:news"), 1);
        client.leave();
    }
    eventually("the channel is left at the broker", || harbour.listeners("public:news") == 0);
    let mut again = Client::connect(one.address(), "again");
    again.subscribe("public:news");
    assert_eq!(harbour.listeners("public:news"), 1);
    one.stop();
}

#[test]
fn who_subscribes_and_leaves_in_a_hurry_hears_what_they_should() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let address = one.address();
    let hurried: Vec<_> = (0..4)
        .map(|n| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address, &format!("user{n}"));
                for round in 0..50 {
                    client.subscribe("public:news");
                    let mine = json!([n, round]);
                    client.command("publish", json!({"channel": "public:news", "data": mine}));
                    // Its own publication comes, whatever the others are doing with the channel.
                    loop {
                        let message = client.next();
                        if message["push"]["pub"]["data"] == mine {
                            break;
                        }
                    }
                    client.command("unsubscribe", json!({"channel": "public:news"}));
                    while client.next().get("unsubscribe").is_none() {}
                }
            })
        })
        .collect();
    hurried.into_iter().for_each(|thread| thread.join().unwrap());
    eventually("the channel is left at the broker", || harbour.listeners("public:news") == 0);
    one.stop();
}

#[test]
fn channels_are_refused_with_the_protocols_codes() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    for (request, code) in [
        (json!({"channel": "private:a"}), 102),
        (json!({"channel": "a"}), 103),
        (json!({"channel": "inbox:bob"}), 103),
        (json!({"channel": "naru:server:one"}), 103),
        (json!({"channel": "$public:a"}), 103),
        (json!({"channel": "public:a#alice"}), 103),
        (json!({"channel": format!("public:{}", "x".repeat(249))}), 107),
        (json!({"channel": "inbox:alice"}), 105),
        (json!({"channel": "public:a", "type": 1}), 108),
        (json!({"channel": "public:a", "tf": {"op": "eq"}}), 107),
    ] {
        assert_eq!(alice.refused("subscribe", request.clone()).0, code, "{request}");
    }
    assert_eq!(alice.refused("publish", json!({"channel": "public:a"})).0, 107);
    assert_eq!(alice.refused("publish", json!({"channel": "inbox:bob", "data": 1})).0, 103);
    assert_eq!(alice.refused("publish", json!({"channel": "naru:server:one", "data": 1})).0, 103);
    assert_eq!(
        alice.refused("rpc", json!({"method": "publish", "data": {"channel": "x:y", "data": 1}})).0,
        102
    );
    // Delta compression is known and not granted.
    assert_eq!(
        alice.ask("subscribe", json!({"channel": "public:0", "delta": "fossil"}))["subscribe"],
        json!({})
    );
    for n in 1..128 {
        alice.subscribe(&format!("public:{n}"));
    }
    assert_eq!(alice.refused("subscribe", json!({"channel": "public:128"})), (106, "limit exceeded".into()));
    alice.ask("unsubscribe", json!({"channel": "public:0"}));
    alice.subscribe("public:128");

    for (command, request) in [
        ("subscribe", json!({"channel": ""})),
        ("subscribe", json!({})),
        ("subscribe", json!({"channel": "public:a", "delta": "xdelta"})),
        ("unsubscribe", json!({})),
        ("publish", json!({"data": 1})),
    ] {
        let mut client = Client::connect(one.address(), "alice");
        client.command(command, request);
        assert_eq!(client.closed(), Some((3501, "bad request".into())));
    }
    one.stop();
}

#[test]
fn a_token_subscribes_its_bearer_to_the_channels_it_names() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let token = signed(json!({"sub": "alice", "channels": ["team-a", "team-b"], "info": {"name": "Alice"}}));
    let mut alice = Client::open(one.address());
    let reply = alice.ask("connect", json!({"token": token}));
    assert_eq!(reply["connect"]["subs"]["team-a"], json!({}), "{reply}");
    assert_eq!(reply["connect"]["subs"].as_object().unwrap().len(), 3);
    harbour.redis(&[b"PUBLISH", b"team-b", b"1"]);
    assert_eq!(alice.publication(), ("team-b".into(), json!({"data": 1})));
    assert_eq!(alice.refused("subscribe", json!({"channel": "team-a"})).0, 105);
    // It is the server's to end: this changes nothing.
    alice.ask("unsubscribe", json!({"channel": "team-b"}));
    harbour.redis(&[b"PUBLISH", b"team-b", b"2"]);
    assert_eq!(alice.publication().1["data"], 2);
    alice.subscribe("public:a");
    alice.ask("publish", json!({"channel": "public:a", "data": 1}));
    assert_eq!(alice.publication().1["info"]["conn_info"], json!({"name": "Alice"}));
    // Other channels: come back and get them.
    alice.command("refresh", json!({"token": signed(json!({"sub": "alice", "channels": ["team-a"]}))}));
    assert_eq!(alice.closed(), Some((3010, "insufficient state".into())));

    let mut greedy = Client::open(one.address());
    let token = signed(json!({"sub": "alice", "channels": ["inbox:bob"]}));
    assert_eq!(greedy.refused("connect", json!({"token": token})).0, 107);
    let mut greedy = Client::open(one.address());
    let channels: Vec<String> = (0..129).map(|n| format!("team-{n}")).collect();
    greedy.command("connect", json!({"token": signed(json!({"sub": "alice", "channels": channels}))}));
    assert_eq!(greedy.closed(), Some((3505, "channel limit".into())));
    // A slip in a name is not to lose what is kept in the channel that was meant.
    for claims in [json!({"channels": ["team-a", "zz:v"]}), json!({"subs": {"zz:v": {}}})] {
        let mut claims = claims;
        claims["sub"] = json!("alice");
        let mut alice = Client::open(one.address());
        let refused = alice.refused("connect", json!({"token": signed(claims)}));
        assert_eq!(refused, (102, "unknown channel".into()));
    }
    one.stop();
}

#[test]
fn a_live_subscriber_that_does_not_read_is_cut_off_and_harms_nobody() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut slow = Client::connect(one.address(), "slow");
    slow.subscribe("public:flood");
    let mut quick = Client::connect(one.address(), "quick");
    quick.subscribe("public:flood");
    let data = "x".repeat(60_000);
    // More than the kernel's buffers and the outbox hold.
    for n in 0..400 {
        quick.command("publish", json!({"channel": "public:flood", "data": [n, data]}));
        loop {
            let message = quick.next();
            if message.get("push").is_some() {
                assert_eq!(message["push"]["pub"]["data"][0], n);
                break;
            }
        }
    }
    let mut heard = 0;
    while slow.try_next().is_ok() {
        heard += 1;
    }
    assert!(heard < 400, "{heard}");
    one.stop();
}
