//! What of people's inboxes can be asked.

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
