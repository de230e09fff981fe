//! What servers know of each other, and what becomes of it without a broker.

use std::{io::Write, net::TcpStream};

use serde_json::{Value, json};

use crate::{
    call, code, done,
    support::{Client, Harbour, Strait, eventually, gateway},
};

#[test]
fn what_all_servers_hold_is_added_up() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut clients: Vec<Client> = [(&one, "alice"), (&one, "alice"), (&two, "alice"), (&two, "bob")]
        .map(|(gateway, user)| Client::connect(gateway.address(), user))
        .into();
    clients.iter_mut().for_each(|client| client.subscribe("public:a"));
    clients[0].subscribe("public:b");
    let channels =
        |pattern: &str| done(two.api_address(), "channels", json!({"pattern": pattern}))["channels"].clone();
    let (a, b) = (json!({"num_clients": 4}), json!({"num_clients": 1}));
    // Of servers that do not answer in time what they hold is missing.
    eventually("all are counted", || channels("") == json!({"public:a": a, "public:b": b}));
    eventually("of all servers", || channels("*:b") == json!({"public:b": b}));
    assert_eq!(channels("inbox:*"), json!({}));
    let counts = || {
        let info = done(one.api_address(), "info", json!({}));
        let nodes = info["nodes"].as_array().unwrap().clone();
        nodes
            .into_iter()
            .map(|node| {
                let count = |name: &str| node[name].as_u64().unwrap();
                assert!(node["process"]["rss"].as_u64().unwrap() > 1 << 20, "{node}");
                assert!(node["process"]["cpu"].is_f64(), "{node}");
                (
                    node["name"].as_str().unwrap().to_owned(),
                    [count("num_clients"), count("num_users"), count("num_subs"), count("num_channels")],
                )
            })
            .collect::<Vec<_>>()
    };
    let all = [("one".to_owned(), [2, 1, 3, 2]), ("two".to_owned(), [2, 2, 2, 1])];
    // The probes that looked whether the servers had started may still be going.
    eventually("those who are gone do not count", || counts() == all);
    two.stop();
    eventually("who has stopped does not count", || counts() == all[..1]);
    // Somebody else listens, and is not waited for without end.
    let mut stranger = TcpStream::connect(harbour.address).unwrap();
    stranger.write_all(b"SUBSCRIBE naru:control\r\n").unwrap();
    eventually("the stranger listens", || harbour.listeners("naru:control") == 2);
    eventually("what the server holds is told", || counts() == all[..1]);
    one.stop();
}

#[test]
fn what_is_not_understood_between_servers_is_passed_over() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    let channels = ["naru:control", "naru:node:one"];
    eventually("the server listens", || channels.iter().all(|channel| harbour.listeners(channel) == 1));
    let said = |cluster: &str, say: Value| {
        json!({"cluster": cluster, "from": "another", "run": "r", "say": say}).to_string()
    };
    let disconnect =
        json!({"steer": {"disconnect": {"whom": {"user": "alice"}, "code": 3000, "reason": ""}}});
    for payload in [
        "hi".to_owned(),
        "{}".to_owned(),
        said("naru", json!({"teleport": {"whom": {"user": "alice"}}})),
        said("naru", json!({"answer": {"id": "x", "answer": {"info": {}}, "more": false}})),
        said("staging", disconnect.clone()),
    ] {
        for channel in channels {
            assert_eq!(harbour.redis(&[b"PUBLISH", channel.as_bytes(), payload.as_bytes()]), ":1");
        }
    }
    alice.assert_quiet();
    let payload = said("naru", disconnect);
    harbour.redis(&[b"PUBLISH", b"naru:control", payload.as_bytes()]);
    assert_eq!(alice.closed(), Some((3000, String::new())));
    one.stop();
}

#[test]
fn without_a_broker_what_is_here_is_steered_and_the_rest_is_said_to_fail() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let (one, two) = (gateway("one", &strait.address), harbour.gateway("two"));
    let mut here = Client::connect(one.address(), "alice");
    let mut there = Client::connect(two.address(), "alice");
    strait.cut();
    let api = one.api_address();
    eventually("the broker is missed", || {
        call(api, "publish", json!({"channel": "public:a", "data": 1}))["error"]["code"] == 100
    });
    assert_eq!(code(api, "info", json!({})), 100);
    assert_eq!(code(api, "disconnect", json!({"user": "alice"})), 100);
    assert_eq!(here.closed(), Some((3503, "force disconnect".into())));
    there.assert_quiet();
    strait.open();
    eventually("the broker is back", || {
        call(api, "info", json!({}))["result"]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2)
    });
    // It hears the others again as well.
    let mut here = Client::connect(one.address(), "alice");
    done(two.api_address(), "disconnect", json!({"user": "alice"}));
    assert_eq!(here.closed(), Some((3503, "force disconnect".into())));
    assert_eq!(there.closed(), Some((3503, "force disconnect".into())));
    one.stop();
    two.stop();
}
