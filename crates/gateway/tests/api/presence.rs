//! More who are present than there is room for.

use naru_gateway::namespaces;
use serde_json::json;

use crate::{
    code,
    support::{Client, Harbour, is_skipped_elsewhere},
};

#[test]
fn more_who_are_present_than_can_be_told_is_said_clearly() {
    if is_skipped_elsewhere("it has other commands") {
        return;
    }
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let crowd = json!({"namespaces": [{
            "name": "crowd", "presence": true, "allow_subscribe_for_client": true, "allow_presence_for_client": true,
        }]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(crowd).unwrap().into();
    });
    let mut alice = Client::connect(one.address(), "alice");
    alice.subscribe("crowd:a");
    let present = |alice: &mut Client| alice.ask("presence", json!({"channel": "crowd:a"}));
    assert_eq!(present(&mut alice)["presence"]["presence"].as_object().map(|all| all.len()), Some(1));
    // Others are there, as another server says it.
    let mut commands = b"NARU.SERVER other e 600000\r\n".to_vec();
    for number in 0..10_000 {
        commands
            .extend_from_slice(format!("NARU.CHANNEL.ENTER other e crowd:a c{number} u {{}}\r\n").as_bytes());
    }
    commands.extend_from_slice(b"QUIT\r\n");
    let answer = harbour.redis_text(&commands);
    assert!(!answer.contains("-ERR"), "{}", &answer[..300.min(answer.len())]);
    assert_eq!(present(&mut alice)["error"]["code"], 106);
    assert_eq!(code(one.api_address(), "presence", json!({"channel": "crowd:a"})), 106);
    // So are few of whom much is said.
    let info = format!("\"{}\"", "x".repeat(63 << 10));
    let mut commands = Vec::new();
    for number in 0..80 {
        let (client, length) = (format!("d{number:02}"), info.len());
        commands.extend_from_slice(
            b"*7\r\n$18\r\nNARU.CHANNEL.ENTER\r\n$5\r\nother\r\n$1\r\ne\r\n$7\r\ncrowd:b\r\n",
        );
        commands
            .extend_from_slice(format!("$3\r\n{client}\r\n$1\r\nu\r\n${length}\r\n{info}\r\n").as_bytes());
    }
    commands.extend_from_slice(b"*1\r\n$4\r\nQUIT\r\n");
    let answer = harbour.redis_text(&commands);
    assert!(!answer.contains("-ERR"), "{}", &answer[..300.min(answer.len())]);
    assert_eq!(code(one.api_address(), "presence", json!({"channel": "crowd:b"})), 106);
    let stats = alice.ask("presence_stats", json!({"channel": "crowd:a"}));
    assert_eq!(stats["presence_stats"]["num_clients"], 10_001, "{stats}");
}

#[test]
fn as_many_are_present_as_the_broker_has_room_for_and_who_is_more_is_told_so() {
    if is_skipped_elsewhere("it has no such bound") {
        return;
    }
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let crowd =
            json!({"namespaces": [{"name": "crowd", "presence": true, "allow_subscribe_for_client": true}]});
        options.namespaces = serde_json::from_value::<namespaces::Settings>(crowd).unwrap().into();
    });
    assert_eq!(harbour.redis(&[b"CONFIG", b"SET", b"channel-present-max", b"1"]), "+OK");
    let (mut alice, mut bob) =
        (Client::connect(one.address(), "alice"), Client::connect(one.address(), "bob"));
    alice.subscribe("crowd:a");
    let reply = bob.ask("subscribe", json!({"channel": "crowd:a"}));
    assert_eq!(reply["error"]["code"], 106, "{reply}");
    assert!(reply["error"]["temporary"].is_null(), "trying again would not help: {reply}");
    assert_eq!(harbour.redis(&[b"CONFIG", b"SET", b"channel-present-max", b"2"]), "+OK");
    bob.subscribe("crowd:a");
}
