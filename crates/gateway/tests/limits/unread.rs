//! Clients that do not read.

use std::{
    io::Read,
    net::SocketAddr,
    time::{Duration, Instant},
};

use naru_gateway::{
    Gateway,
    limits::{SLOW_PATIENCE, Settings},
    metrics,
};
use serde_json::json;
use socket2::SockRef;

use crate::{
    get,
    support::{
        Client, Harbour, eventually,
        far_end::{By, FarEnd, narrow, narrow_subscriber},
        token, told_at_last,
    },
};

#[test]
fn for_whom_most_waits_makes_room_where_too_much_waits_for_all() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let limits = Settings { waiting_size_limit: Some(4 << 20), ..Settings::default() };
        options.limits = limits.try_into().unwrap();
        let settings = json!({"on_clients_port": true, "token": "t"});
        options.metrics = serde_json::from_value::<metrics::Settings>(settings).unwrap().try_into().unwrap();
    });
    let cut_off = || -> u32 {
        let page = get(one.address(), "/metrics", "Authorization: Bearer t\r\n");
        let line = page.lines().find_map(|it| it.strip_prefix("naru_disconnects_total{code=\"3008\"} "));
        // There is none before the first.
        line.map_or(0, |count| count.parse().unwrap())
    };
    // For this one more waits than for each of the others.
    let mut greedy = narrow_subscriber(one.address(), "public:all");
    greedy.ask(one.address(), "subscribe", json!({"channel": "public:more"}));
    let slow: Vec<FarEnd> = (0..16).map(|_| narrow_subscriber(one.address(), "public:all")).collect();
    let mut quick = Client::connect(one.address(), "quick");
    let data = "x".repeat(60_000);
    for _ in 0..6 {
        quick.ask("publish", json!({"channel": "public:more", "data": data}));
    }
    // The kernel takes some; then what waits is not more for any of them than may wait for one, and for all together more than 4 MiB.
    eventually("somebody makes room", || {
        quick.ask("publish", json!({"channel": "public:all", "data": data}));
        // Nothing tells that the server has looked, which it does every 100 ms: with more in between more would be cut off.
        std::thread::sleep(Duration::from_millis(200));
        cut_off() > 0
    });
    // Some more looks, which find nothing more to do.
    std::thread::sleep(Duration::from_millis(500));
    assert!(cut_off() <= 13, "what fits stays, and {} were cut off", cut_off());
    eventually("the first is for whom most waits", || harbour.listeners("public:more") == 0);
    assert!(quick.ask("ping", json!({}))["error"]["code"] == 108, "who reads stays");
    drop((greedy, slow));
    one.stop();
}

/// What a metric stands at; 0 where there is none yet.
fn metric(address: SocketAddr, name: &str) -> u64 {
    let page = get(address, "/metrics", "Authorization: Bearer t\r\n");
    let line = page.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |count| count.parse().unwrap())
}

const WRITE_ERRORS: &str = "naru_disconnects_total{code=\"3009\"}";

/// A server with a channel `kept:a` of which an answer takes much room, and metrics.
fn with_much_to_ask_for(harbour: &Harbour, write_timeout: Duration) -> Gateway {
    let one = harbour.gateway_with("one", |options| {
        options.limits = Settings { write_timeout, ..Settings::default() }.try_into().unwrap();
        let settings = json!({"on_clients_port": true, "token": "t"});
        options.metrics = serde_json::from_value::<metrics::Settings>(settings).unwrap().try_into().unwrap();
        let settings = json!({"namespaces": [
            {"name": "kept", "allow_publish_for_client": true, "allow_history_for_client": true,
             "history_size": 1, "history_ttl": "1h"},
        ]});
        options.namespaces =
            serde_json::from_value::<naru_gateway::namespaces::Settings>(settings).unwrap().into();
    });
    let published = Client::connect(one.address(), "ann")
        .ask("publish", json!({"channel": "kept:a", "data": "x".repeat(60_000)}));
    assert_eq!(published["publish"], json!({}), "{published}");
    one
}

/// So much that neither the kernel nor the server holds it for who does not read.
const ANSWERS: u64 = 200;

fn much() -> Vec<String> {
    let ask = |id| json!({"id": id, "history": {"channel": "kept:a", "limit": 1}}).to_string();
    (100..100 + ANSWERS).map(ask).collect()
}

/// A client that has asked for much, and reads nothing of it yet.
fn asks_for_much(address: SocketAddr, receive_bytes: usize) -> Client {
    let mut client = Client::open_on(narrow(address, receive_bytes), &[]);
    assert!(client.ask("connect", json!({"token": token("bob")}))["error"].is_null());
    client.raw(much().join("\n"));
    client
}

/// What can be read within the time that there is for last words.
const ROOMY: usize = 64 << 10;

#[test]
fn who_takes_nothing_of_what_waits_is_told_so_and_sent_away() {
    let harbour = Harbour::open();
    let one = with_much_to_ask_for(&harbour, Duration::from_secs(1));
    let address = one.address();
    let mut count = 0;
    let mut is_sent_away = || {
        count += 1;
        eventually("it is sent away", || metric(address, WRITE_ERRORS) >= count);
    };
    let end = told_at_last(SLOW_PATIENCE, |_| {
        let mut bob = asks_for_much(address, ROOMY);
        is_sent_away();
        bob.closed()
    });
    assert_eq!(end, Some((3009, "write error".into())));
    for by in [By::Stream, By::Events] {
        let end = told_at_last(SLOW_PATIENCE, |_| {
            let carol = FarEnd::connect_on(by, narrow(address, ROOMY), "carol");
            assert_eq!(carol.post(address, &much().join("\n")), 204);
            is_sent_away();
            carol.last_words()
        });
        assert_eq!(end, Some(json!({"code": 3009, "reason": "write error"})), "{by:?}");
    }
    one.stop();
}

#[test]
fn who_takes_a_little_now_and_then_gets_everything() {
    let harbour = Harbour::open();
    let timeout = Duration::from_secs(4);
    let one = with_much_to_ask_for(&harbour, timeout);
    let bob = asks_for_much(one.address(), 4 << 10);
    // Too little for the kernel to say that it takes more of us.
    let begun = Instant::now();
    let mut heard = Vec::new();
    while begun.elapsed() < timeout * 2 {
        std::thread::sleep(Duration::from_millis(20));
        let mut some = [0; 512];
        let count = bob.stream().read(&mut some).unwrap();
        heard.extend_from_slice(&some[..count]);
    }
    assert_eq!(metric(one.address(), WRITE_ERRORS), 0);
    SockRef::from(bob.stream()).set_recv_buffer_size(1 << 20).unwrap();
    // The rest, behind what was read in the midst of a frame.
    let wanted = format!("\"id\":{}", 100 + ANSWERS - 1);
    let mut buffer = vec![0; 1 << 20];
    while !String::from_utf8_lossy(&heard).contains(&wanted) {
        heard.drain(..heard.len().saturating_sub(100));
        let count = bob.stream().read(&mut buffer).unwrap();
        assert!(count > 0, "it was cut off");
        heard.extend_from_slice(&buffer[..count]);
    }
    one.stop();
}

#[test]
fn who_is_gone_when_something_is_written_is_counted_as_a_write_error() {
    let harbour = Harbour::open();
    let one = with_much_to_ask_for(&harbour, Duration::from_secs(60));
    let bob = asks_for_much(one.address(), ROOMY);
    // Until it is written to, and not read.
    let mut sent = 0;
    eventually("much waits", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = metric(one.address(), "naru_sent_bytes_total");
        std::mem::replace(&mut sent, now) == now
    });
    drop(bob);
    eventually("it failed", || metric(one.address(), WRITE_ERRORS) == 1);
    one.stop();
}
