//! More come than can be let in: who waits where, what they are told, and who does not wait with them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use naru_gateway::{
    Gateway,
    limits::{ARRIVALS_MAX, Settings},
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
fn fill(address: SocketAddr, strait: &Strait) -> Vec<Client> {
    let mut clients: Vec<_> = (0..ARRIVALS_MAX + 8).map(|_| Client::open(address)).collect();
    strait.becalm(true);
    for (nth, client) in clients.iter_mut().enumerate() {
        client.command("connect", json!({"token": token(&format!("user{nth}"))}));
    }
    clients
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

/// Until somebody who asks for a session is not answered.
fn wait_until_full(address: SocketAddr) {
    eventually("nobody new is let in", || answered(&knock(address, ""), WATCHED).is_none());
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
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let one = gateway_with("one", &strait.address, |options| options.metrics = metrics_apart());
    let there = FarEnd::connect(By::Stream, one.address(), "there");
    let _filling = fill(one.address(), &strait);
    wait_until_full(one.address());
    let new: Vec<_> = (0..50).map(|_| knock(one.address(), "")).collect();
    eventually("they are counted, and who has looked is not", || waiting(&one) == new.len());
    for path in ["/health", "/nowhere"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!([200, 404].contains(&Answer::to(one.address(), request.as_bytes()).status));
    }
    assert_eq!(there.post(one.address(), "{}"), 204);
    assert_eq!(answered(&new[0], WATCHED), None);

    strait.becalm(false);
    for stream in &new {
        assert_eq!(answered(stream, PATIENCE).as_deref(), Some("101"));
    }
    assert_eq!(waiting(&one), 0);
    one.stop();
}

#[test]
fn a_session_that_nobody_can_have_is_refused_at_once() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let one = gateway("one", &strait.address);
    let _filling = fill(one.address(), &strait);
    wait_until_full(one.address());
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
    assert!(answered(&knock(one.address(), ""), WATCHED).is_none(), "others still wait");
    strait.becalm(false);
    one.stop();
}

#[test]
fn whose_turn_to_be_let_in_does_not_come_is_told_that_many_come_and_not_that_the_broker_is_away() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let one = gateway("one", &strait.address);
    let mut told: Vec<_> = fill(one.address(), &strait)
        .iter_mut()
        .map(|client| {
            let error = client.next()["error"].clone();
            assert_eq!(error["temporary"], json!(true), "{error}");
            (error["code"].as_u64().unwrap(), error["message"].as_str().unwrap().to_owned())
        })
        .collect();
    told.sort();
    let (asked, waited) = told.split_at(ARRIVALS_MAX);
    assert!(asked.iter().all(|it| *it == (100, "broker unreachable, try again".into())), "{asked:?}");
    assert!(waited.iter().all(|it| *it == (111, "too many come at once, try again".into())), "{waited:?}");
    strait.becalm(false);
    one.stop();
}

#[test]
fn so_many_wait_for_so_long_and_then_they_are_told_to_come_again() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let one = gateway_with("one", &strait.address, |options| {
        options.limits.newcomers_max = 5;
        options.limits.newcomer_patience = Duration::from_secs(2);
        options.cores = 1;
    });
    let _filling = fill(one.address(), &strait);
    wait_until_full(one.address());
    let waiting: Vec<_> = (0..5).map(|_| knock(one.address(), "")).collect();
    let next = Answer::of(BufReader::new(knock(one.address(), "")));
    assert_eq!((next.status, next.header("retry-after")), (503, Some("1")));
    assert_eq!(answered(&waiting[0], WATCHED), None);
    waiting[0].set_read_timeout(Some(PATIENCE)).unwrap();
    let later = Answer::of(BufReader::new(waiting[0].try_clone().unwrap()));
    assert_eq!((later.status, later.header("retry-after")), (503, Some("1")));
    strait.becalm(false);
    one.stop();
}

#[test]
fn an_address_has_no_more_places_in_the_line_and_who_goes_gives_theirs_back() {
    let harbour = Harbour::open();
    let strait = Strait::to(harbour.address);
    let limits = Settings {
        address_connection_limit: 1,
        trusted_proxies: vec!["127.0.0.1".into()],
        ..Settings::default()
    };
    let one = gateway_with("one", &strait.address, |options| options.limits = limits.try_into().unwrap());
    let _filling = fill(one.address(), &strait);
    wait_until_full(one.address());
    let come = || knock(one.address(), "X-Forwarded-For: 192.0.2.1\r\n");
    let first = come();
    assert_eq!(answered(&first, WATCHED), None);
    assert_eq!(answered(&come(), PATIENCE).as_deref(), Some("503"));
    drop(first);
    eventually("the place of who has gone is free", || answered(&come(), WATCHED).is_none());
    strait.becalm(false);
    one.stop();
}
