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
use socket2::SockRef;
use support::{
    Client, Harbour, PATIENCE, eventually,
    far_end::{Answer, By, FarEnd, narrow, narrow_subscriber},
    metrics_apart, token,
};

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

/// A WebSocket on which somebody has signed in, if it is one.
fn signed_in(address: SocketAddr) -> Option<TcpStream> {
    let (mut stream, answer) = upgraded(address, "");
    if status(&answer) != "101" {
        return None;
    }
    let command = json!({"id": 1, "connect": {"token": token("bob")}}).to_string();
    let [high, low] = u16::try_from(command.len()).unwrap().to_be_bytes();
    // The mask is four zeros: it changes nothing.
    stream.write_all(&[&[0x81, 0xfe, high, low, 0, 0, 0, 0], command.as_bytes()].concat()).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&heard).contains("\"client\"") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&buffer[..count]);
    }
    Some(stream)
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
    let codes = sent_away(&mut client);
    // Connect was one of four; as many again are refused.
    let served = codes.iter().take_while(|&&code| code == 108).count();
    assert!((3..=5).contains(&served), "{codes:?}");
    assert!(codes[served..].iter().all(|&code| code == 111) && codes.len() - served >= 3, "{codes:?}");
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

#[test]
fn a_user_has_so_many_connections_and_others_theirs() {
    let harbour = Harbour::open();
    for inboxes in [true, false] {
        let settings = Settings { user_connection_limit: 3, ..Settings::default() };
        let one = harbour.gateway_with(if inboxes { "one" } else { "two" }, |options| {
            options.limits = settings.try_into().unwrap();
            options.inboxes = inboxes;
        });
        has_so_many_connections(&one);
        one.stop();
    }
}

fn has_so_many_connections(one: &Gateway) {
    let _more = Client::connect(one.address(), "alice");
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
    let one = harbour.gateway_with("one", |options| {
        options.limits = Settings { connection_limit: Some(2), ..Settings::default() }.try_into().unwrap();
        options.metrics = metrics_apart();
    });
    eventually("the one that has looked is gone", || get(one.address(), "/health", "").ends_with("{}"));
    let mut open = Vec::new();
    eventually("two are in", || {
        open.extend(signed_in(one.address()));
        open.len() == 2
    });
    let (_, answer) = upgraded(one.address(), "");
    assert_eq!(status(&answer), "503", "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1\r\n"), "{answer}");
    let page = get(one.metrics_address().unwrap(), "/metrics", "");
    assert!(page.contains("naru_sessions_refused_total{reason=\"connections\"} 1\n"), "{page}");
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

/// Without what browsers want of an answer to another origin, a page sees no status.
fn assert_refused_visibly(address: SocketAddr, headers: &str, status: u16) {
    let origin = "https://app.example";
    for request in [
        "POST /connection/http_stream HTTP/1.1\r\ncontent-length: 0\r\n",
        "GET /connection/sse?cf_connect=%7b%7d HTTP/1.1\r\n",
    ] {
        let request = format!("{request}host: x\r\norigin: {origin}\r\n{headers}\r\n");
        let answer = Answer::to(address, request.as_bytes());
        assert_eq!(answer.status, status, "{}", answer.head);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{}", answer.head);
        assert_eq!(answer.header("vary"), Some("origin"));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}

#[test]
fn bad_tokens_keep_an_address_out_before_it_is_a_connection() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.address_refusal_limit = 2;
        settings.trusted_proxies = vec!["127.0.0.1".into()];
    });
    let from = |address: &'static str| [("X-Forwarded-For", address)];
    for _ in 0..2 {
        let mut client = Client::open_with(one.address(), &from("192.0.2.1"));
        client.command("connect", json!({"token": "a.b.c"}));
        assert_eq!(client.closed(), Some((3500, "invalid token".into())));
    }
    let (_, answer) = upgraded(one.address(), "X-Forwarded-For: 192.0.2.1\r\n");
    assert_eq!(status(&answer), "429", "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1\r\n"), "{answer}");
    assert_refused_visibly(one.address(), "X-Forwarded-For: 192.0.2.1\r\n", 429);
    let mut other = Client::open_with(one.address(), &from("192.0.2.2"));
    assert!(other.ask("connect", json!({"token": token("alice")}))["error"].is_null());
}

#[test]
fn strangers_make_room_for_those_who_sign_in() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.connection_limit = Some(8);
        settings.stranger_limit = 4;
    });
    eventually("whoever has looked is gone", || get(one.address(), "/ready", "").ends_with("{}"));
    let mut known: Vec<_> = (0..2).map(|_| Client::connect(one.address(), "alice")).collect();
    // Three times as many as there may be, none of whom says who it is.
    let mut strangers: Vec<_> = (0..12).map(|_| Client::open(one.address())).collect();
    let mut more: Vec<_> = (0..6).map(|_| Client::connect(one.address(), "bob")).collect();
    for client in known.iter_mut().chain(&mut more) {
        assert_eq!(client.refused("presence_stats", json!({"channel": "public:x"})).0, 108);
    }
    // Who came first went first, and comes back.
    assert_eq!(strangers.remove(0).closed(), Some((3013, "too many requests".into())));
    let (_, answer) = upgraded(one.address(), "");
    assert_eq!(status(&answer), "503", "nobody who has signed in makes room: {answer}");
    assert_refused_visibly(one.address(), "", 503);
}

#[test]
fn what_is_begun_and_not_ended_is_not_waited_for() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let address = one.address();
    let mut kept = Client::connect(address, "alice");
    let begun = Instant::now();
    // Writes these at once and then a little each second, until the other side says this or ends it: what it says, and when.
    fn drip(
        mut stream: TcpStream,
        (first, more): (Vec<u8>, &[u8]),
        until: &str,
        begun: Instant,
    ) -> (String, Duration) {
        stream.write_all(&first).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while begun.elapsed() < PATIENCE {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if stream.write_all(more).is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
            if String::from_utf8_lossy(&heard).contains(until) {
                break;
            }
        }
        (String::from_utf8_lossy(&heard).into_owned(), begun.elapsed())
    }
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Length: 9999\r\n\r\n{{",
            support::API_KEY
        )
    };
    // A frame; a message in several of which the last never comes, while there are pings; bodies; headers.
    let frame = [&[0x81, 0xfe, 0x20, 0, 0, 0, 0, 0][..], b"{"].concat();
    let message = [&[0x01, 0x81, 0, 0, 0, 0][..], b"{"].concat();
    let ping: &'static [u8] = &[0x89, 0x80, 0, 0, 0, 0];
    let letter: &'static [u8] = b"a";
    let plain = || TcpStream::connect(address).unwrap();
    let (closed, late) = ("connection closed", "HTTP/1.1 408 ");
    let all = [
        ("frame", signed_in(address).unwrap(), frame, letter, closed),
        ("message", signed_in(address).unwrap(), message, ping, closed),
        ("stream", plain(), post("/connection/http_stream").into(), letter, late),
        ("emulation", plain(), post("/emulation").into(), letter, late),
        ("headers", plain(), b"GET / HTTP/1.1\r\nX: ".to_vec(), letter, "nothing at all"),
    ]
    .map(|(what, stream, first, more, until)| {
        (what, until, std::thread::spawn(move || drip(stream, (first, more), until, begun)))
    });
    for (what, until, thread) in all {
        let (heard, after) = thread.join().unwrap();
        let least = Duration::from_secs(if what == "headers" { 4 } else { 9 });
        assert!((least..PATIENCE).contains(&after), "{what}: {after:?} {heard:?}");
        assert_eq!(heard.contains(until), what != "headers", "{what}: {heard:?}");
    }
    // Who is merely silent stays.
    assert_eq!(kept.refused("presence_stats", json!({"channel": "public:x"})).0, 108);
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
        options.grace = PATIENCE;
        options.metrics = metrics_apart();
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
                let mut served = Duration::ZERO;
                loop {
                    let asked = begun.elapsed();
                    let id = client.command("rpc", json!({"method": "unread", "data": {}}));
                    match client.try_next() {
                        Ok(reply) => {
                            assert_eq!(reply["id"], id);
                            served = asked;
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        Err(ended) => return (begun.elapsed(), served, ended),
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
    assert!(gone.iter().any(|(_, served, _)| *served > gone[4].0), "{gone:?}");
    assert!(gone[19].0 >= drain * 3 / 4, "{gone:?}");
    stopping.join().unwrap();
    assert!(begun.elapsed() < PATIENCE, "the grace is not waited for: {:?}", begun.elapsed());
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
        "naru_channel_deliveries_total{namespace=\"public\"} 1",
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
        std::thread::sleep(Duration::from_millis(60));
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
    let is_sent_away = |count| {
        eventually("it is sent away", || metric(address, WRITE_ERRORS) >= count);
    };
    let mut bob = asks_for_much(address, ROOMY);
    is_sent_away(1);
    let end = loop {
        if let Err(end) = bob.try_next() {
            break end;
        }
    };
    assert_eq!(end, Some((3009, "write error".into())));
    for (count, by) in [(2, By::Stream), (3, By::Events)] {
        let mut carol = FarEnd::connect_on(by, narrow(address, ROOMY), "carol");
        assert_eq!(carol.post(address, &much().join("\n")), 204);
        is_sent_away(count);
        assert_eq!(carol.disconnected(), json!({"code": 3009, "reason": "write error"}), "{by:?}");
    }
    one.stop();
}

#[test]
fn who_takes_a_little_now_and_then_gets_everything() {
    let harbour = Harbour::open();
    let timeout = Duration::from_secs(1);
    let one = with_much_to_ask_for(&harbour, timeout);
    let bob = asks_for_much(one.address(), 4 << 10);
    // Too little for the kernel to say that it takes more of us.
    let begun = Instant::now();
    let mut heard = Vec::new();
    while begun.elapsed() < timeout * 5 {
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
