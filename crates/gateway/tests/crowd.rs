//! More come than can be let in: who waits where, what they are told, and who does not wait with them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use naru_gateway::{
    Gateway,
    limits::{ADMIT_PATIENCE, ARRIVALS_MAX, Settings},
};
use serde_json::json;
use support::{
    Client, Harbour, PATIENCE, Strait, eventually,
    far_end::{Answer, By, FarEnd},
    gateway, gateway_with, metrics_apart, token,
};

/// How long somebody is watched who gets no answer.
const WATCHED: Duration = Duration::from_millis(300);

/// As many as are let in at once, and some; the broker does not answer them.
struct Full {
    clients: Vec<Client>,
    begun: Instant,
}

impl Full {
    fn of(address: SocketAddr, strait: &Strait) -> Full {
        let mut clients: Vec<_> = (0..ARRIVALS_MAX + 8).map(|_| Client::open(address)).collect();
        strait.becalm(true);
        let begun = Instant::now();
        for (nth, client) in clients.iter_mut().enumerate() {
            client.command("connect", json!({"token": token(&format!("user{nth}"))}));
        }
        Full { clients, begun }
    }

    /// The same, when nobody new is let in any more.
    fn seen(address: SocketAddr, strait: &Strait) -> Full {
        let full = Full::of(address, strait);
        // One that is not answered may just have met a busy core: so there are four.
        full.meanwhile("nobody new is let in", || {
            let knocks = [(); 4].map(|()| knock(address, ""));
            thread::sleep(WATCHED);
            knocks.iter().all(|it| answered(it, Duration::from_millis(1)).is_none())
        });
        full
    }

    /// Whether any of them may have been sent away, and others let in.
    fn is_over(&self) -> bool {
        self.begun.elapsed() >= ADMIT_PATIENCE
    }

    /// Looks until it is so, or this is over.
    fn meanwhile(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        eventually(what, || self.is_over() || is_so());
    }
}

/// Until an attempt answers that it was in time, which it may not be on a machine that is busy meanwhile.
fn in_time(attempt: impl Fn() -> bool) {
    assert!((0..10).any(|_| attempt()), "in none of ten attempts it came to that in time");
}

/// Asks for a session.
fn knock(address: SocketAddr, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The status it is answered with in that time, if it is.
fn answered(stream: &TcpStream, within: Duration) -> Option<String> {
    let mut line = [0; 12];
    stream.set_read_timeout(Some(within)).unwrap();
    let (mut stream, line_of) = (stream, |line: &[u8]| String::from_utf8(line[9..].to_vec()).unwrap());
    stream.read_exact(&mut line).is_ok().then(|| line_of(&line))
}

/// How many wait for a session, as the metrics say it.
fn waiting(gateway: &Gateway) -> usize {
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let page = Answer::to(gateway.metrics_address().unwrap(), request).rest();
    let page = String::from_utf8(page).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("naru_sessions_waiting ")).unwrap();
    line.parse().unwrap()
}

#[test]
fn while_as_many_are_let_in_as_may_be_who_comes_waits_and_nobody_else_does() {
    in_time(|| {
        let harbour = Harbour::open();
        let strait = Strait::to(harbour.address);
        let one = gateway_with("one", &strait.address, |options| options.metrics = metrics_apart());
        let there = FarEnd::connect(By::Stream, one.address(), "there");
        let full = Full::seen(one.address(), &strait);
        let new: Vec<_> = (0..50).map(|_| knock(one.address(), "")).collect();
        full.meanwhile("they are counted, and who has looked is not", || waiting(&one) == new.len());
        for path in ["/health", "/nowhere"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            assert!([200, 404].contains(&Answer::to(one.address(), request.as_bytes()).status));
        }
        assert_eq!(there.post(one.address(), "{}"), 204);
        let first = answered(&new[0], WATCHED);
        let is_in_time = !full.is_over();

        strait.becalm(false);
        if is_in_time {
            assert_eq!(first, None);
            for stream in &new {
                assert_eq!(answered(stream, PATIENCE).as_deref(), Some("101"));
            }
            assert_eq!(waiting(&one), 0);
        }
        one.stop();
        is_in_time
    });
}

#[test]
fn a_session_that_nobody_can_have_is_refused_at_once() {
    in_time(|| {
        let harbour = Harbour::open();
        let strait = Strait::to(harbour.address);
        let one = gateway("one", &strait.address);
        let full = Full::seen(one.address(), &strait);
        let evil = "Origin: https://evil.example\r\n";
        assert_eq!(answered(&knock(one.address(), evil), PATIENCE).as_deref(), Some("403"));
        let asked = |line: &str, headers: &str| {
            let request = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{headers}\r\n");
            Answer::to(one.address(), request.as_bytes()).status
        };
        for path in ["/connection/http_stream", "/connection/sse"] {
            assert_eq!(asked(&format!("POST {path}"), evil), 403, "{path}");
            assert_eq!(asked(&format!("DELETE {path}"), ""), 405, "{path}");
            assert_eq!(asked(&format!("OPTIONS {path}"), ""), 204, "{path}");
        }
        assert_eq!(asked("GET /connection/http_stream", ""), 405);
        assert_eq!(asked("GET /connection/sse", ""), 400);
        let other = answered(&knock(one.address(), ""), WATCHED);
        let is_in_time = !full.is_over();
        assert!(other.is_none() || !is_in_time, "others still wait");
        strait.becalm(false);
        one.stop();
        is_in_time
    });
}

#[test]
fn whose_turn_to_be_let_in_does_not_come_is_told_that_many_come_and_not_that_the_broker_is_away() {
    in_time(|| {
        let harbour = Harbour::open();
        let strait = Strait::to(harbour.address);
        let one = gateway("one", &strait.address);
        let mut full = Full::of(one.address(), &strait);
        let told = full.clients.iter_mut().map(|client| {
            let error = client.next()["error"].clone();
            assert_eq!(error["temporary"], json!(true), "{error}");
            (error["code"].as_u64().unwrap(), error["message"].as_str().unwrap().to_owned())
        });
        let mut told: Vec<_> = told.collect();
        told.sort();
        // If they are heard far apart, the last get their turn with time left, and are told of the broker as well.
        let is_in_time = full.begun.elapsed() < ADMIT_PATIENCE * 3 / 2;
        if is_in_time {
            let (asked, waited) = told.split_at(ARRIVALS_MAX);
            assert!(asked.iter().all(|it| *it == (100, "broker unreachable, try again".into())), "{asked:?}");
            let crowd = (111, "too many come at once, try again".to_owned());
            assert!(waited.iter().all(|it| *it == crowd), "{waited:?}");
        }
        strait.becalm(false);
        one.stop();
        is_in_time
    });
}

#[test]
fn so_many_wait_for_so_long_and_then_they_are_told_to_come_again() {
    in_time(|| {
        let harbour = Harbour::open();
        let strait = Strait::to(harbour.address);
        let patience = Duration::from_secs(2);
        let one = gateway_with("one", &strait.address, |options| {
            options.limits.newcomers_max = 5;
            options.limits.newcomer_patience = patience;
            options.cores = 1;
        });
        let full = Full::seen(one.address(), &strait);
        let begun = Instant::now();
        let waiting: Vec<_> = (0..5).map(|_| knock(one.address(), "")).collect();
        let next = Answer::of(BufReader::new(knock(one.address(), "")));
        let first = answered(&waiting[0], WATCHED);
        let mut is_in_time = begun.elapsed() < patience;
        if is_in_time {
            assert_eq!((next.status, next.header("retry-after")), (503, Some("1")));
            assert_eq!(first, None);
            waiting[0].set_read_timeout(Some(PATIENCE)).unwrap();
            let later = Answer::of(BufReader::new(waiting[0].try_clone().unwrap()));
            is_in_time = !full.is_over();
            if is_in_time {
                assert_eq!((later.status, later.header("retry-after")), (503, Some("1")));
            }
        }
        strait.becalm(false);
        one.stop();
        is_in_time
    });
}

#[test]
fn an_address_has_no_more_places_in_the_line_and_who_goes_gives_theirs_back() {
    let limits = Settings {
        address_connection_limit: 1,
        trusted_proxies: vec!["127.0.0.1".into()],
        ..Settings::default()
    };
    in_time(|| {
        let harbour = Harbour::open();
        let strait = Strait::to(harbour.address);
        let one = gateway_with("one", &strait.address, |options| {
            options.limits = limits.clone().try_into().unwrap();
        });
        let full = Full::seen(one.address(), &strait);
        let come = || knock(one.address(), "X-Forwarded-For: 192.0.2.1\r\n");
        let first = come();
        let (waits, next) = (answered(&first, WATCHED), answered(&come(), PATIENCE));
        if !full.is_over() {
            assert_eq!((waits, next.as_deref()), (None, Some("503")));
        }
        drop(first);
        full.meanwhile("the place of who has gone is free", || answered(&come(), WATCHED).is_none());
        let is_in_time = !full.is_over();
        strait.becalm(false);
        one.stop();
        is_in_time
    });
}
