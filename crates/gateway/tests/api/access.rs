//! Who may ask, where, and in which form it is answered.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use naru_gateway::api::{KeySettings, SecretKey, Settings};
use serde_json::{Value, json};

use crate::{
    ask, call, code, done,
    support::{API_KEY, Harbour},
};

#[test]
fn nobody_comes_in_without_a_key() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let closed = harbour.gateway_with("two", |options| options.api = Settings::default().try_into().unwrap());
    let key = |key: &str| format!("X-API-Key: {key}\r\n");
    let post = "POST /api/info";
    for headers in
        ["", &key(""), &key("wrong"), "Authorization: apikey wrong\r\n", "Authorization: Bearer x\r\n"]
    {
        assert_eq!(ask(one.address(), post, headers, "{}"), (401, String::new()), "{headers}");
        assert_eq!(ask(one.address(), "POST /api", headers, "{}"), (401, String::new()), "{headers}");
    }
    assert_eq!(ask(one.address(), "POST /api/no_method", "", "{}").0, 401);
    assert_eq!(ask(closed.address(), post, &key(API_KEY), "{}").0, 401);
    assert_eq!(ask(closed.address(), post, "", "{}").0, 401);
    let encoded = API_KEY.replace(' ', "%20");
    for (head, headers) in [
        (post.to_owned(), key(API_KEY)),
        (post.to_owned(), format!("Authorization: apikey {API_KEY}\r\n")),
        (format!("{post}?api_key={encoded}"), String::new()),
    ] {
        assert_eq!(ask(one.address(), &head, &headers, "{}").0, 200, "{head}");
    }
    let good = key(API_KEY);
    assert_eq!(ask(one.address(), "GET /api/info", &good, "").0, 405);
    assert_eq!(ask(one.address(), "POST /api/no_method", &good, "{}").0, 404);
    for body in ["", "{", "[]", "hi", r#"{"channel": 7}"#] {
        assert_eq!(ask(one.address(), "POST /api/publish", &good, body).0, 400, "{body}");
    }
    let large = format!(r#"{{"channel":"public:a","data":"{}"}}"#, "x".repeat(5 << 20));
    assert_eq!(ask_large(one.address(), &good, &large), 413);
    let too_large = json!({"channel": "public:a", "data": "x".repeat(1 << 20)});
    assert_eq!(code(one.address(), "publish", too_large), 107);
    one.stop();
    closed.stop();
}

/// As [`ask`], where the server answers before it has read everything.
fn ask_large(address: SocketAddr, headers: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("POST /api/publish HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body.as_bytes());
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[test]
fn a_key_may_be_for_some_methods_and_namespaces_only() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let set = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        let news = KeySettings {
            name: "news".into(),
            key: SecretKey::new(API_KEY).unwrap(),
            operations: set(&["publish", "broadcast"]),
            namespaces: set(&["public"]),
        };
        options.api = Settings { keys: vec![news], ..Settings::default() }.try_into().unwrap();
    });
    let api = one.api_address();
    done(api, "publish", json!({"channel": "public:a", "data": 1}));
    assert_eq!(code(api, "publish", json!({"channel": "a", "data": 1})), 103);
    assert_eq!(code(api, "broadcast", json!({"channels": ["public:a", "a"], "data": 1})), 103);
    assert_eq!(code(api, "disconnect", json!({"user": "alice"})), 103);
    let commands = json!([
        {"publish": {"channel": "public:a", "data": 1}},
        {"disconnect": {"user": "alice"}},
        {"publish": {"channel": "a", "data": 1}},
        {"info": {}, "channels": {}},
        {},
        {"batch": {"commands": []}},
        {"nothing": {}},
        {"publish": 7},
    ]);
    for parallel in [false, true] {
        let replies =
            call(api, "batch", json!({"commands": commands, "parallel": parallel}))["replies"].clone();
        let codes: Vec<Option<u64>> =
            replies.as_array().unwrap().iter().map(|reply| reply["error"]["code"].as_u64()).collect();
        assert_eq!(
            codes,
            [None, Some(103), Some(103), Some(107), Some(107), Some(107), Some(104), Some(107)]
        );
    }
    one.stop();
}

#[test]
fn a_refusal_may_be_a_status() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let headers = format!("X-API-Key: {API_KEY}\r\nX-Centrifugo-Error-Mode: transport\r\n");
    for (request, params, status, code) in [
        ("POST /api/publish", json!({"channel": "nowhere:a", "data": 1}), 404, 102),
        ("POST /api/publish", json!({"channel": "", "data": 1}), 400, 107),
        ("POST /api/history", json!({"channel": "public:a"}), 400, 108),
    ] {
        let answer = ask(one.address(), request, &headers, &params.to_string());
        assert_eq!(answer.0, status);
        let error: Value = serde_json::from_str(&answer.1).unwrap();
        assert_eq!(error["code"], code);
        assert!(error["message"].is_string());
    }
    let good = json!({"channel": "public:a", "data": 1}).to_string();
    assert_eq!(ask(one.address(), "POST /api/publish", &headers, &good), (200, r#"{"result":{}}"#.into()));
    let batch = json!({"commands": [{"publish": {}}]}).to_string();
    assert_eq!(ask(one.address(), "POST /api/batch", &headers, &batch).0, 200);
    one.stop();
}

#[test]
fn the_old_form_answers_line_by_line() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let headers = format!("X-API-Key: {API_KEY}\r\n");
    let body = "{\"method\":\"publish\",\"params\":{\"channel\":\"public:a\",\"data\":1}}\n\
                {\"method\":\"nothing\"}{\"method\":\"channels\",\"params\":{}}\n";
    let (status, answer) = ask(one.address(), "POST /api", &headers, body);
    assert_eq!(status, 200);
    let lines: Vec<&str> = answer.split('\n').collect();
    assert_eq!(lines.len(), 3, "{answer:?}");
    assert_eq!(lines[0], r#"{"result":{}}"#);
    assert!(lines[1].starts_with(r#"{"error":{"code":104,"#), "{}", lines[1]);
    assert_eq!(lines[2], r#"{"result":{"channels":{}}}"#);
    assert_eq!(ask(one.address(), "POST /api", &headers, "{\"method\":\"info\"}\n{").0, 400);
    let command = "{\"method\":\"nothing\"}";
    assert_eq!(ask(one.address(), "POST /api", &headers, &command.repeat(128)).0, 200);
    assert_eq!(ask(one.address(), "POST /api", &headers, &command.repeat(129)).0, 400);
    one.stop();
}

#[test]
fn a_batch_has_so_many_commands_and_no_more() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let batch = |count: usize| json!({"commands": vec![json!({"channels": {}}); count], "parallel": true});
    let answer = call(one.api_address(), "batch", batch(128));
    assert_eq!(answer["replies"].as_array().unwrap().len(), 128);
    assert_eq!(code(one.api_address(), "batch", batch(129)), 107);
    one.stop();
}

#[test]
fn the_api_can_have_a_port_of_its_own() {
    let harbour = Harbour::open();
    let one = harbour.gateway_with("one", |options| {
        let address = Some("127.0.0.1:0".parse().unwrap());
        options.api = Settings { address, insecure: true, ..Settings::default() }.try_into().unwrap();
    });
    assert_ne!(one.api_address(), one.address());
    assert_eq!(ask(one.api_address(), "POST /api/info", "", "{}").0, 200);
    assert_eq!(ask(one.api_address(), "GET /docs", "", "").0, 200);
    assert_eq!(ask(one.api_address(), "GET /health", "", "").0, 200);
    assert_eq!(ask(one.address(), "POST /api/info", "", "{}").0, 404);
    assert_eq!(ask(one.address(), "GET /openapi.json", "", "").0, 404);
    let api = one.api_address();
    one.stop();
    TcpStream::connect(api).unwrap_err();
}
