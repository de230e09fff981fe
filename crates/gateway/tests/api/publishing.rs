//! What applications' servers publish.

use naru_gateway::namespaces;
use serde_json::json;

use crate::{
    code, done,
    support::{Client, Harbour},
};

#[test]
fn what_a_server_publishes_reaches_clients_on_every_server_as_nobodys() {
    let harbour = Harbour::open();
    let (one, two) = (harbour.gateway("one"), harbour.gateway("two"));
    let mut alice = Client::connect(one.address(), "alice");
    let mut bob = Client::connect(two.address(), "bob");
    alice.subscribe("public:news");
    bob.subscribe("public:news");
    let published = json!({"channel": "public:news", "data": {"n": 1.5}, "tags": {"a": "b"}});
    assert_eq!(done(one.api_address(), "publish", published), json!({}));
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.publication().1, json!({"data": {"n": 1.5}, "tags": {"a": "b"}}));
    }
    done(two.api_address(), "publish", json!({"channel": "public:news", "data": null}));
    done(two.api_address(), "publish", json!({"channel": "public:news", "b64data": "WzFd", "data": 2}));
    let forged = json!({"naru": {"user": "mallory", "client": "1"}, "data": 1});
    done(two.api_address(), "publish", json!({"channel": "public:news", "data": forged}));
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.publication().1, json!({"data": null}));
        assert_eq!(client.publication().1, json!({"data": [1]}));
        assert_eq!(client.publication().1, json!({"data": forged}));
    }
    one.stop();
    two.stop();
}

#[test]
fn a_broadcast_says_of_each_channel_what_became_of_it() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let mut alice = Client::connect(one.address(), "alice");
    alice.subscribe("public:a");
    let channels = ["public:a", "", "nowhere:a", "inbox:alice", "public:b", "public:a"];
    let broadcast = json!({"channels": channels, "data": 7});
    let answers = done(one.api_address(), "broadcast", broadcast)["responses"].clone();
    let codes: Vec<Option<u64>> =
        answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_u64()).collect();
    assert_eq!(codes, [None, Some(107), Some(102), Some(107), None, None]);
    assert_eq!(answers[0], json!({"result": {}}));
    for _ in 0..2 {
        assert_eq!(alice.publication(), ("public:a".into(), json!({"data": 7})));
    }
    assert_eq!(code(one.api_address(), "broadcast", json!({"channels": [], "data": 7})), 107);
    let many: Vec<String> = (0..5_000).map(|number| format!("public:{number}")).collect();
    let answers = done(one.api_address(), "broadcast", json!({"channels": many, "data": 7}));
    assert_eq!(answers["responses"].as_array().unwrap().len(), 5_000);
    one.stop();
}

#[test]
fn what_is_not_newer_than_the_last_version_is_published_nowhere() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let prices = json!({"namespaces": [
            {"name": "prices", "allow_subscribe_for_client": true, "history_size": 1, "history_ttl": "1h"},
            {"name": "live", "allow_subscribe_for_client": true},
        ]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(prices).unwrap().into();
    });
    let api = one.api_address();
    let mut alice = Client::connect(one.address(), "alice");
    for channel in ["prices:a", "prices:b", "live:a"] {
        alice.subscribe(channel);
    }
    let publish = |version: serde_json::Value| {
        let mut publish = json!({"channel": "prices:a", "data": version});
        publish.as_object_mut().unwrap().extend(version.as_object().unwrap().clone());
        done(api, "publish", publish)
    };
    let first = publish(json!({"version": 2}));
    assert_eq!(first["offset"], 1);
    for old in [json!({"version": 2}), json!({"version": 1}), json!({"version": 1, "version_epoch": ""})] {
        assert_eq!(publish(old), first);
    }
    // Of another epoch nothing is known; 0 is none.
    assert_eq!(publish(json!({"version": 1, "version_epoch": "e"}))["offset"], 2);
    assert_eq!(publish(json!({"version": 0}))["offset"], 3);
    assert_eq!(publish(json!({"version": 2, "version_epoch": "e"}))["offset"], 4);
    for offset in 1..=4 {
        assert_eq!(alice.publication().1["offset"], offset);
    }
    // A broadcast asks each channel.
    let broadcast = json!({"channels": ["prices:a", "prices:b", "live:a"], "data": 5,
        "version": 2, "version_epoch": "e"});
    let answers = done(api, "broadcast", broadcast)["responses"].clone();
    assert_eq!((&answers[0]["result"]["offset"], &answers[1]["result"]["offset"]), (&json!(4), &json!(1)));
    assert_eq!(answers[2], json!({"result": {}}));
    let heard = [alice.publication(), alice.publication()].map(|(channel, _)| channel);
    assert!(heard.contains(&"prices:b".to_owned()) && heard.contains(&"live:a".to_owned()), "{heard:?}");
    let long = json!({"channel": "prices:a", "data": 1, "version": 9, "version_epoch": "e".repeat(129)});
    assert_eq!(code(api, "publish", long), 107);
    alice.assert_quiet();
    one.stop();
}

#[test]
fn a_publication_that_grows_in_json_is_no_reason_to_cut_its_clients_off() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let live = json!({"namespaces": [{
            "name": "live", "allow_subscribe_for_client": true,
            "delta_publish": true, "allowed_delta_types": ["fossil"],
        }]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(live).unwrap().into();
    });
    let mut alice = Client::connect(one.address(), "alice");
    let reply = alice.ask("subscribe", json!({"channel": "live:a", "delta": "fossil"}));
    assert_eq!(reply["subscribe"]["delta"], true, "{reply}");
    // Within the bound as it is published, and beyond it where its quotes are escaped once more, for who gets differences.
    let quotes = json!("\"".repeat(350 << 10));
    done(one.api_address(), "publish", json!({"channel": "live:a", "data": quotes}));
    assert_eq!(alice.publication().1["data"], json!(quotes.to_string()));
    alice.assert_quiet();
    one.stop();
}
