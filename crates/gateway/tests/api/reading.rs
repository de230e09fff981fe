//! What of people's inboxes and of channels can be asked.

use naru_gateway::namespaces;
use serde_json::{Value, json};

use crate::{
    code, done,
    support::{Client, Harbour},
};

#[test]
fn what_users_have_read_can_be_asked() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let api = one.api_address();
    let mut alice = Client::connect(one.address(), "alice");
    let (mut bob, _) = Client::connect_with(one.address(), "bob", json!({"data": {"device": "phone"}}));
    alice.send("bob", "1", "hi");
    alice.send("bob", "2", "again");
    let (offset, _) = bob.inbox();
    bob.rpc_among_pushes("ack", json!({"offset": offset}));
    let rpc = |method: &str, params: Value| {
        done(api, "rpc", json!({"method": method, "params": params}))["data"].clone()
    };
    let listed = rpc("inbox", json!({"user": "bob"}));
    assert_eq!(listed["conversations"][0]["conversation"], "dm:alice:bob");
    assert_eq!((&listed["conversations"][0]["unread"], &listed["more"]), (&json!(2), &json!(false)));
    assert_eq!(
        rpc("unread", json!({"user": "bob"})),
        json!({"unread": 2, "conversations": 1, "mentions": 0})
    );
    let cursors = rpc("cursors", json!({"user": "bob", "conversation": "dm:alice:bob"}));
    assert_eq!(cursors["devices"][0]["device"], "phone");
    assert_eq!(cursors["devices"][0]["offset"], offset);
    assert_eq!(cursors["servers"], json!(["one"]));
    assert_eq!(
        rpc("presence", json!({"users": ["bob", "carol", "alice"]}))["online"],
        json!(["bob", "alice"])
    );
    assert_eq!(code(api, "rpc", json!({"method": "nothing"})), 104);
    assert_eq!(code(api, "rpc", json!({"method": "inbox"})), 107);
    assert_eq!(code(api, "rpc", json!({"method": "inbox", "params": {"user": ""}})), 107);
    one.stop();
}

/// The offsets of what a history tells; each has all of its data.
fn offsets(history: &Value, data: &str) -> Vec<u64> {
    let publications = history["publications"].as_array().unwrap();
    assert!(publications.iter().all(|publication| publication["data"] == data));
    publications.iter().map(|publication| publication["offset"].as_u64().unwrap()).collect()
}

#[test]
fn no_more_of_a_history_is_told_at_once_than_16_mib_and_the_rest_to_who_asks_again() {
    let harbour = Harbour::open();
    // Naru's keeps 16 MiB of a channel unless it is told otherwise; others have no such bound.
    harbour.redis(&[b"CONFIG", b"SET", b"channel-bytes-max", b"64mb"]);
    let one = harbour.gateway_with("one", |options| {
        let kept = json!({"namespaces": [{"name": "kept", "history_size": 100, "history_ttl": "1h"}]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(kept).unwrap().into();
    });
    let api = one.api_address();
    let data = "x".repeat(900 << 10);
    for _ in 0..21 {
        done(api, "publish", json!({"channel": "kept:large", "data": data}));
    }
    let told = |params: Value| {
        let mut history = json!({"channel": "kept:large", "limit": -1});
        history.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        let history = done(api, "history", history);
        // Where the channel stands is said whatever part is told.
        assert_eq!(history["offset"], 21);
        (offsets(&history, &data), history["epoch"].clone())
    };
    // 18 of them have 15.8 MiB, and 19 have 16.7.
    let (first, epoch) = told(json!({}));
    assert_eq!(first, (1..=18).collect::<Vec<_>>());
    let since = |offset: u64| json!({"offset": offset, "epoch": epoch});
    assert_eq!(told(json!({"since": since(18)})).0, [19, 20, 21]);
    assert_eq!(told(json!({"limit": 20})).0, first, "what is asked for does not widen it");
    assert_eq!(told(json!({"limit": 2, "since": since(3)})).0, [4, 5], "nor does it widen what is asked for");
    let (newest, _) = told(json!({"reverse": true}));
    assert_eq!(newest, (4..=21).rev().collect::<Vec<_>>());
    assert_eq!(told(json!({"reverse": true, "since": since(4)})).0, [3, 2, 1]);
    one.stop();
}
