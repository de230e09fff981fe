//! Who comes in.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use naru_gateway::{Gateway, limits::Settings};
use serde_json::json;

use crate::{
    get, limited, signed_in, status,
    support::{Client, Harbour, eventually, far_end::Answer, metrics_apart, token},
    upgraded,
};

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
    let mut open = Vec::new();
    eventually("two are in", || {
        open.extend(signed_in(one.address()));
        open.len() == 2
    });
    let refused = || -> u64 {
        let page = get(one.metrics_address().unwrap(), "/metrics", "");
        let mut lines = page.lines();
        let count =
            lines.find_map(|line| line.strip_prefix("naru_sessions_refused_total{reason=\"connections\"} "));
        count.unwrap().parse().unwrap()
    };
    // While the one that looked whether the server had started was not gone, some may have been.
    let before = refused();
    let (_, answer) = upgraded(one.address(), "");
    assert_eq!(status(&answer), "503", "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1\r\n"), "{answer}");
    assert_eq!(refused(), before + 1);
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
    // Three times as many as there may be, none of whom says who it is. Each has two seconds before the next takes the place.
    let begun = Instant::now();
    let mut strangers: Vec<_> = (0..12).map(|_| Client::open(one.address())).collect();
    assert!(begun.elapsed() >= Duration::from_millis(3_900), "{:?}", begun.elapsed());
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
