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
