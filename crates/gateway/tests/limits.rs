//! What clients may take, how they are sent away, and what is counted of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use naru_gateway::{Gateway, limits::Settings, metrics};
use serde_json::json;
use support::{Client, Harbour, PATIENCE, eventually, token};

fn limited(harbour: &Harbour, change: impl FnOnce(&mut Settings)) -> Gateway {
    let mut settings = Settings::default();
    change(&mut settings);
    harbour.gateway_with("one", |options| options.limits = settings.try_into().unwrap())
}

fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// What a WebSocket is answered: the status.
fn upgraded(address: SocketAddr, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        answer.push(byte[0]);
    }
    (stream, String::from_utf8(answer).unwrap())
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[test]
fn commands_come_at_a_rate_and_who_does_not_slow_down_is_closed() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.command_rate_limit = 1;
        settings.command_rate_burst = 4;
    });
    let mut client = Client::connect(one.address(), "alice");
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
    // Connect was one of four; as many again are refused.
    let served = codes.iter().take_while(|&&code| code == 108).count();
    assert!((3..=5).contains(&served), "{codes:?}");
    assert!(codes[served..].iter().all(|&code| code == 111) && codes.len() - served >= 3, "{codes:?}");
    let mut other = Client::connect(one.address(), "alice");
    assert_eq!(other.refused("presence_stats", json!({"channel": "public:x"})).0, 108);
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

#[test]
fn a_user_has_so_many_connections_and_others_theirs() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| settings.user_connection_limit = 2);
    let first = Client::connect(one.address(), "alice");
    let _second = Client::connect(one.address(), "alice");
    let _other = Client::connect(one.address(), "bob");
    let mut third = Client::open(one.address());
    third.command("connect", json!({"token": token("alice")}));
    assert_eq!(third.closed(), Some((3504, "connection limit".into())));
    first.leave();
    eventually("there is room again", || {
        let mut again = Client::open(one.address());
        let id = again.command("connect", json!({"token": token("alice")}));
        again.try_next().is_ok_and(|reply| reply["id"] == id)
    });
}

#[test]
fn a_server_has_so_many_connections_and_says_so_before_it_is_one() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| settings.connection_limit = 2);
    eventually("the one that has looked is gone", || get(one.address(), "/health", "").ends_with("{}"));
    let mut open = Vec::new();
    eventually("two are in", || {
        let (stream, answer) = upgraded(one.address(), "");
        if status(&answer) == "101" {
            open.push(stream);
        }
        open.len() == 2
    });
    let (_, answer) = upgraded(one.address(), "");
    assert_eq!(status(&answer), "503", "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1\r\n"), "{answer}");
    // Everything else is served as ever.
    assert_eq!(status(&get(one.address(), "/ready", "")), "200");
    open.pop();
    eventually("there is room again", || status(&upgraded(one.address(), "").1) == "101");
}

#[test]
fn an_address_that_a_proxy_names_has_so_many_connections() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.address_connection_limit = 1;
        settings.trusted_proxies = vec!["127.0.0.1".into()];
    });
    let come = |from: &str| upgraded(one.address(), &format!("X-Forwarded-For: {from}\r\n"));
    let (_open, answer) = come("192.0.2.1");
    assert_eq!(status(&answer), "101");
    assert_eq!(status(&come("192.0.2.1").1), "503");
    assert_eq!(status(&come("192.0.2.2").1), "101");
    let _many: Vec<_> =
        (0..3).map(|_| upgraded(one.address(), "")).inspect(|it| assert_eq!(status(&it.1), "101")).collect();
}

#[test]
fn messages_and_channels_are_as_many_and_as_large_as_is_set() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.message_size_limit = 2048;
        settings.channel_limit = 2;
    });
    let mut client = Client::connect(one.address(), "alice");
    client.subscribe("public:1");
    client.subscribe("public:2");
    assert_eq!(client.refused("subscribe", json!({"channel": "public:3"})).0, 106);
    client.raw("x".repeat(2049));
    assert_eq!(client.closed().map(|(code, _)| code), Some(1009));
}

#[test]
fn clients_go_one_after_the_other_while_the_rest_is_served() {
    let harbour = Harbour::open();
    let drain = Duration::from_secs(2);
    let one = harbour.gateway_with("one", |options| {
        options.drain = drain;
        options.metrics = serde_json::from_value::<metrics::Settings>(json!({"address": "127.0.0.1:0"}))
            .unwrap()
            .try_into()
            .unwrap();
    });
    let (address, apart) = (one.address(), one.metrics_address().unwrap());
    assert_eq!(status(&get(apart, "/ready", "")), "200");
    let clients: Vec<_> = (0..20).map(|number| Client::connect(address, &format!("user-{number}"))).collect();
    let begun = Instant::now();
    let stopping = std::thread::spawn(move || one.stop());
    let gone: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                let mut answered = 0;
                loop {
                    let id = client.command("rpc", json!({"method": "unread", "data": {}}));
                    match client.try_next() {
                        Ok(reply) => {
                            assert_eq!(reply["id"], id);
                            answered += 1;
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        Err(ended) => return (begun.elapsed(), answered, ended),
                    }
                }
            })
        })
        .collect();
    eventually("it is not ready any more", || {
        let answer = get(apart, "/ready", "");
        status(&answer) == "503" && answer.ends_with(r#"{"reason":"draining"}"#)
    });
    eventually("nobody is let in", || TcpStream::connect(address).is_err());
    let mut gone: Vec<_> = gone.into_iter().map(|thread| thread.join().unwrap()).collect();
    gone.sort();
    assert!(gone.iter().all(|(_, _, ended)| *ended == Some((3001, "shutdown".into()))), "{gone:?}");
    // Two cores, ten clients each, every 200 ms.
    assert!(gone[4].0 < drain * 3 / 4, "{gone:?}");
    assert!(gone[19].0 >= drain * 3 / 4 && gone[19].1 > gone[0].1, "{gone:?}");
    stopping.join().unwrap();
    assert!(begun.elapsed() < drain + Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn a_server_without_its_broker_is_alive_and_not_ready() {
    let mut harbour = Harbour::open();
    let one = harbour.gateway("one");
    assert_eq!(status(&get(one.address(), "/ready", "")), "200");
    harbour.stop();
    eventually("it is not ready", || {
        let answer = get(one.address(), "/ready", "");
        status(&answer) == "503" && answer.ends_with(r#"{"reason":"no broker"}"#)
    });
    assert_eq!(status(&get(one.address(), "/health", "")), "200");
}

/// The names of metrics, with what Prometheus has behind them.
fn names(page: &str) -> Vec<(String, String)> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|it| it.split_once(' ').unwrap()).map(|(name, kind)| (name.into(), kind.into())).collect()
}

#[test]
fn metrics_are_shown_where_and_to_whom_they_are_to_be_and_are_those_of_the_document() {
    let harbour = Harbour::open();
    let plain = harbour.gateway("plain");
    assert_eq!(status(&get(plain.address(), "/metrics", "")), "404");
    let one = harbour.gateway_with("one", |options| {
        let settings = json!({"on_clients_port": true, "token": "hush"});
        options.metrics = serde_json::from_value::<metrics::Settings>(settings).unwrap().try_into().unwrap();
    });
    let address = one.address();
    assert_eq!(status(&get(address, "/metrics", "")), "401");
    assert_eq!(status(&get(address, "/metrics", "Authorization: Bearer hus\r\n")), "401");
    let scrape = || get(address, "/metrics", "Authorization: Bearer hush\r\n");

    let mut alice = Client::connect(address, "alice-whom-nobody-is-to-know");
    alice.subscribe("public:secret-channel");
    alice.ask("publish", json!({"channel": "public:secret-channel", "data": {"secret": "body"}}));
    alice.publication();
    assert_eq!(alice.refused("subscribe", json!({"channel": "nowhere:x"})).0, 102);
    let expected = [
        "naru_sessions{transport=\"websocket\",encoding=\"json\"} 1",
        "naru_sessions{transport=\"sse\",encoding=\"json\"} 0",
        "naru_users 1",
        // With her inbox.
        "naru_subscriptions 2",
        "naru_commands_total{command=\"publish\"} 1",
        "naru_command_errors_total{code=\"102\"} 1",
        "naru_deliveries_total 1",
        "naru_publications_total{namespace=\"public\"} 1",
        "naru_published_bytes_total{namespace=\"public\"} 17",
        "naru_proxy_calls_total{hook=\"connect\",outcome=\"result\"} 0",
        "naru_bus_up 1",
    ];
    eventually("all is counted, and whoever has looked before is gone", || {
        let page = scrape();
        expected.iter().all(|line| page.lines().any(|it| it == *line))
    });
    let page = scrape();
    for secret in ["alice", "secret", "hush", "body"] {
        assert!(!page.contains(secret), "{secret} is in {page}");
    }
    alice.leave();
    eventually("she is gone", || {
        let page = scrape();
        page.lines().any(|it| it == "naru_users 0") && page.contains("naru_subscriptions 0\n")
    });

    let document = include_str!("../../../docs/metrics.md");
    let told: Vec<_> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| row.split('`').next().unwrap().split('{').next().unwrap().to_owned())
        // It has no broker inside.
        .filter(|name| !name.starts_with("naru_broker_"))
        .collect();
    let suffixed = |(name, kind): (String, String)| {
        if kind == "counter" { format!("{name}_total") } else { name }
    };
    let exported: Vec<_> = names(&page).into_iter().map(suffixed).collect();
    assert_eq!(told, exported, "docs/metrics.md has them in the order in which they are exported");
}
