//! Sessions over plain HTTP: streaming, server-sent events, and commands that are posted apart.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    thread,
    time::Instant,
};

use naru_gateway::limits::CLOSE_PATIENCE;
use prost::Message as _;
use serde_json::json;
use support::{
    Client, Harbour, PATIENCE, eventually,
    far_end::{Answer, By, FarEnd, connect, narrow, narrow_subscriber, post},
    protobuf::{self, Command, Connected, Emulation, Nothing},
    token, told_at_last,
};

const BOTH: [By; 2] = [By::Stream, By::Events];

#[test]
fn a_session_is_a_whole_one_whatever_brings_it() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let mut other = Client::connect(gateway.address(), "bob");
    for by in BOTH {
        let user = format!("ann{by:?}");
        let mut ann = FarEnd::connect(by, gateway.address(), &user);
        assert_eq!(ann.node, "a");
        let channel = format!("public:{by:?}");
        let reply = ann.ask(gateway.address(), "subscribe", json!({"channel": channel}));
        assert_eq!(reply["subscribe"], json!({}), "{by:?}");
        // What goes to many, and what goes to an inbox.
        other.ask("publish", json!({"channel": channel, "data": {"lines": "a\nb"}}));
        assert_eq!(ann.pushed(|push| push["channel"] == channel)["pub"]["data"], json!({"lines": "a\nb"}));
        other.send(&user, "1", "hello");
        let push = ann.pushed(|push| push["channel"] == format!("inbox:{user}"));
        assert_eq!(push["pub"]["data"]["body"]["text"], "hello");
        let sent = json!({"method": "send", "data": {"to": "@bob", "id": "1", "body": {"text": "hi"}}});
        assert!(ann.ask(gateway.address(), "rpc", sent)["error"].is_null());
        other.pushed(|push| push["pub"]["data"]["body"]["text"] == "hi");
        ann.cut();
        eventually("its subscription ends with it", || harbour.listeners(&channel) == 0);
    }
}

#[test]
fn nobody_on_the_way_is_to_keep_a_stream_and_pages_of_listed_origins_may_read_it() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let origin = "origin: https://app.example\r\n";
    let opened = |request: String| Answer::to(gateway.address(), request.as_bytes());
    let frame = connect("ann").replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let length = connect("ann").len();
    let stream = opened(format!(
        "POST /connection/http_stream HTTP/1.1\r\nhost: x\r\n{origin}content-length: {length}\r\n\r\n{}",
        connect("ann")
    ));
    let events =
        opened(format!("GET /connection/sse?cf_connect={frame} HTTP/1.1\r\nhost: x\r\n{origin}\r\n"));
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    for answer in [stream, events] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!((answer.header("vary"), answer.header("x-accel-buffering")), (Some("origin"), Some("no")));
        assert!(answer.header("cache-control").unwrap().contains("no-store"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(answer.header("date").is_some());
    }
}

#[test]
fn browsers_are_told_what_pages_may_do_and_strangers_pages_are_refused() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let asked = |method: &str, path: &str, origin: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\ncontent-length: 0\r\n\
             access-control-request-headers: content-type\r\n\r\n"
        );
        Answer::to(gateway.address(), request.as_bytes())
    };
    for path in ["/connection/http_stream", "/connection/sse", "/emulation"] {
        let answer = asked("OPTIONS", path, "https://app.example");
        assert_eq!(answer.status, 204, "{path}");
        assert!(answer.header("access-control-allow-methods").unwrap().contains("post"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
        for method in ["OPTIONS", "POST"] {
            let answer = asked(method, path, "https://evil.example");
            assert_eq!(answer.status, 403, "{method} {path}");
            assert!(!answer.head.contains("access-control"), "{}", answer.head);
        }
    }
}

#[test]
fn what_is_no_request_of_a_session_is_said_to_be_none() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let status = |request: &[u8]| Answer::to(gateway.address(), request).status;
    let asked =
        |method: &str, path: &str| status(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    assert_eq!(asked("GET", "/connection/http_stream"), 405);
    assert_eq!(asked("DELETE", "/connection/sse"), 405);
    assert_eq!(asked("GET", "/emulation"), 405);
    for query in ["", "?cf_connect=", "?cf_connect", "?a=b", "?cf_connect=1&cf_connect=2"] {
        assert_eq!(asked("GET", &format!("/connection/sse{query}")), 400, "{query}");
    }
    let emulated = |body: &str| status(&post("/emulation", "application/json", body.as_bytes()));
    for body in [
        "",
        "{}",
        "[]",
        r#"{"node":"a","session":"s"}"#,
        r#"{"node":"a","session":"s","data":""}"#,
        r#"{"node":"a","session":"s","data":{}}"#,
        r#"{"node":"a","data":"{}"}"#,
    ] {
        assert_eq!(emulated(body), 400, "{body}");
    }
    assert_eq!(status(&post("/emulation", "application/octet-stream", b"\x0a\xff")), 400);
    // And why, for who tries it by hand.
    for (path, takes) in
        [("/connection/sse", "cf_connect"), ("/emulation", "{\"node\", \"session\", \"data\"}")]
    {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        let (text, _) = Answer::to(gateway.address(), request.as_bytes()).body();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("this takes ") && text.contains(takes), "{text}");
    }
    let to = |node: &str| emulated(&json!({"node": node, "session": "nobody's", "data": "{}"}).to_string());
    assert_eq!((to("elsewhere"), to("")), (404, 404));
    // Whose stream has ended sees that it has.
    assert_eq!(to("a"), 204);
    for path in ["/connection/http_stream", "/connection/sse", "/emulation"] {
        // By what is said beforehand, and by what comes.
        let said = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n");
        assert_eq!(status(said.as_bytes()), 413, "{path}");
        let mut come =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
        come.extend_from_slice(format!("40001\r\n{}", "x".repeat(0x40001)).as_bytes());
        assert_eq!(status(&come), 413, "{path}");
    }
}

#[test]
fn what_ends_a_session_is_said_and_then_the_answer_ends() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    // It does not begin with connect.
    let request = post(
        "/connection/http_stream",
        "application/json",
        br#"{"id":1,"subscribe":{"channel":"public:a"}}"#,
    );
    let mut answer = Answer::to(gateway.address(), &request);
    let push = answer.chunk().unwrap();
    assert_eq!(push, b"{\"push\":{\"disconnect\":{\"code\":3501,\"reason\":\"bad request\"}}}\n");
    assert_eq!(answer.chunk(), None);
    for by in BOTH {
        let mut ann = FarEnd::connect(by, gateway.address(), "ann");
        assert_eq!(ann.post(gateway.address(), r#"{"connect":{}}"#), 204);
        assert_eq!(ann.disconnected(), json!({"code": 3501, "reason": "bad request"}), "{by:?}");
    }
    // A refused connect is a reply, and the client goes.
    let request =
        post("/connection/http_stream", "application/json", br#"{"id":1,"connect":{"token":"no"}}"#);
    let mut refused = Answer::to(gateway.address(), &request);
    assert!(String::from_utf8(refused.chunk().unwrap()).unwrap().contains("3500"));
}

#[test]
fn a_server_that_stops_sends_everybody_away() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let address = gateway.address();
    let mut all = BOTH.map(|by| FarEnd::connect(by, address, "ann"));
    let stopping = thread::spawn(|| gateway.stop());
    for far_end in &mut all {
        assert_eq!(far_end.disconnected(), json!({"code": 3001, "reason": "shutdown"}));
    }
    stopping.join().unwrap();
}

#[test]
fn commands_find_their_session_from_any_server() {
    let harbour = Harbour::open();
    let (one, other) = (harbour.gateway("one"), harbour.gateway("other"));
    eventually("it can be told of commands", || harbour.listeners("naru:node:one") == 1);
    for by in BOTH {
        let mut ann = FarEnd::connect(by, one.address(), "ann");
        assert_eq!(ann.node, "one");
        for address in [other.address(), one.address(), other.address()] {
            assert_eq!(ann.ask(address, "ping", json!({}))["error"]["code"], 108);
        }
    }
    let ann = FarEnd::connect(By::Stream, one.address(), "ann");
    let mut bob = FarEnd::connect(By::Stream, other.address(), "bob");
    one.stop();
    eventually("nobody is there any more", || ann.post(other.address(), "{}") == 404);
    assert_eq!(bob.ask(other.address(), "ping", json!({}))["error"]["code"], 108);
}

#[test]
fn a_secret_is_nobody_elses_and_long() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let mut ann = FarEnd::connect(By::Stream, gateway.address(), "ann");
    let mut bob = FarEnd::connect(By::Events, gateway.address(), "ann");
    assert!(ann.session.len() >= 32 && ann.session != bob.session);
    bob.session = format!("{}x", ann.session);
    assert_eq!(bob.post(gateway.address(), r#"{"id":9,"ping":{}}"#), 204);
    // A client id, which others see, is none.
    bob.session = "a".repeat(36);
    assert_eq!(bob.post(gateway.address(), r#"{"id":9,"ping":{}}"#), 204);
    assert_eq!(ann.ask(gateway.address(), "ping", json!({}))["id"], 2);
}

#[test]
fn protobuf_is_spoken_both_ways_when_the_type_says_so() {
    const TYPE: &str = "application/octet-stream";
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let token = protobuf::Connect { token: token("ann"), ..Default::default() };
    let command = Command { id: 1, connect: Some(token), ..Default::default() };
    let request = post("/connection/http_stream", TYPE, &command.encode_length_delimited_to_vec());
    let mut answer = Answer::to(gateway.address(), &request);
    assert_eq!(answer.header("content-type"), Some(TYPE));
    let reply = protobuf::Reply::decode_length_delimited(answer.chunk().unwrap().as_slice()).unwrap();
    let Connected { session, node, .. } = reply.connect.unwrap();
    let data = [2, 3].map(|id| {
        Command { id, ping: Some(Nothing {}), ..Default::default() }.encode_length_delimited_to_vec()
    });
    let body = Emulation { node, session, data: data.concat() }.encode_to_vec();
    assert_eq!(Answer::to(gateway.address(), &post("/emulation", TYPE, &body)).status, 204);
    for id in [2, 3] {
        let reply = protobuf::Reply::decode_length_delimited(answer.chunk().unwrap().as_slice()).unwrap();
        assert_eq!((reply.id, reply.error.unwrap().code), (id, 108));
    }
}

#[test]
fn a_client_of_http_1_0_gets_what_ends_with_the_connection() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let frame = connect("ann");
    let request = format!("POST /connection/sse HTTP/1.0\r\ncontent-length: {}\r\n\r\n{frame}", frame.len());
    let mut answer = Answer::to(gateway.address(), request.as_bytes());
    assert_eq!((answer.status, answer.header("transfer-encoding")), (200, None));
    assert_eq!(answer.line(), "\r\n");
    assert!(answer.line().starts_with(r#"data: {"id":1,"connect":{"#));
    assert_eq!(answer.line(), "\n");
    let stopping = thread::spawn(|| gateway.stop());
    let rest = String::from_utf8(answer.rest()).unwrap();
    assert_eq!(rest, "data: {\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}}\n\n");
    stopping.join().unwrap();
}

#[test]
fn publications_reach_a_client_of_http_1_0_one_by_one() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let frame = format!("{}\n{}", connect("ann"), r#"{"id":2,"subscribe":{"channel":"public:a"}}"#);
    let request =
        format!("POST /connection/http_stream HTTP/1.0\r\ncontent-length: {}\r\n\r\n{frame}", frame.len());
    let mut answer = Answer::to(gateway.address(), request.as_bytes());
    let replies = [answer.line(), answer.line()];
    assert!(replies[1].contains("subscribe"), "{replies:?}");
    // At once, so that they may be delivered together.
    let published: Vec<u8> = (0..50).flat_map(|n| format!("PUBLISH public:a {n}\r\n").into_bytes()).collect();
    harbour.redis_text(&[published.as_slice(), b"QUIT\r\n"].concat());
    for n in 0..50 {
        let line = answer.line();
        assert!(line.starts_with('{') && line.contains(&format!("\"data\":{n}")), "{line}");
    }
}

#[test]
fn a_connection_may_have_served_other_requests_before() {
    let harbour = Harbour::open();
    // More than the kernel takes, so that the answer is still to be written when the next request has come.
    let page = "x".repeat(8 << 20);
    let served = page.clone();
    let gateway = harbour.gateway_with("a", |options| {
        options.pages = axum::Router::new().route("/", axum::routing::post(async move || served));
    });
    let mut stream = narrow(gateway.address(), 64 << 10);
    let before = [b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n".as_slice(), &post("/", "text/plain", b"body")];
    let opening = post("/connection/http_stream", "application/json", connect("ann").as_bytes());
    stream.write_all(&[before.concat(), opening].concat()).unwrap();
    let (_, reader) = Answer::of(BufReader::new(stream)).body();
    let (body, reader) = Answer::of(reader).body();
    assert!(body == page.as_bytes(), "the page is whole");
    let mut ann = FarEnd::connected(By::Stream, Answer::of(reader));
    assert_eq!(ann.ask(gateway.address(), "ping", json!({}))["id"], 2);
    // What comes on the connection itself means nothing.
    ann.answer.stream().write_all(b"GET /health HTTP/1.1\r\n\r\n{\"id\":7,\"ping\":{}}").unwrap();
    assert_eq!(ann.ask(gateway.address(), "ping", json!({}))["id"], 3);
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let frame = connect("ann");
    let head = format!(
        "POST /connection/http_stream HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        frame.len()
    );
    let mut patient = TcpStream::connect(gateway.address()).unwrap();
    patient.set_read_timeout(Some(PATIENCE)).unwrap();
    patient.write_all(head.as_bytes()).unwrap();
    let mut told = [0; 25];
    patient.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    patient.write_all(frame.as_bytes()).unwrap();
    FarEnd::connected(By::Stream, Answer::of(BufReader::new(patient)));
    // One that does not wait either way is served as well.
    let mut hasty = TcpStream::connect(gateway.address()).unwrap();
    hasty.set_read_timeout(Some(PATIENCE)).unwrap();
    hasty.write_all(format!("{head}{frame}").as_bytes()).unwrap();
    let mut answer = Answer::of(BufReader::new(hasty.try_clone().unwrap()));
    if answer.status == 100 {
        answer = Answer::of(answer.into_reader());
    }
    FarEnd::connected(By::Stream, answer);
}

#[test]
fn a_reader_that_does_not_keep_up_is_cut_off_and_others_go_on() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let mut slow = narrow_subscriber(gateway.address(), "public:a");
    let mut good = Client::connect(gateway.address(), "bob");
    good.subscribe("public:a");
    let text = "x".repeat(32 << 10);
    // Beyond what the kernel holds for it, and what we do.
    for n in 0..400 {
        good.ask("publish", json!({"channel": "public:a", "data": [n, text]}));
    }
    let rest = slow.answer.rest();
    // Whether it was told why depends on when it read on: tests/scene/test_slow_subscriber.py.
    assert!(rest.len() < 12 << 20, "{} bytes", rest.len());
    assert_eq!(slow.post(gateway.address(), "{}"), 204);
    good.ask("ping", json!({}));
}

#[test]
fn who_posts_more_than_is_taken_is_closed() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("a");
    let address = gateway.address();
    let mut bob = Client::connect(address, "bob");
    let text = "x".repeat(100 << 10);
    let command = json!({"id": 100, "rpc": {"method": "none", "data": "y".repeat(100 << 10)}}).to_string();
    let end = told_at_last(CLOSE_PATIENCE, |begun| {
        let ann = narrow_subscriber(address, "public:a");
        // So much that its commands are not taken any more, and not so much that it is cut off: the kernel takes an unknown part.
        let mut posted = 0;
        'full: loop {
            bob.ask("publish", json!({"channel": "public:a", "data": text}));
            for _ in 0..6 {
                *begun = Instant::now();
                assert_eq!(ann.post(address, &command), 204);
                posted += 1;
                if harbour.listeners("public:a") == 0 {
                    break 'full;
                }
            }
            assert!(posted < 4_000, "it is never full");
        }
        ann.last_words()
    });
    assert_eq!(end, Some(json!({"code": 3013, "reason": "too many requests"})));
}
