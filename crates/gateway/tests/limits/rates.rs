//! How often something may be asked.

use std::time::Instant;

use serde_json::json;

use crate::{
    limited,
    support::{Client, Harbour, eventually, token},
};

#[test]
fn commands_come_at_a_rate_and_who_does_not_slow_down_is_closed() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.command_rate_limit = 1;
        settings.command_rate_burst = 4;
    });
    let mut client = Client::connect(one.address(), "alice");
    let begun = Instant::now();
    let codes = sent_away(&mut client);
    // Connect was one of four; as many again are refused.
    let served = codes.iter().filter(|&&code| code == 108).count();
    assert!((3..=at_most(4, begun)).contains(&served), "{codes:?}");
    assert!(codes.iter().all(|code| [108, 111].contains(code)) && codes.len() - served >= 3, "{codes:?}");
    let mut other = Client::connect(one.address(), "alice");
    assert_eq!(other.refused("presence_stats", json!({"channel": "public:x"})).0, 108);
}

/// Asks so much at once that it is sent away; the codes of the answers before.
fn sent_away(client: &mut Client) -> Vec<u64> {
    let ask = json!({"channel": "public:x"});
    let all: Vec<_> =
        (0..40).map(|_| json!({"id": client.next_id(), "presence_stats": ask}).to_string()).collect();
    client.raw(all.join("\n"));
    let mut codes = Vec::new();
    let ended = loop {
        match client.try_next() {
            Ok(reply) => codes.push(reply["error"]["code"].as_u64().unwrap()),
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended, Some((3013, "too many requests".into())));
    codes
}

#[test]
fn too_many_errors_end_a_connection_for_good() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| settings.error_limit = 3);
    let mut client = Client::connect(one.address(), "alice");
    for _ in 0..3 {
        assert_eq!(client.refused("subscribe", json!({"channel": "nowhere:x"})).0, 102);
    }
    client.command("subscribe", json!({"channel": "nowhere:x"}));
    assert_eq!(client.closed(), Some((3509, "too many errors".into())));
}

/// How many there can have been since then, of one a second and so many at once.
fn at_most(burst: usize, begun: Instant) -> usize {
    burst + begun.elapsed().as_secs() as usize + 1
}

/// How commands of these clients, which ask in turn, are answered: the codes.
fn asked(clients: &mut [Client], times: usize) -> Vec<Vec<u64>> {
    let mut codes = vec![Vec::new(); clients.len()];
    for _ in 0..times {
        for (client, codes) in clients.iter_mut().zip(&mut codes) {
            codes.push(client.refused("presence_stats", json!({"channel": "public:x"})).0);
        }
    }
    codes
}

#[test]
fn a_user_has_a_rate_over_all_connections_and_others_theirs() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.user_command_rate_limit = 1;
        settings.user_command_rate_burst = 6;
    });
    let mut clients: Vec<_> =
        ["alice", "alice", "bob"].iter().map(|user| Client::connect(one.address(), user)).collect();
    let begun = Instant::now();
    let codes = asked(&mut clients, 4);
    // A connect counts nobody's yet.
    let alices = codes[..2].concat();
    let served = alices.iter().filter(|&&code| code == 108).count();
    assert!((6..=at_most(6, begun)).contains(&served), "{codes:?}");
    assert!(alices.iter().all(|code| [108, 111].contains(code)), "{codes:?}");
    assert_eq!(codes[2], [108; 4]);
    // She goes on for as much again, and is sent away.
    let codes = sent_away(&mut clients.remove(0));
    assert!(codes.iter().all(|code| [108, 111].contains(code)), "{codes:?}");
    assert_eq!(clients[1].refused("presence_stats", json!({"channel": "public:x"})).0, 108);
}

#[test]
fn an_address_has_a_rate_over_all_connections() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.address_command_rate_limit = 1;
        settings.address_command_rate_burst = 6;
        settings.trusted_proxies = vec!["127.0.0.1".into()];
    });
    let come = |from: &str, user: &str| {
        let mut client = Client::open_with(one.address(), &[("X-Forwarded-For", from)]);
        let reply = client.ask("connect", json!({"token": token(user)}));
        assert!(reply["error"].is_null(), "{reply}");
        client
    };
    let begun = Instant::now();
    let mut clients = [come("192.0.2.1", "alice"), come("192.0.2.1", "bob"), come("192.0.2.2", "eve")];
    let codes = asked(&mut clients, 5);
    // Two of six were their connects.
    let served = codes[..2].concat().iter().filter(|&&code| code == 108).count();
    assert!((4..=at_most(4, begun)).contains(&served), "{codes:?}");
    assert_eq!(codes[2], [108; 5], "another one is another's");
    // What is refused is not counted: it is served, however often it asks.
    let ask = json!({"channel": "public:x"});
    eventually("it is served", || clients[1].refused("presence_stats", ask.clone()).0 == 108);
}

#[test]
fn in_a_namespace_there_is_a_rate_for_each_user_and_one_for_all() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let settings = json!({"namespaces": [
            {"name": "slow", "allow_subscribe_for_client": true, "allow_publish_for_client": true,
             "publish_rate_limit": 1, "publish_rate_burst": 3,
             "subscribe_rate_limit": 1, "subscribe_rate_burst": 2},
            {"name": "full", "allow_publish_for_client": true,
             "total_publish_rate_limit": 1, "total_publish_rate_burst": 4},
            {"name": "open", "allow_publish_for_client": true},
        ]});
        let settings: naru_gateway::namespaces::Settings = serde_json::from_value(settings).unwrap();
        options.namespaces = settings.into();
    });
    let mut clients: Vec<_> =
        ["alice", "alice", "bob"].iter().map(|user| Client::connect(one.address(), user)).collect();
    let mut publish = |channel: &str, times: usize| -> Vec<usize> {
        let served = clients.iter_mut().map(|client| {
            let mut served = 0;
            for _ in 0..times {
                let reply = client.ask("publish", json!({"channel": channel, "data": {}}));
                let error = &reply["error"];
                assert!(error.is_null() || error["code"] == 111 && error["temporary"] == true, "{reply}");
                served += usize::from(error.is_null());
            }
            served
        });
        served.collect()
    };
    let begun = Instant::now();
    let slow = publish("slow:a", 4);
    let of_user = 3..=at_most(3, begun);
    assert!(of_user.contains(&(slow[0] + slow[1])) && of_user.contains(&slow[2]), "{slow:?}");
    let begun = Instant::now();
    let full: usize = publish("full:a", 4).iter().sum();
    assert!((4..=at_most(4, begun)).contains(&full), "{full}");
    assert_eq!(publish("open:a", 9), [9; 3]);
    let begun = Instant::now();
    let mut subscribed = 0;
    eventually("who subscribes faster is refused", || {
        let reply = clients[2].ask("subscribe", json!({"channel": format!("slow:{subscribed}")}));
        let code = reply["error"]["code"].as_u64();
        assert!(matches!(code, None | Some(111)), "{reply}");
        subscribed += usize::from(code.is_none());
        code.is_some()
    });
    assert!((2..=at_most(2, begun)).contains(&subscribed), "{subscribed}");
}

#[test]
fn unless_it_is_said_otherwise_a_user_publishes_and_subscribes_as_fast_as_people_do() {
    let harbour = Harbour::open();
    let settings = json!({"namespaces": [
        {"name": "usual", "allow_subscribe_for_client": true, "allow_publish_for_client": true},
        {"name": "bursts", "allow_publish_for_client": true, "publish_rate_burst": 5},
        {"name": "any", "allow_subscribe_for_client": true, "allow_publish_for_client": true,
         "publish_rate_limit": 0, "subscribe_rate_limit": 0},
    ]});
    let settings: naru_gateway::namespaces::Settings = serde_json::from_value(settings).unwrap();
    let one = harbour.gateway_with("one", |options| options.namespaces = settings.into());
    let mut clients: Vec<_> =
        ["alice", "alice", "bob"].iter().map(|user| Client::connect(one.address(), user)).collect();
    // All at once, for so many as there may be at once come back within seconds: how many were done, and how the others were refused.
    let ask_all = |client: &mut Client, method: &str, requests: Vec<serde_json::Value>| {
        let count = requests.len();
        let all: Vec<_> =
            requests.into_iter().map(|it| json!({"id": client.next_id(), method: it}).to_string()).collect();
        for some in all.chunks(32) {
            client.raw(some.join("\n"));
        }
        let errors: Vec<_> =
            (0..count).map(|_| client.next()["error"].clone()).filter(|it| !it.is_null()).collect();
        for error in &errors {
            assert_eq!((&error["code"], &error["temporary"]), (&json!(111), &json!(true)), "{error}");
        }
        (count - errors.len(), errors)
    };
    let publications = |channel: &str, count| vec![json!({"channel": channel, "data": {}}); count];
    let subscriptions = |prefix: &str, count| {
        (0..count).map(|nth| json!({"channel": format!("{prefix}{nth}")})).collect::<Vec<_>>()
    };
    // Of so many at once, and so many in each second since then.
    let at_most = |burst: usize, a_second: f64, begun: Instant| {
        burst + (a_second * begun.elapsed().as_secs_f64()) as usize + 1
    };

    let begun = Instant::now();
    let (done, errors) = ask_all(&mut clients[0], "publish", publications("usual:a", 200));
    assert!((50..=at_most(50, 20.0, begun)).contains(&done), "{done}");
    assert!(errors[0]["message"].as_str().unwrap().contains("publish_rate_limit"), "{}", errors[0]);
    let more = ask_all(&mut clients[1], "publish", publications("usual:b", 200)).0;
    assert!(done + more <= at_most(50, 20.0, begun), "{done} and {more}: she had hers");
    assert_eq!(ask_all(&mut clients[2], "publish", publications("usual:a", 50)).0, 50, "of another user");
    let begun = Instant::now();
    let done = ask_all(&mut clients[2], "publish", publications("bursts:a", 60)).0;
    assert!((5..=at_most(5, 20.0, begun)).contains(&done), "{done}");
    assert_eq!(ask_all(&mut clients[2], "publish", publications("any:a", 200)).0, 200);

    // An SDK that comes back asks for all its channels at once.
    let begun = Instant::now();
    assert_eq!(ask_all(&mut clients[0], "subscribe", subscriptions("usual:", 128)).0, 128);
    let mut done = 128;
    eventually("who subscribes faster is refused", || {
        let mut more = Client::connect(one.address(), "alice");
        let (some, errors) = ask_all(&mut more, "subscribe", subscriptions("usual:", 128));
        done += some;
        errors.first().is_some_and(|it| it["message"].as_str().unwrap().contains("subscribe_rate_limit"))
    });
    assert!(done <= at_most(128, 50.0, begun), "{done}");
    assert_eq!(ask_all(&mut clients[2], "subscribe", subscriptions("any:", 128)).0, 128);
}
